import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { type Data, ENetError, Host, Packet, PacketFlag, type Peer } from "../../mod.ts";
import {
  connectedPair,
  equalBytes,
  journal,
  leakCheck,
  type Pair,
  until,
  withDeadline,
} from "../_helpers.ts";

const LOOPBACK = "127.0.0.1";

const U32 = 0xFFFFFFFF;

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8)) & 255);
}

/** Bytes in a SharedArrayBuffer, with others around them. */
function shared(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const view = new Uint8Array(new SharedArrayBuffer(bytes.length + 24), 8, bytes.length);
  view.set(bytes);
  return view;
}

async function rejection(promise: Promise<unknown>, code: string): Promise<string> {
  const error = await withDeadline(promise.then(() => undefined, (error) => error), 10_000, code);
  assert.ok(error instanceof ENetError, `not rejected with ${code}: ${error}`);
  assert.equal(error.code, code);
  return error.message;
}

/** A pair with a journal on each side. */
async function observedPair(options: Parameters<typeof connectedPair>[0] = {}) {
  const own = journal();
  const seen = journal();
  const pair = await connectedPair({
    clientHandlers: own.handlers,
    serverHandlers: seen.handlers,
    ...options,
  });
  return { ...pair, own, seen, [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose]() };
}

/** Lets a host hear nothing any more, not even that something has arrived. */
const deafen = (host: Host) => host.filter = { deny: ["0.0.0.0/0"] };

/** Undoes that. */
const undeafen = (host: Host) => host.filter = {};

// What can be sent.

test("Peer.send() takes text, buffers, every kind of view and packets", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, seen } = pair;
  const bytes = pattern(64);
  const { buffer } = bytes;
  const resizable = new ArrayBuffer(8, { maxByteLength: 64 });
  const growing = new Uint8Array(resizable);
  resizable.resize(16);
  growing.set(pattern(16));
  const long = "𝄞ü€a".repeat(10_000); // 100 KB
  const borderline = "€".repeat(21_845); // 65,535 bytes, as much as the scratch memory takes
  const cases: [string, Data, Uint8Array][] = [
    ["text", "hello", encode("hello")],
    ["text of several bytes a letter", "Grüße, 世界 🌍", encode("Grüße, 世界 🌍")],
    ["a lone surrogate", "a\uD800b", encode("a\uFFFDb")],
    ["NUL", "a\0b", Uint8Array.of(97, 0, 98)],
    ["empty text", "", new Uint8Array()],
    ["100 KB of text", long, encode(long)],
    ["64 KB of text", borderline, encode(borderline)],
    ["ArrayBuffer", buffer, bytes],
    ["empty ArrayBuffer", new ArrayBuffer(0), new Uint8Array()],
    ["SharedArrayBuffer", shared(bytes).buffer, new Uint8Array(shared(bytes).buffer)],
    ["100 KB of SharedArrayBuffer", shared(pattern(100_000)), pattern(100_000)],
    ["resizable ArrayBuffer", resizable, pattern(16)],
    ["view of a resizable ArrayBuffer", growing, pattern(16)],
    ["Uint8Array with offset", new Uint8Array(buffer, 3, 7), bytes.subarray(3, 10)],
    ["Uint8ClampedArray", new Uint8ClampedArray(buffer, 5, 6), bytes.subarray(5, 11)],
    ["Int8Array", new Int8Array(buffer, 1, 2), bytes.subarray(1, 3)],
    ["Uint16Array", new Uint16Array(buffer, 2, 3), bytes.subarray(2, 8)],
    ["Int16Array", new Int16Array(buffer, 4, 1), bytes.subarray(4, 6)],
    ["Uint32Array", new Uint32Array(buffer, 4, 2), bytes.subarray(4, 12)],
    ["Int32Array", new Int32Array(buffer, 8, 2), bytes.subarray(8, 16)],
    ["Float32Array", new Float32Array(buffer, 12, 2), bytes.subarray(12, 20)],
    ["Float64Array", new Float64Array(buffer, 8, 2), bytes.subarray(8, 24)],
    ["BigInt64Array", new BigInt64Array(buffer, 16, 1), bytes.subarray(16, 24)],
    ["BigUint64Array", new BigUint64Array(buffer, 24, 2), bytes.subarray(24, 40)],
    ["DataView", new DataView(buffer, 9, 13), bytes.subarray(9, 22)],
    ["DataView of shared memory", new DataView(shared(bytes).buffer, 8, 64), bytes],
    ["Buffer", randomBytes(0), new Uint8Array()],
    ["Packet of text", Packet.from("packet"), encode("packet")],
    ["Packet of 100 KB", Packet.from(pattern(100_000)), pattern(100_000)],
    ["empty Packet", Packet.from(""), new Uint8Array()],
    ["Packet of a Packet", Packet.from(Packet.from("again")), encode("again")],
  ];
  for (const [, data] of cases) peer.send(0, data);
  for (const [, data] of cases) await peer.deliver(1, data);
  const received = await seen.wait("receive", cases.length * 2);
  for (const channelId of [0, 1]) {
    const on = received.filter((entry) => entry.channelId === channelId);
    for (const [index, [name, , expected]] of cases.entries()) {
      equalBytes(on[index].bytes, expected, `${name} on channel ${channelId}`);
    }
  }
});

