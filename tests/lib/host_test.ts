import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import process from "node:process";
import { test } from "node:test";
import {
  type Address,
  DisconnectCode,
  ENetError,
  Host,
  type HostEvent,
  type Peer,
  versions,
} from "../../mod.ts";
import {
  connectedPair,
  type Entry,
  equalBytes,
  journal,
  leakCheck,
  until,
  withDeadline,
} from "../_helpers.ts";

/** Every interface, with IPv6 and without. */
const EVERYWHERE = ["::", "0.0.0.0"];
const LOOPBACK = "127.0.0.1";

/** A message and the bytes it should consist of. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8)) & 255);
}

/** Asserts that a promise rejects with an error of a code, and returns its message. */
async function rejection(promise: Promise<unknown>, code: string): Promise<string> {
  const error = await withDeadline(promise.then(() => undefined, (error) => error), 10_000, code);
  assert.ok(error instanceof ENetError, `not rejected with ${code}: ${error}`);
  assert.equal(error.code, code);
  return error.message;
}

/** A UDP address where nobody answers, and nobody is refused either. */
async function silence(): Promise<Address & AsyncDisposable> {
  const socket = createSocket("udp4");
  socket.bind(0, LOOPBACK);
  await once(socket, "listening");
  return {
    hostname: LOOPBACK,
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** The same address without the means to close it. */
const bare = ({ hostname, port }: Address): Address => ({ hostname, port });

const texts = (entries: Entry[]) =>
  entries.map((entry) => "bytes" in entry ? new TextDecoder().decode(entry.bytes) : "");

// Connecting.

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

// What a host tells.

test("Host.address is the local address, and a copy", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.3" });
  assert.equal(server.address.hostname, "127.0.0.3");
  assert.ok(server.address.port > 0);
  const mine = server.address;
  mine.port = 1;
  assert.notEqual(server.address.port, 1);
  await using client = await Host.create();
  assert.ok(EVERYWHERE.includes(client.address.hostname));
  assert.equal(client.address.port, 0);
  await client.connect(server.address);
  assert.ok(client.address.port > 0);
  await using again = await Host.create();
  await again.connect({ ...server.address });
  assert.notEqual(again.address.port, client.address.port);
});

test("Host.listen() binds the port it is given", async (t) => {
  await leakCheck(t);
  const { port } = await (async () => {
    await using host = await Host.listen({ hostname: LOOPBACK });
    return host.address;
  })();
  await using host = await Host.listen({ hostname: LOOPBACK, port });
  assert.equal(host.address.port, port);
});

test("Host.peers are those connected now, as objects that stay the same", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, client, peer, remote } = pair;
  const second = await client.connect(server.address);
  assert.deepEqual(client.peers, [peer, second]);
  await until(() => server.peers.length === 2, 20_000, "the second peer");
  assert.equal(server.peers[0], remote);
  server.peers.pop();
  assert.equal(server.peers.length, 2);
  await peer.disconnect();
  assert.deepEqual(client.peers, [second]);
});

test("Host.stats are complete, finite and count what happens", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, client, peer } = pair;
  const before = client.stats;
  assert.deepEqual(Object.keys(before), [
    ...["totalSentData", "totalSentPackets", "totalReceivedData", "totalReceivedPackets"],
    ...["connectedPeers", "heldEvents", "backPressure", "wakeUps", "pumpServices", "filtered"],
    ...["datagrams", "socketErrors", "halfOpen", "refused", "badHandshakes"],
    ...["limitedConnects", "limitedDatagrams", "limitedBytes"],
    ...["limitedMessages", "limitedMessageBytes", "limitedPeers", "hostData", "overBudget"],
  ]);
  const { refused, ...numbers } = before;
  assert.deepEqual(refused, { full: 0, filter: 0, accept: 0, undecided: 0, duplicate: 0 });
  for (const [name, value] of Object.entries(numbers)) {
    assert.ok(Number.isInteger(value) && value >= 0, `${name} is ${value}`);
  }
  const received = server.stats;
  await peer.deliver(0, pattern(50_000));
  const after = client.stats;
  const sent = after.totalSentData - before.totalSentData;
  assert.ok(sent > 50_000, `${sent} bytes`);
  assert.ok(after.totalSentPackets - before.totalSentPackets >= 36);
  assert.ok(after.totalReceivedPackets > before.totalReceivedPackets);
  const got = server.stats.totalReceivedData - received.totalReceivedData;
  assert.ok(got >= 50_000 && got <= sent, `${got} bytes`);
  assert.equal(after.connectedPeers, 1);
  assert.ok(after.wakeUps > 0);
  assert.equal(before.totalSentData < after.totalSentData, true, "a snapshot does not change");
});

