import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import dns from "node:dns/promises";
import { once } from "node:events";
import process from "node:process";
import { test } from "node:test";
import { Backoff } from "../../lib/internal/connect.ts";
import { unreachableOf } from "../../lib/internal/no_answer.ts";
import { planRetry } from "../../lib/connect.ts";
import { type Address, DisconnectCode, type ENetError, Host, type Peer } from "../../mod.ts";
import { block, errorOf, journal, leakCheck, until, withDeadline } from "../_helpers.ts";

const LOOPBACK = "127.0.0.1";
const QUICK = { minimumMs: 1, maximumMs: 4 };

/** Has every name resolved by a function, until it is disposed of. */
function resolver(lookup: () => Promise<unknown>): Disposable {
  const original = dns.lookup;
  dns.lookup = lookup as typeof dns.lookup;
  return { [Symbol.dispose]: () => void (dns.lookup = original) };
}

/** Something that is not ENet, and answers each CONNECT with a refusal of this number. */
class Refuser implements AsyncDisposable {
  readonly socket: Socket = createSocket("udp4");
  /** Times that it was asked. */
  asked = 0;
  /** The number; undefined for no answer at all. */
  data: number | undefined;

  async open(data: number | undefined): Promise<this> {
    this.data = data;
    this.socket.on("message", (connect, { port }) => this.#answer(connect, port));
    this.socket.bind(0, LOOPBACK);
    await once(this.socket, "listening");
    return this;
  }

  #answer(connect: Uint8Array, port: number): void {
    this.asked++;
    if (this.data === undefined) return;
    // ENet's DISCONNECT, unsequenced, for the peer that the CONNECT names.
    const refusal = new Uint8Array([0, 0, 0x44, 0xFF, 0, 0, 0, 0, 0, 0]);
    refusal.set(connect.subarray(8, 10));
    new DataView(refusal.buffer).setUint32(6, this.data);
    this.socket.send(refusal, port, LOOPBACK);
  }

  get address(): Address {
    return { hostname: LOOPBACK, port: this.socket.address().port };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }
}

const FULL = 1718971500;

/** An address where nothing listens. */
async function nobody(): Promise<Address> {
  const refuser = await new Refuser().open(undefined);
  const { address } = refuser;
  await refuser[Symbol.asyncDispose]();
  return address;
}

// Where nothing listens.

const notLinux = process.platform !== "linux" && "only Linux reports ICMP messages";

test("An attempt to a port where nothing listens names that", { skip: notLinux }, async (t) => {
  await leakCheck(t);
  await using client = await Host.create();
  const to = await nobody();
  const error = await errorOf(client.connect(to, { timeoutMs: 2000 })) as ENetError;
  assert.deepEqual([error.code, error.unreachable], ["ENETJS_ERR_TIMEOUT", "port"]);
  const where = `${LOOPBACK}:${to.port}`;
  assert.equal(
    error.message,
    `Connecting to ${where}: no answer within 2000 ms: the system reports that nothing listens on ` +
      `${where} (ICMP port unreachable)`,
  );
  assert.equal(client.stats.socketErrors, 0);
});

test(
  "Where nothing listens, connections go on, and a server may still start",
  { skip: notLinux },
  async (t) => {
    await leakCheck(t);
    const seen = journal();
    await using server = await Host.listen({ hostname: LOOPBACK }, seen.handlers);
    await using client = await Host.create();
    const peer = await client.connect(server.address);
    const to = await nobody();
    const attempt = client.connect(to, { timeoutMs: 20_000 });
    for (let i = 0; i < 20; i++) await peer.deliver(0, `message ${i}`);
    assert.equal(client.stats.socketErrors, 0);
    await using late = await Host.listen(to);
    const found = await withDeadline(attempt, 20_000, "the server that has started");
    await found.deliver(0, "hello");
    assert.equal(peer.state, "connected");
    assert.equal(late.stats.connectedPeers, 1);
  },
);

test("What ICMP reports has a name each", () => {
  const names = [0, 1, 2, 3, 5, 9, 10, 11, 13, 255].map(unreachableOf);
  assert.deepEqual(names, [
    "network",
    "host",
    "port",
    "port",
    "host",
    "prohibited",
    "prohibited",
    "network",
    "prohibited",
    "host",
  ]);
});