test("What is sent is not changed by what happens to its memory afterwards", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, server, seen } = pair;
  const sizes = [1, 1000, 70_000, 200_000];
  for (const size of sizes) {
    for (const memory of [pattern(size), shared(pattern(size))]) {
      peer.send(0, memory);
      memory.fill(0);
    }
    const packet = Packet.from(pattern(size));
    peer.send(0, packet);
    packet.bytes.fill(0);
    const detached = pattern(size);
    peer.send(0, detached);
    structuredClone(detached, { transfer: [detached.buffer] });
    const buffer = pattern(size);
    server.broadcast(0, buffer);
    buffer.fill(0);
  }
  for (const { bytes } of await seen.wait("receive", sizes.length * 4)) {
    equalBytes(bytes, pattern(bytes.length));
  }
  for (const { bytes } of await pair.own.wait("receive", sizes.length)) {
    equalBytes(bytes, pattern(bytes.length));
  }
});

test("Packets are sent on while they are borrowed, through any host, and not afterwards", async (t) => {
  await leakCheck(t);
  const end = journal();
  await using pair = await connectedPair();
  const { server, peer } = pair;
  await using target = await Host.listen({ hostname: LOOPBACK }, end.handlers);
  await using other = await Host.create();
  const onward = await other.connect(target.address);
  const onServer = await server.connect(target.address);
  const sizes = [0, 5, 2000, 65_536, 65_537, 300_000];
  for (const size of sizes) peer.send(0, pattern(size));
  const kept: { packet: Packet; size: number }[] = [];
  for await (const event of server) {
    if (event.type !== "receive") continue;
    const { packet } = event;
    onward.send(0, packet);
    onServer.send(0, packet);
    onServer.send(0, packet);
    void packet.view;
    onServer.send(0, packet);
    kept.push({ packet, size: packet.length });
    if (kept.length === sizes.length) break;
  }
  const received = await end.wait("receive", sizes.length * 4);
  for (const size of sizes) {
    const same = received.filter(({ bytes }) => bytes.length === size);
    assert.equal(same.length, 4);
    for (const { bytes } of same) equalBytes(bytes, pattern(size));
  }
  for (const { packet, size } of kept) {
    assert.equal(packet.length, size);
    const calls = [
      () => onward.send(0, packet),
      () => other.broadcast(0, packet),
      () => other.sendDatagram(target.address, packet),
      () => Packet.from(packet),
      () => packet.bytes,
      () => packet.view,
      () => packet.text(),
    ];
    for (const call of calls) {
      assert.throws(call, {
        name: "ENetError",
        code: "ENETJS_ERR_RELEASED",
        message: new RegExp(`packet of ${size} bytes .* until the next iteration.* packet.retain`),
      });
    }
    await rejection(onward.deliver(0, packet), "ENETJS_ERR_RELEASED");
  }
});