test("Host.closed tells whether the host is closed", async () => {
  const host = await Host.listen({ hostname: LOOPBACK });
  assert.equal(host.closed, false);
  const closing = host.close();
  await closing;
  assert.equal(host.closed, true);
  const other = await Host.create();
  other[Symbol.dispose]();
  assert.equal(other.closed, true);
});

test("Host.ref() and Host.unref() can be called at any time", async () => {
  for (const pump of [true, false]) {
    await using host = await Host.listen({ hostname: LOOPBACK, pump });
    host.unref();
    host.unref();
    host.ref();
    await host.close();
    host.ref();
    host.unref();
  }
});

// Settings.

test("Host options and setters read back, and a filter that is read is frozen", async (t) => {
  await leakCheck(t);
  const given = {
    channels: 7,
    incomingBandwidth: 1_000_000,
    outgoingBandwidth: 2_000_000,
    compression: "range-coder",
    checksum: "crc32",
    mtu: 1000,
    duplicatePeers: 9,
    maximumPacketSize: 12_345,
    maximumWaitingData: 54_321,
    maximumHostData: 9_876_543,
    receiveBufferSize: 100_000,
    sendBufferSize: 200_000,
    stallLimitMs: 25,
    turnBudgetMs: 7,
    spin: "always",
    throttle: "enet",
    remoteThrottle: "game",
    highWaterMark: 4321,
    datagrams: true,
    filter: { allow: ["127.0.0.0/8"], deny: ["127.0.0.9"], refuse: true },
  } as const;
  await using host = await Host.listen({ hostname: LOOPBACK, ...given });
  await using other = await Host.listen({ hostname: LOOPBACK });
  const settings = other as unknown as Record<string, unknown>;
  for (const name of Object.keys(given) as (keyof typeof given)[]) {
    assert.deepEqual(host[name], given[name], name);
    settings[name] = given[name];
    assert.deepEqual(other[name], given[name], name);
  }
  const filter = host.filter as unknown as { deny: string[] };
  assert.throws(() => filter.deny.push("127.0.0.0/8"), {
    name: "TypeError",
    message: /^host\.filter\.deny has no property "1"; assign a whole filter/,
  });
  assert.throws(() => filter.deny = [], {
    name: "TypeError",
    message: /^host\.filter\.deny is read-only; assign a whole filter, host\.filter = \{/,
  });
  assert.equal(JSON.stringify(host.filter), JSON.stringify(given.filter));
  assert.deepEqual(host.filter, given.filter);
  // @ts-expect-error: it is read-only for the compiler, too
  assert.throws(() => host.filter.deny = [], TypeError);
});

test("Host.incomingBandwidth and outgoingBandwidth reach the other side", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({
    client: { incomingBandwidth: 300_000, outgoingBandwidth: 400_000 },
  });
  const { server, peer, remote } = pair;
  const { incomingBandwidth, outgoingBandwidth } = remote.stats;
  assert.deepEqual([incomingBandwidth, outgoingBandwidth], [300_000, 400_000]);
  assert.ok(remote.stats.windowSize < 64 * 1024, "a limit makes the window smaller");
  server.incomingBandwidth = 100_000;
  server.outgoingBandwidth = 200_000;
  assert.deepEqual([server.incomingBandwidth, server.outgoingBandwidth], [100_000, 200_000]);
  // ENet tells connected peers once a second.
  await until(
    () => peer.stats.incomingBandwidth === 100_000 && peer.stats.outgoingBandwidth === 200_000,
    10_000,
    "the limits of the other side",
  );
});