// The signal.

test("A signal that aborts once the connection is there changes nothing", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using client = await Host.create({ pump: false });
  const abort = new AbortController();
  const attempt = client.connect(server.address, { signal: abort.signal });
  const isConnected = () => {
    const event = client.service();
    // Before the program goes on behind its promise.
    if (event?.type === "connect") abort.abort();
    return event?.type === "connect";
  };
  await until(isConnected, 10_000, "the connect event");
  const peer = await withDeadline(attempt, 10_000, "the promise");
  assert.deepEqual([peer.state, peer.reason], ["connected", undefined]);
});

test("A connect handler may abort the attempts that others of its signal make", async (t) => {
  await leakCheck(t);
  await using silent = await new Refuser().open(undefined);
  await using server = await Host.listen({ hostname: LOOPBACK });
  const won = new AbortController();
  const seen = journal();
  const handlers = { ...seen.handlers, connect: () => won.abort(new Error("another has won")) };
  await using client = await Host.create({}, handlers);
  const { signal } = won;
  const lost = assert.rejects(client.connect(silent.address, { signal }), /another has won/);
  const peer = await withDeadline(client.connect(server.address, { signal }), 10_000, "the winner");
  await withDeadline(lost, 10_000, "the loser");
  assert.deepEqual([peer.state, peer.reason], ["connected", undefined]);
  await withDeadline(peer.deliver(0, "text"), 10_000, "a delivery");
  assert.deepEqual(seen.entries, []);
});

test("What has come while the program was busy is heard although the time is up", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK }, {
    connect: (peer) => void peer.send(0, "hello"),
  });
  await using client = await Host.create();
  const attempt = client.connect(server.address, { timeoutMs: 100 });
  await new Promise((resolve) => setImmediate(resolve));
  block(400);
  const peer = await withDeadline(attempt, 10_000, "the connection");
  const message = peer.receive({ timeoutMs: 100 });
  block(400);
  const { packet } = await withDeadline(message, 10_000, "the message");
  assert.equal(packet.text(), "hello");
});

// Name resolution.

test("Host.connect() stops waiting for a host name in time, by signal, and with the host", async (t) => {
  await leakCheck(t);
  using _never = resolver(() => new Promise(() => {}));
  await using client = await Host.create();
  const named = { hostname: "game.test", port: 7777 };
  const late = await errorOf(client.connect(named, { timeoutMs: 20 }));
  assert.equal(late.code, "ENETJS_ERR_TIMEOUT");
  assert.match(late.message, /game\.test:7777: no answer within 20 ms/);

  const abort = new AbortController();
  const attempt = client.connect(named, { signal: abort.signal });
  const reason = new Error("changed my mind");
  abort.abort(reason);
  await assert.rejects(withDeadline(attempt, 10_000, "the abort"), (error) => error === reason);

  for (const end of ["close", "dispose"]) {
    await using host = await Host.create();
    const closed = errorOf(host.connect(named));
    if (end === "close") await host.close();
    else host[Symbol.dispose]();
    assert.equal((await closed).code, "ENETJS_ERR_CLOSED");
  }
});

test("Host.connect() resolves no name once its host closes or its signal has aborted", async (t) => {
  await leakCheck(t);
  let lookups = 0;
  using _failing = resolver(() => {
    lookups++;
    return Promise.reject(new Error("nobody would hear of this error"));
  });
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using client = await Host.create();
  await client.connect(server.address);
  server.filter = { deny: [LOOPBACK] }; // so that closing takes all of its time
  const named = { hostname: "game.test", port: 7777 };

  const abort = new AbortController();
  const attempt = client.connect(named, {
    signal: abort.signal,
    retry: { ...QUICK, onRetry: () => abort.abort("enough") },
  });
  await assert.rejects(withDeadline(attempt, 10_000, "the abort"), (error) => error === "enough");
  assert.equal(lookups, 1);

  const closing = client.close({ graceMs: 60_000 });
  assert.equal((await errorOf(client.connect(named))).code, "ENETJS_ERR_CLOSED");
  assert.equal(lookups, 1);
  void client.close({ graceMs: 0 });
  await closing;
});