test("Packet flags tell how a packet came", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, peer } = pair;
  const cases: [PacketFlag, number, number][] = [
    [PacketFlag.UNRELIABLE, 10, 0],
    [PacketFlag.RELIABLE, 10, 1],
    [PacketFlag.UNSEQUENCED, 10, 2],
    [PacketFlag.UNRELIABLE, 5000, 1], // fragments are reliable unless asked otherwise
    [PacketFlag.UNRELIABLE_FRAGMENT, 5000, 8],
    [PacketFlag.RELIABLE, 5000, 1],
    [PacketFlag.UNSEQUENCED_FRAGMENT, 10, 2],
    [PacketFlag.UNSEQUENCED_FRAGMENT, 5000, 8],
  ];
  const events = server[Symbol.asyncIterator]();
  assert.equal((await events.next()).value.type, "connect");
  for (const [flags, size, expected] of cases) {
    const message = pattern(size);
    // Unreliable ones may be lost, so they are repeated until one gets there.
    const next = events.next();
    let arrived = false;
    void next.then(() => arrived = true);
    peer.send(0, message, flags);
    await until(
      () => {
        if (!arrived && (expected & PacketFlag.RELIABLE) === 0 && peer.stats.queuedMessages === 0) {
          peer.send(0, message, flags);
        }
        return arrived;
      },
      10_000,
      `flags ${flags}`,
    );
    const { value } = await next;
    assert.equal(value.type, "receive");
    assert.deepEqual([value.packet.flags, value.packet.length], [expected, size]);
    equalBytes(value.packet.bytes, message);
    // What came twice is taken before the next case.
    await peer.deliver(0, "end of case");
    for (let text = ""; text !== "end of case";) {
      text = (await withDeadline(events.next(), 10_000, "the end of the case")).value.packet.text();
    }
  }
  await events.return?.();
});

test("Messages of 1 MB and 10 MB arrive whole", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote } = pair;
  const messages = [2 ** 20, 10 * 2 ** 20].map((size) => new Uint8Array(randomBytes(size)));
  const delivered = Promise.all(messages.map((message) => peer.deliver(0, message)));
  const digests = messages.map(digest);
  for await (const { packet } of remote) {
    assert.equal(digest(packet.bytes), digests.shift());
    if (digests.length === 0) break;
  }
  await withDeadline(delivered, 60_000, "the deliveries");
  assert.equal(peer.stats.queuedBytes, 0);
});

test("Messages keep their order on each of many channels", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair({ connect: { channels: 255 } });
  const { peer, seen } = pair;
  const [channels, count] = [255, 40];
  assert.equal(peer.channelCount, channels);
  for (let i = 0; i < count; i++) {
    // From the outermost to the middle, so that channels do not come in their order.
    for (let c = 0; c < channels; c++) peer.send((c * 97) % channels, `${i}`);
  }
  const received = await seen.wait("receive", channels * count, 30_000);
  const next = new Array(channels).fill(0);
  for (const { channelId, bytes } of received) {
    assert.equal(decode(bytes), `${next[channelId]++}`, `channel ${channelId}`);
  }
  assert.deepEqual(next, new Array(channels).fill(count));
});

test("Unreliable messages may be lost but come in order, each at most once", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, seen } = pair;
  for (let i = 0; i < 500; i++) peer.send(0, `${i}`, PacketFlag.UNRELIABLE);
  await peer.deliver(0, "500");
  await until(
    () => decode(seen.all("receive").at(-1)?.bytes ?? encode("")) === "500",
    10_000,
    "all",
  );
  const numbers = seen.all("receive").map(({ bytes }) => Number(decode(bytes)));
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
});

// deliver

