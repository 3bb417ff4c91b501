import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { DisconnectCode, Host } from "../../mod.ts";
import { connectedPair, journal, leakCheck, rejection, until, withDeadline } from "../_helpers.ts";
import { bare, EVERYWHERE, LOOPBACK, silence } from "./_host.ts";

test("Host.connect() hands its data to the other side, unsigned", async (t) => {
  await leakCheck(t);
  const seen = journal();
  const own = journal();
  await using server = await Host.listen({ hostname: LOOPBACK }, seen.handlers);
  await using client = await Host.create({}, own.handlers);
  const values = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF];
  for (const data of values) await client.connect(server.address, { data });
  await client.connect(server.address);
  const events = await seen.wait("connect", values.length + 1);
  assert.deepEqual(events.map(({ data }) => data), [...values, 0]);
  assert.deepEqual(own.all("connect").map(({ data }) => data), events.map(() => 0));
});

test("Host.connect() grants as many channels as both sides allow", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK, channels: 3 }, seen.handlers);
  await using client = await Host.create({ channels: 1 }); // concerns what others open
  const cases = [[1, 1], [2, 2], [3, 3], [4, 3], [255, 3], [undefined, 2]];
  for (const [channels, granted] of cases) {
    const peer = await client.connect(server.address, { channels });
    assert.deepEqual([peer.channelCount, peer.stats.channelCount], [granted, granted]);
  }
  const peers = (await seen.wait("connect", cases.length)).map(({ peer }) => peer.channelCount);
  assert.deepEqual(peers, cases.map(([, granted]) => granted));
});

test("Host.channels limits connections that are opened afterwards", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ connect: { channels: 10 } });
  const { server, client, peer } = pair;
  assert.equal(server.channels, 255);
  server.channels = 4;
  assert.equal(server.channels, 4);
  const later = await client.connect(server.address, { channels: 10 });
  assert.deepEqual([peer.channelCount, later.channelCount], [10, 4]);
});

test("Host.connect() resolves names and takes 0.0.0.0 for this machine", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen();
  await using client = await Host.create();
  assert.ok(EVERYWHERE.includes(server.address.hostname));
  for (const hostname of ["localhost", "0.0.0.0", LOOPBACK]) {
    const peer = await client.connect({ hostname, port: server.address.port });
    assert.deepEqual(peer.address, { hostname: LOOPBACK, port: server.address.port });
  }
  await using named = await Host.listen({ hostname: "localhost" });
  assert.equal(named.address.hostname, LOOPBACK);
});

test("Host.connect() rejects when nobody answers in time, and gives the peer back", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using nobody = await silence();
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using client = await Host.create({ peers: 1 }, seen.handlers);
  for (let attempt = 0; attempt < 3; attempt++) {
    const promise = client.connect(bare(nobody), { timeoutMs: 30 });
    const message = await rejection(promise, "ENETJS_ERR_TIMEOUT");
    assert.ok(
      message.startsWith(`Connecting to ${LOOPBACK}:${nobody.port}: no answer within 30 ms`),
    );
  }
  assert.deepEqual([client.peers, seen.entries], [[], []]);
  await client.connect(server.address);
});

test("Host.connect() rejects when the port is closed", async (t) => {
  await leakCheck(t);
  const { address } = await (async () => {
    await using server = await Host.listen({ hostname: LOOPBACK });
    return { address: server.address };
  })();
  await using client = await Host.create();
  await rejection(client.connect(address, { timeoutMs: 50 }), "ENETJS_ERR_TIMEOUT");
  assert.equal(client.closed, false);
});

test("Host.connect() rejects when the other side ends the attempt", async (t) => {
  await leakCheck(t);
  await using client = await Host.create();
  const socket = createSocket("udp4");
  try {
    socket.bind(0, LOOPBACK);
    await once(socket, "listening");
    // ENet's DISCONNECT, unsequenced, with data 0xFFFFFFFE, for the peer that the CONNECT names.
    const refusal = Uint8Array.of(0, 0, 0x44, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFE);
    socket.once("message", (connect, { port }) => {
      refusal.set(connect.subarray(8, 10));
      socket.send(refusal, port, LOOPBACK);
    });
    const { port } = socket.address();
    const attempt = client.connect({ hostname: LOOPBACK, port });
    const message = await rejection(attempt, "ENETJS_ERR_REFUSED");
    assert.match(message, new RegExp(`${LOOPBACK}:${port}.*refused, with data 4294967294`));
    assert.deepEqual(client.peers, []);
  } finally {
    socket.close();
  }
});

test("Host.connect() rejects with the reason of a signal that has aborted before", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using client = await Host.create();
  const reason = new Error("changed my mind");
  const signal = AbortSignal.abort(reason);
  await assert.rejects(client.connect(server.address, { signal }), (error) => error === reason);
  await assert.rejects(
    client.connect(server.address, { signal: AbortSignal.abort() }),
    { name: "AbortError" },
  );
  assert.equal(client.address.port, 0, "nothing was sent");
});