test("Host.mtu is that of connections the host opens afterwards, on both sides", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK, mtu: 576 }, seen.handlers);
  await using client = await Host.create();
  const first = await client.connect(server.address);
  client.mtu = 700;
  const second = await client.connect(server.address);
  client.mtu = 4096;
  const third = await client.connect(server.address);
  // From 1.3.18 on, the smaller MTU of both sides counts; before, that of the side that connects.
  const agreed = (await versions()).libenet === "1.3.17" ? [1400, 700, 4096] : [576, 576, 576];
  assert.deepEqual([first, second, third].map(({ stats }) => stats.mtu), agreed);
  const peers = (await seen.wait("connect", 3)).map(({ peer }) => peer.stats.mtu);
  assert.deepEqual(peers, agreed);
  const sent = client.stats.totalSentPackets;
  await third.deliver(0, pattern(4000));
  await second.deliver(0, pattern(4000));
  const [large, small] = await seen.wait("receive", 2);
  assert.deepEqual([large.bytes, small.bytes], [pattern(4000), pattern(4000)]);
  assert.ok(client.stats.totalSentPackets - sent >= 7);
});

test("Host.maximumPacketSize limits what is sent, from its change on", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({
    client: { maximumPacketSize: 100 },
    serverHandlers: seen.handlers,
  });
  const { client, peer } = pair;
  await peer.deliver(0, pattern(100));
  assert.throws(() => peer.send(0, pattern(101)), RangeError);
  client.maximumPacketSize = 200_000;
  await peer.deliver(0, pattern(200_000));
  client.maximumPacketSize = 10;
  assert.throws(() => client.broadcast(0, pattern(11)), /larger than maximumPacketSize, 10/);
  assert.deepEqual((await seen.wait("receive", 2)).map(({ bytes }) => bytes.length), [
    100,
    200_000,
  ]);
});

test("Host.maximumPacketSize limits what is received", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({ serverHandlers: seen.handlers });
  const { server, peer } = pair;
  server.maximumPacketSize = 10_000;
  await peer.deliver(0, pattern(10_000));
  peer.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  // What ENet refuses it does not acknowledge, so the sender gives up.
  await rejection(peer.deliver(0, pattern(10_001)), "ENETJS_ERR_UNDELIVERED");
  assert.equal(seen.all("receive").length, 1);
});

test("Host.duplicatePeers limits the peers of one address, from its change on", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({ serverHandlers: seen.handlers });
  const { server, client } = pair;
  server.duplicatePeers = 1;
  const message = await rejection(client.connect(server.address), "ENETJS_ERR_REFUSED");
  assert.match(message, /as many connections of this address as it allows/);
  // Another address is another matter.
  await using other = await Host.listen({ hostname: "127.0.0.2" });
  await other.connect(server.address);
  const { refused } = server.stats;
  assert.ok(refused.duplicate >= 1, `${refused.duplicate}`);
  await rejection(other.connect(server.address), "ENETJS_ERR_REFUSED");
  assert.deepEqual(server.stats.refused, { ...refused, duplicate: refused.duplicate + 1 });
  server.duplicatePeers = 2;
  await client.connect(server.address);
  const from = (await seen.wait("connect", 3)).map(({ peer }) => peer.address.hostname);
  assert.deepEqual(from, ["127.0.0.1", "127.0.0.2", "127.0.0.1"]);
});

