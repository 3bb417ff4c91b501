import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AcceptVerdict,
  type ConnectAttempt,
  DisconnectCode,
  Host,
  type ListenOptions,
  type Packet,
  type Peer,
} from "../../mod.ts";
import { burn } from "../_flood.ts";
import {
  connectedPair,
  currentRuntime,
  errorOf,
  journal,
  leakCheck,
  spawnRuntime,
  until,
  withDeadline,
} from "../_helpers.ts";

const LOOPBACK = "127.0.0.1";
const NONE = { full: 0, filter: 0, accept: 0, undecided: 0, duplicate: 0 };

/** The number of a refusal. */
async function refusalOf(promise: Promise<unknown>): Promise<number | undefined> {
  const error = await errorOf(promise);
  assert.equal(error.code, "ENETJS_ERR_REFUSED", error.message);
  return error.data;
}

test("accept is told who wants to connect, and decides by true, false or a number", async (t) => {
  await leakCheck(t);
  const seen = journal();
  const attempts: ConnectAttempt[] = [];
  let verdict: AcceptVerdict = true;
  await using server = await Host.listen({
    hostname: LOOPBACK,
    channels: 3,
    accept: (attempt) => {
      attempts.push(attempt);
      return verdict;
    },
  }, seen.handlers);
  await using client = await Host.create();
  const connect = () => client.connect(server.address, { data: 0xFFFFFFFF, channels: 5 });
  await connect();
  const { port } = client.address;
  const plain = { encrypted: false, cipher: undefined, token: undefined, clientKey: undefined };
  const attempt = {
    address: { hostname: LOOPBACK, port },
    data: 0xFFFFFFFF,
    channels: 3,
    ...plain,
  };
  assert.deepEqual(attempts, [attempt]);
  for (const number of [0, 1, 0x80000000, 0xFFFFFFFF]) {
    verdict = number;
    assert.equal(await refusalOf(connect()), number);
  }
  verdict = false;
  const error = await errorOf(connect());
  assert.equal(error.data, DisconnectCode.DENIED);
  assert.match(error.message, /does not admit this client/);
  assert.equal(attempts.length, 6);
  assert.deepEqual(server.stats.refused, { ...NONE, accept: 5 });
  assert.equal(seen.entries.length, 1, "nothing is reported of what was refused");
  assert.equal(server.peers.length, 1);
});

for (const [compression, checksum] of [["range-coder", "none"], ["none", "crc32"]] as const) {
  test(`accept works with compression ${compression} and checksum ${checksum}`, async (t) => {
    await leakCheck(t);
    const options = { compression, checksum };
    const accept = ({ data }: ConnectAttempt) => Promise.resolve(data === 1 || 5);
    await using server = await Host.listen({ hostname: LOOPBACK, accept, ...options });
    await using client = await Host.create(options);
    assert.equal(await refusalOf(client.connect(server.address)), 5);
    await (await client.connect(server.address, { data: 1 })).deliver(0, "hello");
  });
}

test("accept may decide later; each attempt asks once, and the decision is remembered", async (t) => {
  await leakCheck(t);
  const decisions: ((verdict: AcceptVerdict) => void)[] = [];
  await using server = await Host.listen({
    hostname: LOOPBACK,
    accept: () => new Promise<AcceptVerdict>((resolve) => void decisions.push(resolve)),
  });
  await using client = await Host.create();
  const attempts = [client.connect(server.address), client.connect(server.address)];
  await until(() => decisions.length === 2, 20_000, "the questions");
  // ENet repeats its request after 500 ms.
  const sent = client.stats.totalSentPackets;
  await until(() => client.stats.totalSentPackets >= sent + 2, 20_000, "the repeated requests");
  await until(() => server.stats.totalReceivedPackets >= 4, 20_000, "their arrival");
  assert.equal(server.stats.halfOpen, 2);
  decisions[0](7);
  decisions[1](true);
  const results = await Promise.allSettled(attempts);
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  const [rejected] = results.filter((result) => result.status === "rejected");
  assert.equal(rejected.reason.data, 7);
  assert.equal(decisions.length, 2);
});