// Trying again.

test("Waits double from the minimum to the maximum, less a random part", () => {
  const waits = (backoff: Backoff, count: number) =>
    Array.from({ length: count }, () => backoff.next());
  const plan = planRetry({ minimumMs: 100, maximumMs: 1000, jitter: 0.5 });
  assert.deepEqual(waits(new Backoff(plan, () => 0), 6), [100, 200, 400, 800, 1000, 1000]);
  assert.deepEqual(waits(new Backoff(plan, () => 1), 6), [50, 100, 200, 400, 500, 500]);
  assert.deepEqual(waits(new Backoff(planRetry({ jitter: 0 }), () => 1), 2), [500, 1000]);

  const backoff = new Backoff(plan, () => 0);
  waits(backoff, 3);
  backoff.ended(399); // shorter than the last wait
  assert.deepEqual(waits(backoff, 1), [800]);
  backoff.ended(800);
  assert.deepEqual(waits(backoff, 2), [100, 200]);
});

test("Host.connect() with retry comes through to a server that begins late", async (t) => {
  await leakCheck(t);
  // It has its port, and nobody services it yet.
  await using server = await Host.listen({ hostname: LOOPBACK, pump: false });
  await using client = await Host.create();
  let failures = 0;
  const when = () => ++failures > 0;
  const attempt = client.connect(server.address, { timeoutMs: 50, retry: { ...QUICK, when } });
  await until(() => failures >= 3, 10_000, "three attempts");
  const ticker = setInterval(() => server.service(), 1);
  try {
    const peer = await withDeadline(attempt, 20_000, "the connection");
    assert.equal(peer.state, "connected");
  } finally {
    clearInterval(ticker);
  }
});

test("Host.connect() with retry goes on while the server is full, and ends with another refusal", async (t) => {
  await leakCheck(t);
  await using refuser = await new Refuser().open(FULL);
  await using client = await Host.create();
  const attempt = errorOf(client.connect(refuser.address, { retry: QUICK }));
  await until(() => refuser.asked >= 3, 10_000, "three attempts");
  refuser.data = 17;
  const { code, data } = await attempt;
  assert.deepEqual([code, data], ["ENETJS_ERR_REFUSED", 17]);
});

test("retry.when decides which errors are final", async (t) => {
  await leakCheck(t);
  await using refuser = await new Refuser().open(17);
  await using client = await Host.create();
  const seen: unknown[] = [];
  const when = (error: ENetError) => seen.push(error.data) < 4;
  const { data } = await errorOf(client.connect(refuser.address, { retry: { ...QUICK, when } }));
  assert.deepEqual([data, seen], [17, [17, 17, 17, 17]]);
  assert.ok(refuser.asked >= 4); // ENet asks again when an answer takes long
});

test("retry.when leaves to the default what it returns undefined for, and onRetry tells of waits", async (t) => {
  await leakCheck(t);
  await using refuser = await new Refuser().open(FULL);
  await using client = await Host.create();
  const told: [unknown, boolean][] = [];
  const retry = {
    minimumMs: 10,
    jitter: 0,
    maximumMs: 20,
    when: (error: ENetError) => error.data === 17 ? told.length < 6 : undefined,
    onRetry(error: ENetError, waitMs: number) {
      told.push([error.data, waitMs === (told.length === 0 ? 10 : 20)]);
      if (told.length === 3) refuser.data = 17;
    },
  };
  const { data } = await errorOf(client.connect(refuser.address, { retry }));
  assert.deepEqual([data, told.map(([data]) => data)], [17, [FULL, FULL, FULL, 17, 17, 17]]);
  assert.ok(told.every(([, isWait]) => isWait));
  const wrong = { retry: { onRetry: 1 } } as never;
  await assert.rejects(client.connect(refuser.address, wrong), /onRetry must be a function/);
});