for (
  const [name, off, on] of [
    ["compression", "none", "range-coder"],
    ["checksum", "none", "crc32"],
  ] as const
) {
  const set = (host: Host, value: typeof off | typeof on) =>
    void ((host as unknown as Record<string, unknown>)[name] = value);

  test(`Host.${name} can be changed on a live connection`, async (t) => {
    await leakCheck(t);
    const seen = journal();
    await using pair = await connectedPair({ serverHandlers: seen.handlers });
    const { server, client, peer } = pair;
    const sizes: number[] = [];
    for (const value of [off, on, off]) {
      set(server, value);
      set(client, value);
      assert.deepEqual([server[name], client[name]], [value, value]);
      const before = client.stats.totalSentData;
      await peer.deliver(0, "a".repeat(20_000));
      sizes.push(client.stats.totalSentData - before);
    }
    for (const { bytes } of await seen.wait("receive", 3)) {
      assert.equal(new TextDecoder().decode(bytes), "a".repeat(20_000));
    }
    if (name === "compression") assert.ok(sizes[1] < sizes[0] / 3, `${sizes} bytes`);
  });

  test(`Host.${name} that differs keeps hosts apart until it is the same`, async (t) => {
    await leakCheck(t);
    const seen = journal();
    await using server = await Host.listen({ hostname: LOOPBACK, [name]: on }, seen.handlers);
    await using client = await Host.create();
    const attempt = client.connect(server.address, { timeoutMs: 100 });
    await rejection(attempt, "ENETJS_ERR_TIMEOUT");
    assert.equal(seen.entries.length, 0);
    set(client, on);
    const peer = await client.connect(server.address);
    const [{ peer: remote }] = await seen.wait("connect");
    remote.pingInterval(60_000); // so that nothing is sent that the client would misread
    await peer.deliver(0, "agreed");
    // What is sent while they differ gets there once they agree again.
    const odd = name === "compression" ? server : client;
    set(odd, off);
    const received = server.stats.totalReceivedPackets;
    const delivered = peer.deliver(0, "a".repeat(1000));
    await until(() => server.stats.totalReceivedPackets > received, 20_000, "the first try");
    assert.equal(seen.all("receive").length, 1);
    set(odd, on);
    await withDeadline(delivered, 20_000, "the delivery");
    assert.deepEqual(texts(await seen.wait("receive", 2)), ["agreed", "a".repeat(1000)]);
  });
}

test("Host.receiveBufferSize decides how much the socket holds, from its change on", {
  skip: process.platform !== "linux",
}, async (t) => {
  await leakCheck(t);
  await using sender = await Host.listen({ hostname: LOOPBACK });
  await using host = await Host.listen({ hostname: LOOPBACK, pump: false, datagrams: true });
  /** How many of a hundred datagrams are still there when the host looks for them. */
  const received = () => {
    for (let i = 0; i < 100; i++) sender.sendDatagram(host.address, pattern(100));
    let count = 0;
    while (host.service() !== null) count++;
    return count;
  };
  host.receiveBufferSize = 1024;
  const small = received();
  host.receiveBufferSize = 200_000;
  const large = received();
  assert.ok(small < 20 && large === 100, `${small}, ${large}`);
});

test("Host.maximumWaitingData leaves the rest with the sender, and loses nothing", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({
    hostname: LOOPBACK,
    eventCapacity: 16,
    arenaSize: 4096,
  });
  await using client = await Host.create();
  server.maximumWaitingData = 20_000;
  const events = server[Symbol.asyncIterator]();
  const peer = await client.connect(server.address);
  const { value } = await events.next();
  assert.equal(value.type, "connect");
  const remote = value.peer as Peer;
  const count = 500;
  for (let i = 0; i < count; i++) peer.send(0, pattern(1000));
  // Some wait at the consumer, the rest at the sender.
  await until(() => remote.stats.totalWaitingData > 20_000, 10_000, "waiting data");
  assert.ok(peer.stats.queuedMessages > 0);
  for (let i = 0; i < count; i++) {
    const { value } = await withDeadline(events.next(), 20_000, `message ${i}`);
    equalBytes(value.packet.view, pattern(1000));
  }
});