test("An attempt that nobody decides about is refused after 2 s, and a later decision is ignored", async (t) => {
  await leakCheck(t);
  const decision = Promise.withResolvers<AcceptVerdict>();
  await using server = await Host.listen({ hostname: LOOPBACK, accept: () => decision.promise });
  await using client = await Host.create();
  const error = await errorOf(client.connect(server.address));
  assert.equal(error.data, DisconnectCode.UNDECIDED);
  assert.match(error.message, /did not decide in time/);
  assert.deepEqual(server.stats.refused, { ...NONE, undecided: 1 });
  decision.resolve(true);
  await new Promise((resolve) => setTimeout(resolve)); // which the decision needs to arrive
  assert.deepEqual([server.peers, server.stats.halfOpen], [[], 0]);
});

test("A decision after the host is closed, and an accept that closes it, do no harm", async (t) => {
  await leakCheck(t);
  await using client = await Host.create();
  const decision = Promise.withResolvers<AcceptVerdict>();
  const asked = Promise.withResolvers<void>();
  const server = await Host.listen({
    hostname: LOOPBACK,
    accept: () => {
      asked.resolve();
      return decision.promise;
    },
  });
  const refusal = refusalOf(client.connect(server.address));
  await asked.promise;
  await server.close();
  decision.resolve(true);
  assert.equal(await refusal, DisconnectCode.CLOSING);

  const closing = await Host.listen({
    hostname: LOOPBACK,
    accept: () => {
      closing[Symbol.dispose]();
      return true;
    },
  });
  assert.equal(await refusalOf(client.connect(closing.address)), DisconnectCode.CLOSING);
  assert.ok(closing.closed);
});

test("An accept that throws, rejects or returns nonsense refuses, and its error is uncaught", async () => {
  await using program = spawnRuntime(currentRuntime(), "accept_throwing.ts");
  const { stdout, stderr } = await withDeadline(program.ended, 60_000, "accept_throwing.ts");
  assert.ok(stdout !== "", stderr);
  const { numbers, undecided, uncaught, state } = JSON.parse(stdout);
  assert.deepEqual(numbers, Array(7).fill(DisconnectCode.UNDECIDED));
  assert.deepEqual([undecided, state], [7, "connected"]);
  assert.deepEqual(uncaught.slice(0, 2), ["thrown", "rejected"]);
  const shown = ["undefined", "-1", "0.5", '"yes"', "null"];
  for (const [i, value] of shown.entries()) {
    assert.match(uncaught[i + 2], new RegExp(`^accept must return .*, not ${value}$`));
  }
  assert.equal(uncaught.length, 7);
});

test("Beyond 200 questions a second, an attempt is refused by its number, too", async (t) => {
  await leakCheck(t);
  const COUNT = 450;
  let asked = 0;
  await using server = await Host.listen({
    hostname: LOOPBACK,
    peers: 1000,
    pump: false,
    // A decision that takes no time, of every second client.
    accept: ({ data }) => {
      asked++;
      return data % 2 === 0 || data;
    },
  });
  const seen = journal();
  await using client = await Host.create({ peers: 1000 }, seen.handlers);
  const attempts = Array.from(
    { length: COUNT },
    (_, data) => client.connect(server.address, { data, timeoutMs: 20_000 }),
  );
  const settled = Promise.allSettled(attempts);
  // All wait in the socket's buffer, so that the server takes them in the same second.
  await until(() => client.stats.totalSentPackets >= COUNT, 10_000, "the requests to connect");
  for (let i = 0; i < 100; i++) server.service();
  assert.ok(asked < COUNT, `${asked} questions in a second`);
  const ticker = setInterval(() => server.service(), 1);
  try {
    const results = await withDeadline(settled, 30_000, `${COUNT} attempts`);
    const half = COUNT / 2;
    await until(() => server.peers.length === half, 30_000, "the connect events");
    const refused = results.flatMap((result) =>
      result.status === "rejected" ? [result.reason] : []
    );
    assert.equal(asked, COUNT);
    assert.ok(refused.every(({ code }) => code === "ENETJS_ERR_REFUSED"));
    assert.deepEqual(
      refused.map(({ data }) => data).sort((a, b) => a - b),
      Array.from({ length: half }, (_, i) => 2 * i + 1),
    );
    assert.deepEqual([client.peers.length, seen.all("disconnect").length], [half, 0]);
    assert.deepEqual(server.stats.refused, { ...NONE, accept: half });
  } finally {
    clearInterval(ticker);
  }
});