test("Peer.deliver() resolves when the other side has acknowledged all of it", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, seen } = pair;
  for (const size of [0, 1, 1400, 100_000]) {
    assert.equal(await withDeadline(peer.deliver(0, pattern(size)), 10_000, "it"), undefined);
    const { queuedBytes, queuedMessages } = peer.stats;
    assert.deepEqual([queuedBytes, queuedMessages], [0, 0]);
  }
  assert.equal((await seen.wait("receive", 4)).length, 4);
});

test("Peer.deliver() settles a thousand at once", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, seen } = pair;
  const order: number[] = [];
  const all = Array.from({ length: 1000 }, async (_, i) => {
    await peer.deliver(0, `${i}`);
    order.push(i);
  });
  await withDeadline(Promise.all(all), 20_000, "1,000 deliveries");
  assert.deepEqual(order, Array.from({ length: 1000 }, (_, i) => i));
  await seen.wait("receive", 1000);
});

test("Peer.deliver() rejects when the connection ends first, whichever way", async (t) => {
  await leakCheck(t);
  const ends: [string, (pair: Pair) => unknown][] = [
    ["local", ({ peer }) => void peer.disconnect(1)],
    ["local", ({ peer }) => peer.disconnectNow(1)],
    ["reset", ({ peer }) => peer.reset()],
    ["remote", ({ remote }) => remote.disconnectNow(1)],
    ["timeout", ({ peer }) => peer.timeout({ limit: 1, minimumMs: 30, maximumMs: 60 })],
    ["", ({ client }) => client.close({ graceMs: 0 })],
    ["", ({ client }) => client[Symbol.dispose]()],
  ];
  for (const [reason, end] of ends) {
    await using pair = await connectedPair();
    const { peer } = pair;
    pair.peer.timeout({ limit: 1, minimumMs: 200, maximumMs: 400 });
    deafen(pair.server);
    // More than ENet takes at once, so that some wait in our own queue.
    const settled = Promise.allSettled(
      Array.from({ length: 300 }, () => peer.deliver(0, pattern(1000))),
    );
    await end(pair);
    const results = await withDeadline(settled, 20_000, `the rejections after ${end}`);
    for (const result of results) {
      assert.ok(result.status === "rejected");
      assert.ok(result.reason instanceof ENetError);
      assert.equal(result.reason.code, "ENETJS_ERR_UNDELIVERED", `${end}`);
      assert.match(result.reason.message, /before a message was acknowledged/);
      assert.ok(result.reason.message.includes(peer.address.hostname));
      if (reason !== "" && reason !== "local") assert.ok(result.reason.message.includes(reason));
    }
    pair.server[Symbol.dispose](); // nobody is there to wait for
  }
});

// The end of a connection.

const ENDINGS = ["disconnect", "disconnectLater", "disconnectNow"] as const;

for (const how of ENDINGS) {
  test(`Peer.${how}() tells both sides once, with its data unsigned`, async (t) => {
    await leakCheck(t);
    await using server = await Host.listen({ hostname: LOOPBACK });
    for (const data of [undefined, 1, 0x7FFFFFFF, 0x80000000, U32]) {
      await using pair = await observedPair();
      const { peer, remote, own, seen } = pair;
      await withDeadline(Promise.resolve(peer[how](data)), 10_000, "the end");
      assert.equal(peer.state, "disconnected");
      const [here] = await own.wait("disconnect");
      const [there] = await seen.wait("disconnect");
      assert.deepEqual([here.reason, here.data], ["local", data ?? 0]);
      assert.deepEqual([there.reason, there.data], ["remote", data ?? 0]);
      assert.deepEqual([here.peer, there.peer], [peer, remote]);
      assert.equal(remote.state, "disconnected");
      assert.deepEqual([pair.client.peers, pair.server.peers], [[], []]);
      assert.deepEqual([own.entries.length, seen.entries.length], [2, 2]);
    }
    assert.deepEqual(server.peers, []);
  });
}