test("Host.connect() with retry tries names again, and ends with its signal and its host", async (t) => {
  await leakCheck(t);
  let asked = 0;
  using _unknown = resolver(() => Promise.reject(new Error(`ENOTFOUND ${++asked}`)));
  const named = { hostname: "game.test", port: 7777 };
  await using client = await Host.create();
  const abort = new AbortController();
  const attempt = client.connect(named, { retry: QUICK, signal: abort.signal });
  attempt.catch(() => {});
  await until(() => asked >= 3, 10_000, "three attempts");
  abort.abort();
  await assert.rejects(attempt, { name: "AbortError" });

  // Also while it waits for the next attempt.
  const before = asked;
  const closed = errorOf(client.connect(named, { retry: { minimumMs: 86_400_000 } }));
  await until(() => asked > before, 10_000, "the attempt");
  await client.close();
  assert.equal((await closed).code, "ENETJS_ERR_CLOSED");
});

// Sessions.

/** Disconnects whoever connects, and counts them. */
function revolvingDoor(count = { value: 0 }): Promise<Host> {
  return Host.listen({ hostname: LOOPBACK }, {
    connect: (peer) => void peer.disconnectLater(count.value++),
  });
}

test("Host.sessions() yields a peer for each connection, the next after the last has ended", async (t) => {
  await leakCheck(t);
  const count = { value: 0 };
  await using server = await revolvingDoor(count);
  await using client = await Host.create({ peers: 1 });
  const end = new AbortController();
  const peers: Peer[] = [];
  const loop = async () => {
    for await (
      const peer of client.sessions(server.address, { signal: end.signal, retry: QUICK })
    ) {
      assert.ok(peers.every(({ state }) => state === "disconnected"));
      peers.push(peer);
      for await (const _message of peer);
      if (peers.length === 5) end.abort();
    }
  };
  await withDeadline(loop(), 10_000, "five sessions");
  assert.deepEqual([new Set(peers).size, count.value], [5, 5]);
  assert.deepEqual(client.peers, []);
});

test("Host.sessions() waits for the end of a peer that the loop does nothing with", async (t) => {
  await leakCheck(t);
  await using server = await revolvingDoor();
  await using client = await Host.create({ peers: 1 });
  let count = 0;
  const loop = async () => {
    for await (const _peer of client.sessions(server.address, { retry: QUICK })) {
      if (++count === 4) break;
    }
  };
  await withDeadline(loop(), 10_000, "four sessions");
});

test("Host.sessions() ends with its signal and with its host, and tells the server", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK }, seen.handlers);
  for (const end of ["abort", "close"]) {
    await using client = await Host.create();
    const abort = new AbortController();
    const before = seen.all("disconnect").length;
    const loop = async () => {
      let count = 0;
      for await (const _peer of client.sessions(server.address, { signal: abort.signal })) {
        count++;
        if (end === "abort") abort.abort();
        else void client.close();
      }
      assert.equal(count, 1);
    };
    await withDeadline(loop(), 10_000, `the end by ${end}`);
    const entries = await seen.wait("disconnect", before + 1);
    assert.deepEqual(entries.at(-1)?.reason, "remote");
  }
});

test("Leaving a loop over Host.sessions() disconnects after what is queued", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK }, seen.handlers);
  await using client = await Host.create();
  for await (const peer of client.sessions(server.address)) {
    peer.send(0, "last words");
    break;
  }
  await seen.wait("disconnect", 1);
  assert.equal(seen.all("receive").length, 1);
});

test("Host.sessions() throws what makes no sense to try again", async (t) => {
  await leakCheck(t);
  await using refuser = await new Refuser().open(17);
  await using client = await Host.create();
  const first = client.sessions(refuser.address).next();
  assert.deepEqual((await errorOf(first)).data, 17);
  const { done } = await client.sessions(refuser.address, { signal: AbortSignal.abort() }).next();
  assert.equal(done, true);
});

test("Host.sessions() takes an end with a number of the library for an end", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK }, {
    connect: (peer) => peer.disconnectNow(DisconnectCode.DENIED),
  });
  await using client = await Host.create();
  let count = 0;
  const loop = async () => {
    for await (const peer of client.sessions(server.address, { retry: QUICK })) {
      await peer.closed;
      if (++count === 3) break;
    }
  };
  await withDeadline(loop(), 10_000, "three sessions");
});