test("Many questions leave timers their turn, and messages, too", async (t) => {
  await leakCheck(t);
  const ASKED = 150, AT_ONCE = 75;
  let longest = 0, inARow = 0, asked = 0, received = 0;
  await using server = await Host.listen({
    hostname: LOOPBACK,
    peers: 200,
    accept: ({ data }) => {
      if (data === 0) return true;
      asked++;
      longest = Math.max(longest, ++inARow);
      burn(1);
      return data;
    },
  }, { receive: () => void received++ });
  await using client = await Host.create({ peers: 200 });
  const peer = await client.connect(server.address);
  const ticker = setInterval(() => inARow = 0);
  for (let i = 0; i < 100; i++) peer.send(0, "beside");
  /** Attempts at the same time. On a busy machine the time of some is up before they are asked about. */
  const knock = async () => {
    const connect = (_: unknown, i: number) => client.connect(server.address, { data: i + 1 });
    const attempts = Array.from({ length: AT_ONCE }, connect).map(refusalOf);
    for (const [i, number] of (await Promise.all(attempts)).entries()) {
      if (number !== DisconnectCode.UNDECIDED) assert.equal(number, i + 1);
    }
    return asked >= ASKED;
  };
  try {
    await until(knock, 60_000, `${ASKED} questions`);
    await until(() => received === 100, 20_000, "the messages");
  } finally {
    clearInterval(ticker);
  }
  // Half of 5 ms in a turn; some turns may come between two calls of a timer.
  assert.ok(longest <= 30, `${longest} questions without a timer`);
});

test("Questions whose time is up are not asked", async (t) => {
  await leakCheck(t);
  let asked = 0;
  await using server = await Host.listen({
    hostname: LOOPBACK,
    accept: () => {
      if (asked++ === 0) burn(4000);
      return true;
    },
  });
  await using client = await Host.create({ peers: 64 });
  const attempts = Array.from({ length: 30 }, () => refusalOf(client.connect(server.address)));
  const numbers = await withDeadline(Promise.all(attempts), 20_000, "the refusals");
  assert.deepEqual(numbers, Array(30).fill(DisconnectCode.UNDECIDED));
  assert.equal(asked, 1);
  const { accept, undecided } = server.stats.refused;
  assert.ok(accept === 0 && undecided >= 30, `${accept} declined, ${undecided} undecided`);
});

test("A host without a pump asks in service()", async (t) => {
  await leakCheck(t);
  const options: ListenOptions = {
    hostname: LOOPBACK,
    pump: false,
    accept: ({ data }) => data === 1,
  };
  await using server = await Host.listen(options);
  await using client = await Host.create();
  const ticker = setInterval(() => server.service(), 1);
  try {
    assert.equal(await refusalOf(client.connect(server.address)), DisconnectCode.DENIED);
    await client.connect(server.address, { data: 1 });
  } finally {
    clearInterval(ticker);
  }
});

test("accept can be set and removed on a live host", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using client = await Host.create();
  assert.equal(server.accept, undefined);
  await client.connect(server.address);
  const accept = () => false;
  server.accept = accept;
  assert.equal(server.accept, accept);
  assert.equal(await refusalOf(client.connect(server.address)), DisconnectCode.DENIED);
  server.accept = undefined;
  await client.connect(server.address);
  for (const value of [null, true, 1, "yes", {}]) {
    assert.throws(() => server.accept = value as never, /accept must be a function, not /);
    await assert.rejects(Host.listen({ accept: value as never }), TypeError);
  }
  assert.throws(() => client.accept = accept, { name: "TypeError", message: /Host\.create/ });
  client.accept = undefined;
  await assert.rejects(Host.create({ accept } as never), /no option "accept"/);
});

test("A filter that is told to refuses at once", async (t) => {
  await leakCheck(t);
  const filter = { deny: [LOOPBACK], refuse: true };
  await using server = await Host.listen({ hostname: LOOPBACK, filter });
  await using client = await Host.create();
  assert.deepEqual(server.filter, { allow: [], ...filter });
  const error = await errorOf(client.connect(server.address));
  assert.deepEqual([error.code, error.data], ["ENETJS_ERR_REFUSED", DisconnectCode.DENIED]);
  assert.deepEqual(server.stats.refused, { ...NONE, filter: 1 });
  server.filter = { deny: [LOOPBACK] };
  const silent = await errorOf(client.connect(server.address, { timeoutMs: 100 }));
  assert.equal(silent.code, "ENETJS_ERR_TIMEOUT");
  assert.throws(() => server.filter = { refuse: 1 as never }, TypeError);
});