test("Host.connect() rejects with the reason of a signal that aborts meanwhile", async (t) => {
  await leakCheck(t);
  await using nobody = await silence();
  await using client = await Host.create({ peers: 1 });
  for (const reason of [new Error("changed my mind"), "a string", undefined]) {
    const abort = new AbortController();
    const attempt = client.connect(bare(nobody), { signal: abort.signal });
    const sent = client.stats.totalSentPackets;
    await until(() => client.stats.totalSentPackets > sent, 20_000, "the first request");
    abort.abort(reason);
    await assert.rejects(attempt, (error) => error === abort.signal.reason);
  }
  await assert.rejects(
    client.connect(bare(nobody), { signal: AbortSignal.timeout(20) }),
    { name: "TimeoutError" },
  );
  assert.deepEqual(client.peers, []);
});

/** Lets some microtasks pass. */
async function pass(microtasks: number): Promise<void> {
  for (let i = 0; i < microtasks; i++) await null;
}

for (const name of ["127.0.0.1", "localhost"]) {
  test(`Host.connect() to ${name} ends with its signal in whichever microtask that aborts`, async (t) => {
    await leakCheck(t);
    await using nobody = await silence();
    await using client = await Host.create();
    const reason = new Error("changed my mind");
    for (let microtasks = 0; microtasks < 12; microtasks++) {
      const abort = new AbortController();
      const { signal } = abort;
      const attempt = client.connect({ hostname: name, port: nobody.port }, { signal });
      const ended = assert.rejects(attempt, (error) => error === reason);
      await pass(microtasks);
      abort.abort(reason);
      await withDeadline(ended, 3000, `the end ${microtasks} microtasks later`);
    }
  });

  test(`Host.connect() to ${name} begins no attempt once its host closes`, async (t) => {
    await leakCheck(t);
    await using nobody = await silence();
    for (let microtasks = 0; microtasks < 12; microtasks++) {
      await using pair = await connectedPair();
      const { client, server } = pair;
      server.filter = { deny: ["0.0.0.0/0"] }; // so that closing takes all of its time
      pair.peer.send(0, "not acknowledged");
      const attempt = client.connect({ hostname: name, port: nobody.port });
      const ended = rejection(attempt, "ENETJS_ERR_CLOSED");
      await pass(microtasks);
      const closing = client.close({ graceMs: 60_000 });
      await withDeadline(ended, 10_000, `the end ${microtasks} microtasks later`);
      void client.close({ graceMs: 0 });
      await closing;
      await server.close({ graceMs: 0 });
    }
  });
}

test("Host.connect() ignores a signal that aborts afterwards", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using client = await Host.create();
  const abort = new AbortController();
  const peer = await client.connect(server.address, { signal: abort.signal });
  abort.abort();
  await peer.deliver(0, "still here");
  assert.equal(peer.state, "connected");
});

test("Host.connect() opens many connections at once", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK, peers: 100 }, seen.handlers);
  await using stack = new AsyncDisposableStack();
  const clients: Host[] = [];
  for (let i = 0; i < 5; i++) clients.push(stack.use(await Host.create({ peers: 20 })));
  const wanted = clients.flatMap((client, i) =>
    Array.from({ length: 20 }, (_, j) => ({ client, data: i * 20 + j }))
  );
  const peers = await withDeadline(
    Promise.all(wanted.map(({ client, data }) => client.connect(server.address, { data }))),
    20_000,
    "100 connections",
  );
  assert.equal(new Set(peers).size, 100);
  // ENet seeds each host's numbers anew, so only those of one host are known to differ.
  for (const client of clients) {
    assert.equal(new Set(client.peers.map(({ stats }) => stats.connectId)).size, 20);
  }
  const events = await seen.wait("connect", 100);
  assert.deepEqual(events.map(({ data }) => data).sort((a, b) => a - b), wanted.map((w) => w.data));
  for (const client of clients) assert.equal(client.peers.length, 20);
  assert.deepEqual([server.peers.length, server.stats.connectedPeers], [100, 100]);
});

test("Host.connect() rejects with ENETJS_ERR_CLOSED when the host closes meanwhile", async (t) => {
  await leakCheck(t);
  await using nobody = await silence();
  for (const end of ["close", "dispose"]) {
    await using client = await Host.create();
    const attempt = rejection(client.connect(bare(nobody)), "ENETJS_ERR_CLOSED");
    await until(() => client.stats.totalSentPackets > 0, 20_000, "the first request");
    if (end === "close") await client.close();
    else client[Symbol.dispose]();
    assert.match(await attempt, /the host was closed/);
  }
});

test("Nobody can connect to a host that only connects", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using client = await Host.create({}, seen.handlers);
  await client.connect(server.address);
  const { port } = client.address;
  const attempt = server.connect({ hostname: LOOPBACK, port }, { timeoutMs: 100 });
  await rejection(attempt, "ENETJS_ERR_TIMEOUT");
  assert.equal(seen.entries.length, 1);
  assert.equal(client.peers.length, 1);
});

test("A server takes no more peers than it has, and takes another when one leaves", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK, peers: 2 }, seen.handlers);
  await using client = await Host.create();
  const first = await client.connect(server.address);
  await client.connect(server.address);
  const message = await rejection(client.connect(server.address), "ENETJS_ERR_REFUSED");
  assert.match(message, new RegExp(`data ${DisconnectCode.FULL}`));
  assert.equal(server.stats.refused.full, 1);
  await first.disconnect();
  await seen.wait("disconnect");
  await client.connect(server.address);
  await seen.wait("connect", 3);
  assert.equal(server.peers.length, 2);
});