test("Peer.disconnect() and the others can be called again, and resolve at once at the end", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, own, seen } = pair;
  const ends = [peer.disconnect(1), peer.disconnect(2), peer.disconnectLater(3)];
  await withDeadline(Promise.all(ends), 10_000, "the ends");
  await peer.disconnect(4);
  await peer.disconnectLater(5);
  peer.disconnectNow(6);
  // The event may come in another turn than what the promises wait for.
  assert.equal((await own.wait("disconnect"))[0].data, 1);
  assert.equal((await seen.wait("disconnect"))[0].data, 1);
  assert.equal(own.entries.length, 2);
});

test("Peer.disconnect() drops what is queued, disconnectLater() delivers it", async (t) => {
  await leakCheck(t);
  for (const how of ["disconnect", "disconnectLater"] as const) {
    await using pair = await observedPair();
    const { server, peer, seen } = pair;
    deafen(server); // so that no more than a window can be under way now
    for (let i = 0; i < 3000; i++) peer.send(0, `${i}`);
    const large = peer.deliver(1, pattern(500_000));
    const dropped = large.then(() => false, () => true);
    const ended = peer[how](7);
    assert.equal(peer.state, how === "disconnect" ? "disconnecting" : "disconnect-later");
    assert.equal(peer.send(0, "x"), false);
    peer.ping();
    peer.throttle({});
    await rejection(peer.deliver(0, "too late"), "ENETJS_ERR_STALE");
    await rejection(peer.drain(), "ENETJS_ERR_STALE");
    undeafen(server);
    await withDeadline(ended, 20_000, "the end");
    assert.equal(await dropped, how === "disconnect");
    const [{ reason, data }] = await seen.wait("disconnect");
    assert.deepEqual([reason, data], ["remote", 7]);
    const received = seen.all("receive");
    assert.equal(received.some(({ channelId }) => channelId === 1), how === "disconnectLater");
    const texts = received.filter(({ channelId }) => channelId === 0)
      .map(({ bytes }) => decode(bytes));
    assert.deepEqual(texts, texts.map((_, i) => `${i}`));
    if (how === "disconnectLater") assert.equal(texts.length, 3000);
    assert.equal(seen.entries.at(-1)?.type, "disconnect");
  }
});

test("Peer.reset() tells this side only; the other times out", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, remote, own, seen } = pair;
  remote.timeout({ limit: 1, minimumMs: 30, maximumMs: 60 });
  remote.pingInterval(20);
  peer.reset();
  const [here] = await own.wait("disconnect");
  assert.deepEqual([here.reason, here.data], ["reset", 0]);
  peer.reset();
  await assert.rejects(peer.drain(), { code: "ENETJS_ERR_STALE", message: /reset, data 0/ });
  const [there] = await seen.wait("disconnect");
  assert.deepEqual([there.reason, there.data], ["timeout", 0]);
  assert.deepEqual([own.entries.length, seen.entries.length], [2, 2]);
});

test("A peer that does not answer times out as Peer.timeout() says", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, remote, own } = pair;
  remote.timeout({ limit: 1, minimumMs: 30, maximumMs: 60 });
  peer.timeout({ limit: 1, minimumMs: 30, maximumMs: 60 });
  peer.pingInterval(20);
  deafen(pair.server);
  const [ended] = await own.wait("disconnect");
  assert.deepEqual([ended.reason, ended.data], ["timeout", 0]);
  assert.equal(own.entries.length, 2);
});

test("Both sides may disconnect at the same time", async (t) => {
  await leakCheck(t);
  for (const how of ENDINGS) {
    await using pair = await observedPair();
    const { peer, remote, own, seen } = pair;
    const ends = [peer[how](1), remote[how](2)];
    await withDeadline(Promise.all(ends), 10_000, "the ends");
    await own.wait("disconnect");
    await seen.wait("disconnect");
    assert.deepEqual([own.entries.length, seen.entries.length], [2, 2]);
  }
});