// One message.

/** The next message, through a function of the program's own: what awaits it goes on some microtasks later. */
async function textFrom(peer: Peer): Promise<string> {
  const { packet } = await peer.receive({ timeoutMs: 20_000 });
  return packet.text();
}

test("Peer.receive() takes one message after the other and loses none between", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote } = pair;
  for (let i = 0; i < 500; i++) peer.send(i % 2, `message ${i}`);
  for (let i = 0; i < 500; i++) {
    const { channelId, packet } = await remote.receive({ timeoutMs: 10_000 });
    assert.deepEqual([channelId, packet.text()], [i % 2, `message ${i}`]);
    if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  peer.send(0, new Uint8Array(200_000).fill(7));
  const { packet } = await remote.receive();
  await peer.deliver(1, "behind it");
  assert.ok(packet.length === 200_000 && packet.bytes.every((byte) => byte === 7));
  packet.dispose();
});

test("Peer.receive() leaves what follows to the host, which has no hole in it", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, peer, remote } = pair;
  for (let i = 0; i < 100; i++) peer.send(0, `${i}`);
  await peer.deliver(0, "100");
  assert.equal((await remote.receive()).packet.text(), "0");
  const rest: string[] = [];
  for await (const event of server) {
    if (event.type === "receive") rest.push(event.packet.text());
    if (rest.length === 100) break;
  }
  assert.deepEqual(rest, Array.from({ length: 100 }, (_, i) => `${i + 1}`));
});

test("Peer.receive() beside handlers: a login, then the handlers", async (t) => {
  await leakCheck(t);
  const seen = journal();
  const names: string[] = [];
  await using server = await Host.listen({ hostname: LOOPBACK }, {
    ...seen.handlers,
    connect: async (peer) => {
      names.push((await peer.receive({ timeoutMs: 20_000 })).packet.text());
      peer.send(0, "welcome");
    },
  });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  peer.send(0, "my name");
  for (let i = 0; i < 10; i++) peer.send(0, `${i}`);
  assert.equal((await peer.receive({ timeoutMs: 20_000 })).packet.text(), "welcome");
  const entries = await seen.wait("receive", 10);
  assert.deepEqual(names, ["my name"]);
  const texts = entries.map(({ bytes }) => new TextDecoder().decode(bytes));
  assert.deepEqual(texts, Array.from({ length: 10 }, (_, i) => `${i}`));
});

/** Handlers that take three messages of a peer by itself, and then note what else they get of it. */
function loginHandlers(seen: unknown[]) {
  return {
    async connect(peer: Peer): Promise<void> {
      const name = await textFrom(peer);
      const room = await textFrom(peer);
      for await (const { packet } of peer) {
        peer.data = `${name} in ${room} with ${packet.text()}`;
        break;
      }
    },
    receive: (peer: Peer, _channelId: number, packet: Packet) =>
      void seen.push([peer.data, packet.text()]),
    disconnect: (peer: Peer, reason: string) => void seen.push([peer.data, reason]),
  };
}

test("Peer.receive() lets the program go on before handlers get what follows", async (t) => {
  await leakCheck(t);
  const seen: unknown[] = [];
  await using server = await Host.listen({ hostname: LOOPBACK }, loginHandlers(seen));
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  for (const text of ["Ada", "room 1", "a hat", "go", "stop"]) peer.send(0, text);
  await peer.disconnectLater();
  const data = "Ada in room 1 with a hat";
  await until(() => seen.length >= 3, 20_000, "two messages and the end");
  assert.deepEqual(seen, [[data, "go"], [data, "stop"], [data, "remote"]]);
});

/** Keeps JavaScript busy until native code has everything that a peer sends, so that it all comes at once. */
function untilNativeHasAll(remote: Peer): void {
  const end = performance.now() + 5000;
  while (remote.state === "connected") assert.ok(performance.now() < end);
}