test("Host.maximumHostData of 0 reads as the bytes that it stands for", async (t) => {
  await leakCheck(t);
  const MIB = 2 ** 20;
  await using host = await Host.create();
  assert.equal(host.maximumHostData, 256 * MIB);
  host.maximumWaitingData = 200 * MIB;
  assert.equal(host.maximumHostData, 2 * (200 + 32) * MIB);
  host.maximumHostData = 232 * MIB;
  assert.equal(host.maximumHostData, 232 * MIB);
  host.maximumHostData = 0;
  host.maximumWaitingData = host.maximumPacketSize = MIB;
  assert.equal(host.maximumHostData, 256 * MIB);
});

test("A property that a host or a peer does not have is a TypeError", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const misspell = (object: object) =>
    void ((object as Record<string, unknown>).maximumWaitingdata = 1);
  for (const object of [pair.server, pair.client]) {
    assert.throws(() => misspell(object), {
      name: "TypeError",
      message: 'The host has no property "maximumWaitingdata" (did you mean "maximumWaitingData"?)',
    });
    assert.equal("maximumWaitingdata" in object, false);
  }
  for (const object of [pair.peer, pair.remote]) {
    const message = 'The peer has no property "maximumWaitingdata"';
    assert.throws(() => misspell(object), { name: "TypeError", message });
    assert.equal("maximumWaitingdata" in object, false);
  }
  const meant = 'The peer has no property "dat" (did you mean "data"?)';
  assert.throws(() => Object.assign(pair.peer, { dat: 1 }), { message: meant });
  const group = pair.server.group();
  assert.throws(() => misspell(group), {
    message: 'The group has no property "maximumWaitingdata"',
  });
  for (const object of [pair.server, pair.peer, group]) {
    assert.ok(object instanceof Object && !("then" in object) && object.toString() !== "");
  }
  pair.peer.data = { name: "Ada" };
  assert.deepEqual(pair.peer.data, { name: "Ada" });
});

test("Host.maximumHostData bounds what all peers together have waiting, and loses nothing", async (t) => {
  await leakCheck(t);
  const limit = 1_000_000;
  await using server = await Host.listen({
    hostname: LOOPBACK,
    eventCapacity: 16,
    arenaSize: 4096,
    maximumPacketSize: 100_000,
    maximumWaitingData: 900_000,
  });
  await using client = await Host.create();
  const peers = [await client.connect(server.address), await client.connect(server.address)];
  server.maximumHostData = limit;
  const count = 2000;
  for (let i = 0; i < count; i++) for (const peer of peers) peer.send(0, pattern(1000));
  await until(() => server.stats.overBudget > 0, 10_000, "a refusal");
  assert.ok(server.stats.hostData <= limit, `${server.stats.hostData} bytes`);
  server.maximumHostData = 0;
  let received = 0;
  for await (const event of server) {
    if (event.type === "receive" && ++received === count * peers.length) break;
  }
  assert.ok(server.stats.hostData < limit);
});

test("Host.highWaterMark decides what send() returns, from its change on", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, peer } = pair;
  const deaf = { deny: ["0.0.0.0/0"] }; // so that nothing is acknowledged
  client.filter = deaf;
  client.highWaterMark = 0;
  assert.equal(peer.send(0, "x"), false);
  client.filter = {};
  await withDeadline(peer.drain(), 20_000, "the drain");
  assert.equal(peer.stats.queuedBytes, 0);
  assert.equal(peer.send(0, ""), true, "nothing is above nothing");
  client.filter = deaf;
  client.highWaterMark = 1000;
  assert.equal(peer.send(0, pattern(1000)), true);
  assert.equal(peer.send(0, "x"), false);
  client.highWaterMark = 100_000;
  assert.equal(peer.send(0, pattern(10_000)), true);
  client.filter = {};
});