test("Every connect event is followed by exactly one disconnect event", async (t) => {
  await leakCheck(t);
  const seen = journal();
  const own = journal();
  await using server = await Host.listen({ hostname: LOOPBACK }, seen.handlers);
  await using client = await Host.create({ peers: 64 }, own.handlers);
  const ends: ((peer: Peer, remote: Peer) => unknown)[] = [
    (peer) => peer.disconnect(),
    (peer) => peer.disconnectLater(),
    (peer) => peer.disconnectNow(),
    (peer, remote) => (peer.reset(), remote.reset()),
    (_, remote) => remote.disconnect(),
    (_, remote) => remote.disconnectLater(),
    (_, remote) => remote.disconnectNow(),
    (peer, remote) => Promise.all([peer.disconnect(), remote.disconnect()]),
  ];
  const rounds = 5;
  for (let round = 0; round < rounds; round++) {
    const before = seen.all("connect").length;
    const peers: Peer[] = [];
    for (const _ of ends) peers.push(await client.connect(server.address));
    const connected = await seen.wait("connect", before + ends.length);
    const remotes = connected.slice(before).map(({ peer }) => peer);
    for (const peer of peers) peer.send(0, "something queued");
    await Promise.all(ends.map((end, i) => end(peers[i], remotes[i])));
    await seen.wait("disconnect", before + ends.length);
    await own.wait("disconnect", before + ends.length);
  }
  for (const { entries, all } of [seen, own]) {
    assert.equal(all("connect").length, rounds * ends.length);
    for (const { peer } of all("connect")) {
      const mine = entries.filter((entry) => "peer" in entry && entry.peer === peer);
      const types = mine.map(({ type }) => type).filter((type) => type !== "receive");
      assert.deepEqual(types, ["connect", "disconnect"]);
      assert.equal(mine.at(-1)?.type, "disconnect", "nothing comes after the end");
    }
  }
});

test("A connection that has ended refuses everything, without an error but of what waits", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, remote, server, client } = pair;
  await peer.disconnect(42);
  await pair.seen.wait("disconnect");
  // Another connection in the same slot is not mistaken for it.
  const next = await client.connect(server.address);
  for (const [stale, says] of [[peer, "local, data 42"], [remote, "remote, data 42"]] as const) {
    assert.equal(stale.send(0, "x"), false);
    stale.ping();
    stale.reset();
    stale.pingInterval(1);
    stale.timeout({});
    stale.throttle({});
    assert.equal(stale.stats.state, "disconnected");
    for (const wait of [stale.deliver(0, "x"), stale.drain()]) {
      await assert.rejects(wait, (error) => {
        assert.ok(error instanceof ENetError);
        assert.equal(error.code, "ENETJS_ERR_STALE");
        assert.ok(error.message.includes(says), error.message);
        return true;
      });
    }
    assert.equal(stale.state, "disconnected");
    for await (const message of stale) assert.fail(`${message.channelId}`);
  }
  await next.deliver(0, "undisturbed");
});

test("Peer.send() works within the connect handler, and not within the disconnect handler", async (t) => {
  await leakCheck(t);
  const seen = journal();
  const taken: boolean[] = [];
  await using server = await Host.listen({ hostname: LOOPBACK }, {
    connect: (peer) => {
      assert.equal(peer.state, "connected");
      peer.send(0, "welcome");
    },
    disconnect: (peer) => {
      taken.push(peer.send(0, "goodbye"));
    },
  });
  await using client = await Host.create({}, seen.handlers);
  const peer = await client.connect(server.address);
  assert.equal(decode((await seen.wait("receive"))[0].bytes), "welcome");
  await peer.disconnect();
  await until(() => taken.length > 0, 20_000, "the disconnect handler");
  assert.deepEqual(taken, [false]);
});

// Settings and statistics of a peer.

test("Peer.state tells every stage of a connection", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { server, peer, remote } = pair;
  assert.deepEqual([peer.state, remote.state], ["connected", "connected"]);
  assert.equal(peer.stats.state, "connected");
  deafen(server);
  peer.send(0, pattern(500_000));
  const ended = peer.disconnectLater();
  assert.deepEqual([peer.state, peer.stats.state], ["disconnect-later", "disconnect-later"]);
  const sooner = peer.disconnect();
  assert.deepEqual([peer.state, peer.stats.state], ["disconnecting", "disconnecting"]);
  undeafen(server);
  await Promise.all([ended, sooner]);
  assert.equal(peer.state, "disconnected");
  await until(() => remote.state === "disconnected", 20_000, "the other side");
});