test("Handlers get the end of a peer behind what the program takes of it by itself", async (t) => {
  await leakCheck(t);
  const seen: unknown[] = [];
  const connected = Promise.withResolvers<Peer>();
  const { connect, ...others } = loginHandlers(seen);
  await using server = await Host.listen({ hostname: LOOPBACK }, {
    ...others,
    connect(peer) {
      connected.resolve(peer);
      return connect(peer);
    },
  });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  const remote = await connected.promise;
  for (const text of ["Ada", "room 1", "a hat", "go", "stop"]) peer.send(0, text);
  const left = peer.disconnectLater();
  client.flush();
  untilNativeHasAll(remote);
  await left;
  const data = "Ada in room 1 with a hat";
  await until(() => seen.length >= 3, 20_000, "two messages and the end");
  assert.deepEqual(seen, [[data, "go"], [data, "stop"], [data, "remote"]]);
});

test("The host's iteration gets the end of a peer behind what the program takes by itself", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using client = await Host.create();
  const connecting = client.connect(server.address);
  const seen: unknown[] = [];
  const login = async (peer: Peer) => peer.data = await textFrom(peer);
  for await (const event of server) {
    if (event.type === "connect") {
      void login(event.peer);
      const peer = await connecting;
      for (const text of ["Ada", "go"]) peer.send(0, text);
      void peer.disconnectLater();
      client.flush();
      untilNativeHasAll(event.peer);
    } else if (event.type === "receive") seen.push([event.peer.data, event.packet.text()]);
    else if (event.type === "disconnect") {
      assert.deepEqual([...seen, event.peer.data], [["Ada", "go"], "Ada"]);
      break;
    }
  }
});

test("Peer.receive() lets the program go on before the host's iteration does", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using client = await Host.create();
  client.connect(server.address).then((peer) => {
    for (const text of ["Ada", "go"]) peer.send(0, text);
  });
  const login = async (peer: Peer) => peer.data = await textFrom(peer);
  for await (const event of server) {
    if (event.type === "connect") void login(event.peer);
    if (event.type !== "receive") continue;
    assert.deepEqual([event.peer.data, event.packet.text()], ["Ada", "go"]);
    break;
  }
});

test("Peer.receive() ends in time, by signal, with the connection and with the host", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, client, peer, remote } = pair;
  const late = await errorOf(remote.receive({ timeoutMs: 20 }));
  assert.equal(late.code, "ENETJS_ERR_TIMEOUT");
  assert.match(late.message, /no message within 20 ms/);
  const abort = new AbortController();
  const waiting = remote.receive({ signal: abort.signal });
  await assert.rejects(remote.receive(), TypeError);
  await assert.rejects(remote.receive({ signal: AbortSignal.abort() }), { name: "AbortError" });
  const reason = new Error("enough");
  abort.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  peer.send(0, "still there");
  assert.equal((await remote.receive()).packet.text(), "still there");
  await assert.rejects(remote.receive({ timeoutMs: 0 }), RangeError);
  await assert.rejects(remote.receive({ timeout: 1 } as never), TypeError);

  const ended = errorOf(remote.receive());
  await peer.disconnect();
  assert.equal((await ended).code, "ENETJS_ERR_STALE");
  const another = await client.connect(server.address);
  const closed = errorOf(another.receive());
  client[Symbol.dispose]();
  assert.equal((await closed).code, "ENETJS_ERR_CLOSED");
});

test("A host that closes asks about nobody and lets nobody in", async (t) => {
  await leakCheck(t);
  let asked = 0;
  const server = await Host.listen({ hostname: LOOPBACK, accept: () => (asked++, true) }, {});
  const { address } = server;
  const silent = await Host.create({ pump: false });
  const connecting = silent.connect(address);
  const ticker = setInterval(() => silent.service(0), 1);
  await connecting;
  clearInterval(ticker); // it acknowledges nothing any more
  await until(() => server.peers.length === 1, 20_000, "the peer");
  server.peers[0].send(0, "not acknowledged");
  const closing = server.close({ graceMs: 60_000 });
  await using late = await Host.create();
  assert.equal(await refusalOf(late.connect(address)), DisconnectCode.CLOSING);
  await assert.rejects(late.connect(address), { message: /it is closing/ });
  assert.equal(asked, 1);
  void server.close({ graceMs: 0 });
  await closing;
  await silent.close({ graceMs: 0 });
});