test("Host.stallLimitMs decides when the pump services for a busy thread", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, client, peer } = pair;
  server.stallLimitMs = 1;
  peer.send(0, "meanwhile");
  client.flush();
  const { pumpServices } = server.stats;
  // This thread stays busy on purpose: only the pump can count.
  const end = performance.now() + 10_000;
  while (server.stats.pumpServices === pumpServices) assert.ok(performance.now() < end);
  assert.ok(server.stats.heldEvents > 0);
  for await (const event of server) {
    if (event.type !== "receive") continue;
    assert.equal(event.packet.text(), "meanwhile");
    break;
  }
});

// Sending.

test("Host.flush() sends what is queued at once", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, peer } = pair;
  const before = client.stats.totalSentPackets;
  peer.send(0, "now");
  client.flush();
  assert.ok(client.stats.totalSentPackets > before);
});

test("Host.broadcast() sends to every peer that has the channel, all bytes right", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using stack = new AsyncDisposableStack();
  assert.equal(server.broadcast(0, "nobody is here"), 0);
  const journals = [];
  for (const channels of [1, 2, 3]) {
    const seen = journal();
    const client = stack.use(await Host.create({}, seen.handlers));
    await client.connect(server.address, { channels });
    journals.push(seen);
  }
  await until(() => server.peers.length === 3, 20_000, "three peers");
  const sizes = [0, 1, 511, 512, 513, 1400, 65_536, 100_000];
  for (const size of sizes) assert.equal(server.broadcast(0, pattern(size)), 3);
  assert.equal(server.broadcast(1, "two"), 2);
  assert.equal(server.broadcast(2, "one"), 1);
  assert.equal(server.broadcast(3, "none"), 0);
  assert.equal(server.broadcast(254, "none"), 0);
  for (const [index, seen] of journals.entries()) {
    const received = await seen.wait("receive", sizes.length + index);
    const first = received.filter(({ channelId }) => channelId === 0);
    assert.equal(first.length, sizes.length);
    first.forEach(({ bytes }, i) => equalBytes(bytes, pattern(sizes[i])));
    const others = received.filter(({ channelId }) => channelId > 0);
    assert.deepEqual(texts(others).sort(), ["one", "two"].slice(2 - index).sort());
  }
});

test("Host.broadcast() leaves out peers that are connecting or disconnecting", async (t) => {
  await leakCheck(t);
  await using nobody = await silence();
  const seen = journal();
  await using pair = await connectedPair({ serverHandlers: seen.handlers });
  const { client, server, peer } = pair;
  const abort = new AbortController();
  const attempt = client.connect(bare(nobody), { signal: abort.signal });
  const leaving = await client.connect(server.address);
  void leaving.disconnect();
  assert.equal(client.broadcast(0, "for one"), 1);
  abort.abort();
  await assert.rejects(attempt);
  await peer.deliver(0, "last");
  assert.deepEqual(texts(await seen.wait("receive", 2)), ["for one", "last"]);
});

test("Host.broadcast() forwards packets that are being received", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK });
  const [a, b] = [journal(), journal()];
  await using first = await Host.create({}, a.handlers);
  await using second = await Host.create({}, b.handlers);
  const peer = await first.connect(server.address);
  await second.connect(server.address);
  await until(() => server.peers.length === 2, 20_000, "two peers");
  const sizes = [10, 1000, 200_000];
  for (const size of sizes) peer.send(0, pattern(size));
  let left = sizes.length;
  for await (const event of server) {
    if (event.type !== "receive") continue;
    assert.equal(server.broadcast(1, event.packet), 2);
    if (--left === 0) break;
  }
  for (const seen of [a, b]) {
    const received = await seen.wait("receive", sizes.length);
    received.forEach(({ bytes }, i) => equalBytes(bytes, pattern(sizes[i])));
  }
});