test("Peer.stats are complete, and finite numbers", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ connect: { channels: 3 } });
  const { peer, remote, client, server } = pair;
  await peer.deliver(0, pattern(10_000));
  for (const stats of [peer.stats, remote.stats]) {
    const { state, ...numbers } = stats;
    assert.equal(state, "connected");
    assert.equal(Object.keys(numbers).length, 53);
    for (const [name, value] of Object.entries(numbers)) {
      assert.ok(typeof value === "number" && Number.isFinite(value), `${name} is ${value}`);
      assert.ok(value >= (name.startsWith("since") ? -1 : 0), `${name} is ${value}`);
    }
    for (
      const name of [
        ...["packetLoss", "packetLossVariance", "packetThrottle", "packetThrottleLimit"] as const,
      ]
    ) assert.ok(stats[name] <= 1, `${name} is ${stats[name]}`);
    assert.equal(stats.channelCount, 3);
    assert.equal(stats.mtu, 1400);
    assert.deepEqual([stats.pingIntervalMs, stats.timeoutLimit], [500, 32]);
    assert.deepEqual([stats.timeoutMinimumMs, stats.timeoutMaximumMs], [5000, 30_000]);
    assert.equal(stats.windowSize, 96 * 1024);
    assert.ok(stats.packetThrottleCounter <= 32);
  }
  const [a, b] = [peer.stats, remote.stats];
  assert.equal(a.connectId, b.connectId);
  assert.ok(a.connectId > 0);
  assert.deepEqual([a.incomingPeerId, a.outgoingPeerId], [b.outgoingPeerId, b.incomingPeerId]);
  assert.ok(a.roundTripTimeMs < 500, "measured, no longer ENet's first guess");
  assert.deepEqual([client.peers, server.peers], [[peer], [remote]]);
});

test("Peer.stats count what is queued until it is acknowledged", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, peer } = pair;
  deafen(client);
  for (let i = 0; i < 1000; i++) peer.send(0, pattern(1000));
  const { queuedBytes, queuedMessages } = peer.stats;
  assert.deepEqual([queuedBytes, queuedMessages], [1_000_000, 1000]);
  undeafen(client);
  await until(() => peer.stats.queuedMessages === 0, 20_000, "the acknowledgements");
  assert.equal(peer.stats.queuedBytes, 0);
});

test("Peer.ping() is answered", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote, client } = pair;
  for (const side of [peer, remote]) side.pingInterval(60_000);
  await until(() => peer.stats.reliableDataInTransit === 0, 20_000, "quiet");
  const { totalSentPackets, totalReceivedPackets } = client.stats;
  peer.ping();
  client.flush();
  assert.ok(client.stats.totalSentPackets > totalSentPackets);
  await until(() => client.stats.totalReceivedPackets > totalReceivedPackets, 20_000, "the answer");
});

test("Peer.pingInterval(), timeout() and throttle() are seen in the statistics", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ server: { throttle: "enet" } });
  const { peer, remote } = pair;
  for (const [set, expected] of [[1234, 1234], [U32, U32], [0, 500]]) {
    peer.pingInterval(set);
    assert.equal(peer.stats.pingIntervalMs, expected);
  }
  for (
    const [set, expected] of [
      [{ limit: 7, minimumMs: 1000, maximumMs: 9000 }, [7, 1000, 9000]],
      [{ limit: U32, minimumMs: U32, maximumMs: U32 }, [U32, U32, U32]],
      [{ maximumMs: 60_000 }, [32, 5000, 60_000]],
      [{}, [32, 5000, 30_000]],
    ] as const
  ) {
    peer.timeout(set);
    const { timeoutLimit, timeoutMinimumMs, timeoutMaximumMs } = peer.stats;
    assert.deepEqual([timeoutLimit, timeoutMinimumMs, timeoutMaximumMs], expected);
  }
  const throttle = ({ stats }: Peer) => [
    stats.packetThrottleIntervalMs,
    stats.packetThrottleAcceleration,
    stats.packetThrottleDeceleration,
  ];
  for (
    const [set, expected] of [
      [{ intervalMs: 1000, acceleration: 5, deceleration: 3 }, [1000, 5, 3]],
      [{ intervalMs: U32, acceleration: 32, deceleration: 0 }, [U32, 32, 0]],
      [{}, [5000, 2, 2]],
    ] as const
  ) {
    peer.throttle(set);
    assert.deepEqual(throttle(peer), expected);
    const same = () => throttle(remote).join() === expected.join();
    await until(same, 20_000, "the throttle on the other side");
  }
});

test("Peer.pingInterval() makes ENet ping that often", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, client } = pair;
  const before = client.stats.totalSentPackets;
  peer.pingInterval(10);
  await until(() => client.stats.totalSentPackets >= before + 5, 20_000, "five pings");
});

test("Peer.data is the program's, Peer.address a copy", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, remote, server, client, seen } = pair;
  assert.equal(remote.data, undefined);
  const mine = { score: 1 };
  remote.data = mine;
  await peer.deliver(0, "x");
  assert.equal((await seen.wait("receive"))[0].peer.data, mine);
  const { address } = peer;
  assert.deepEqual(address, server.address);
  assert.deepEqual(remote.address, { hostname: LOOPBACK, port: client.address.port });
  address.port = 1;
  assert.deepEqual(peer.address, server.address);
  await peer.disconnect();
  assert.equal((await seen.wait("disconnect"))[0].peer.data, mine);
  assert.deepEqual(peer.address, server.address);
  const again = await client.connect(server.address);
  assert.notEqual(again, peer);
  assert.equal((await seen.wait("connect", 2))[1].peer.data, undefined);
});

// Iterating over a peer.

test("Iteration over a peer yields every message in order and ends with the connection", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote } = pair;
  const count = 3000;
  for (let i = 0; i < count; i++) peer.send(i % 2, `${i}`);
  peer.send(0, pattern(300_000));
  void peer.disconnectLater();
  const kept: Packet[] = [];
  for await (const { channelId, packet } of remote) {
    const i = kept.push(packet.retain()) - 1;
    if (i < count) assert.equal(channelId, i % 2);
  }
  assert.equal(kept.length, count + 1);
  for (const channelId of [0, 1]) {
    const texts = kept.slice(0, count).map((packet) => packet.text());
    const mine = texts.filter((text) => Number(text) % 2 === channelId);
    assert.deepEqual(mine, mine.map((_, i) => `${2 * i + channelId}`));
  }
  const last = kept.find(({ length }) => length > 10);
  assert.ok(last);
  equalBytes(last.bytes, pattern(300_000));
  last.dispose();
  for await (const _ of remote) assert.fail("it is over");
});

test("Iteration over a peer can stop and go on, for one consumer at a time", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote } = pair;
  for (let i = 0; i < 10; i++) peer.send(0, `${i}`);
  const texts: string[] = [];
  for (let round = 0; round < 5; round++) {
    for await (const { packet } of remote) {
      assert.throws(() => remote[Symbol.asyncIterator](), {
        name: "TypeError",
        message: /already/,
      });
      if (texts.push(packet.text()) % 2 === 0) break;
    }
  }
  assert.deepEqual(texts, Array.from({ length: 10 }, (_, i) => `${i}`));
});

test("What an iteration over a peer has left goes to the host", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, peer, remote } = pair;
  for (let i = 0; i < 4; i++) peer.send(0, `${i}`);
  for await (const { packet } of remote) {
    assert.equal(packet.text(), "0");
    break;
  }
  const texts: string[] = [];
  for await (const event of server) {
    if (event.type !== "receive") continue;
    assert.equal(event.peer, remote);
    texts.push(event.packet.text());
    if (texts.length === 3) break;
  }
  assert.deepEqual(texts, ["1", "2", "3"]);
});