// Servicing by hand.

/** Calls both hosts' `service` until a promise has settled. */
async function serviceUntil<T>(promise: Promise<T>, ...hosts: Host[]): Promise<T> {
  let settled = false;
  const done = () => void (settled = true);
  promise.then(done, done);
  await until(
    () => {
      for (const host of hosts) host.service(1);
      return settled;
    },
    10_000,
    "the promise",
  );
  return promise;
}

test("Host.service() alone drives hosts without a pump", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK, pump: false });
  await using client = await Host.create({ pump: false });
  assert.equal(server.service(), null);
  assert.equal(server.service(1), null);
  const connecting = client.connect(server.address, { data: 7 });
  const events: HostEvent[] = [];
  const peer = await serviceUntil(
    connecting.finally(() => {}),
    client,
    {
      service: (ms: number) => {
        const event = server.service(ms);
        if (event !== null) events.push(event);
      },
    } as unknown as Host,
  );
  const connect = events[0];
  assert.ok(connect?.type === "connect" && connect.data === 7);
  for (let i = 0; i < 100; i++) peer.send(i % 2, `message ${i}`);
  client.flush();
  const texts: string[] = [];
  await until(
    () => {
      client.service();
      for (let event = server.service(); event !== null; event = server.service()) {
        assert.ok(event.type === "receive" && event.peer === connect.peer);
        assert.equal(event.packet.text(), `message ${texts.length}`);
        assert.equal(event.channelId, texts.length % 2);
        texts.push(event.packet.text());
      }
      return texts.length === 100;
    },
    10_000,
    "100 messages",
  );
  assert.equal(server.service(), null);
  await serviceUntil(peer.disconnect(9), client, server);
});

test("Host.service() waits for an event while its thread is blocked", async (t) => {
  await leakCheck(t);
  for (const pump of [true, false]) {
    await using server = await Host.listen({ hostname: LOOPBACK, pump });
    await using client = await Host.create();
    assert.equal(server.service(), null);
    const connecting = client.connect(server.address);
    await until(() => client.stats.totalSentPackets > 0, 20_000, "the request");
    const peer = await serviceUntil(connecting, server);
    // Larger than the window: the client's pump must send the rest while this thread is blocked.
    const payload = pattern(500_000);
    peer.send(0, payload);
    client.flush();
    let event = server.service(10_000);
    while (event?.type === "connect") event = server.service(10_000);
    assert.ok(event?.type === "receive");
    equalBytes(event.packet.bytes, payload);
  }
});

test("Host.service() gives the events of a host with handlers to these, and returns null", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK, pump: false }, seen.handlers);
  await using client = await Host.create();
  const peer = await serviceUntil(client.connect(server.address), server);
  for (let i = 0; i < 10; i++) peer.send(0, `message ${i}`);
  client.flush();
  await until(
    () => {
      assert.equal(server.service(1), null);
      return seen.all("receive").length === 10;
    },
    10_000,
    "10 messages",
  );
  assert.deepEqual(
    texts(seen.all("receive")),
    Array.from({ length: 10 }, (_, i) => `message ${i}`),
  );
});

test("A host has one consumer: iteration, handlers or service()", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ hostname: LOOPBACK });
  const events = host[Symbol.asyncIterator]();
  assert.throws(() => host[Symbol.asyncIterator](), { name: "TypeError", message: /already/ });
  assert.throws(() => host.service(), { name: "TypeError", message: /iterated/ });
  await events.return?.();
  assert.equal(host.service(), null);
  await host[Symbol.asyncIterator]().return?.();
  await using handled = await Host.listen({ hostname: LOOPBACK }, {});
  assert.throws(() => handled[Symbol.asyncIterator](), { name: "TypeError", message: /handlers/ });
});

test("A packet that service() has returned is borrowed until the next call", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, peer } = pair;
  for (const size of [10, 100_000]) {
    peer.send(0, pattern(size));
    peer.send(0, "next");
    const next = () =>
      until(
        () => {
          const event = server.service(10);
          return event?.type === "receive" ? { packet: event.packet } : undefined;
        },
        10_000,
        "a message",
      );
    const { packet } = await next();
    assert.equal(packet.length, size);
    const { packet: second } = await next();
    assert.throws(() => packet.bytes, { code: "ENETJS_ERR_RELEASED" });
    assert.throws(() => packet.view, { code: "ENETJS_ERR_RELEASED" });
    assert.throws(() => packet.text(), { code: "ENETJS_ERR_RELEASED" });
    assert.equal(second.text(), "next");
    const { bytes } = second;
    server.service();
    assert.throws(() => second.text(), { code: "ENETJS_ERR_RELEASED" });
    assert.equal(new TextDecoder().decode(bytes), "next", "what has been copied stays");
  }
});

// Closing.

test("Host.close() delivers what is queued, then tells the peers, then resolves", async (t) => {
  await leakCheck(t);
  for (const pump of [true, false]) {
    const seen = journal();
    await using server = await Host.listen({ hostname: LOOPBACK }, seen.handlers);
    const client = await Host.create({ pump });
    const connecting = client.connect(server.address);
    const peer = await (pump ? connecting : serviceUntil(connecting, client));
    const count = 5000;
    for (let i = 0; i < count; i++) peer.send(0, `message ${i}`);
    const rest = peer.deliver(1, pattern(300_000));
    await withDeadline(client.close({ graceMs: 20_000 }), 25_000, "the close");
    assert.ok(client.closed);
    await rest;
    const [ended] = await seen.wait("disconnect");
    assert.deepEqual([ended.reason, ended.data], ["remote", 0]);
    const received = seen.all("receive").filter(({ channelId }) => channelId === 0);
    assert.deepEqual(texts(received), Array.from({ length: count }, (_, i) => `message ${i}`));
    assert.equal(seen.entries.at(-1)?.type, "disconnect");
  }
});

for (const graceMs of [0, 1000]) {
  test(`Host.close() with graceMs ${graceMs} tells the other side`, async (t) => {
    await leakCheck(t);
    const seen = journal();
    await using pair = await connectedPair({ serverHandlers: seen.handlers });
    pair.remote.timeout({ limit: 1, minimumMs: 5000, maximumMs: 5000 });
    await pair.client.close({ graceMs });
    assert.equal((await seen.wait("disconnect"))[0].reason, "remote");
  });
}

test("Host.close() with a peer that does not answer ends after graceMs", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, client, peer } = pair;
  server.filter = { deny: ["127.0.0.0/8"] }; // now it neither hears nor answers
  const undelivered = rejection(peer.deliver(0, "into the void"), "ENETJS_ERR_UNDELIVERED");
  await withDeadline(client.close({ graceMs: 50 }), 10_000, "the close");
  assert.ok(client.closed);
  await undelivered;
  assert.equal(peer.state, "disconnected");
});

test("Host[Symbol.dispose]() tells the other side, even right after disconnect()", async (t) => {
  await leakCheck(t);
  for (const data of [undefined, 77]) {
    const seen = journal();
    await using pair = await connectedPair({ serverHandlers: seen.handlers });
    if (data !== undefined) void pair.peer.disconnect(data);
    pair.client[Symbol.dispose]();
    const [ended] = await seen.wait("disconnect");
    assert.deepEqual([ended.reason, ended.data], ["remote", data ?? 0]);
  }
});

test("Iteration over a host ends when the host is closed", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ hostname: LOOPBACK });
  const events = host[Symbol.asyncIterator]();
  const waiting = [events.next(), events.next()];
  await host.close();
  for (const result of [...await Promise.all(waiting), await events.next()]) {
    assert.deepEqual(result, { value: undefined, done: true });
  }
  for await (const event of host) assert.fail(event.type);
});
