import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { type Data, ENetError, Host, Packet, PacketFlag } from "../../mod.ts";
import {
  connectedPair,
  equalBytes,
  journal,
  leakCheck,
  type Pair,
  pattern,
  rejection,
  until,
  withDeadline,
} from "../_helpers.ts";
import { deafen, decode, digest, encode, LOOPBACK, observedPair } from "./_peer.ts";

/** Bytes in a SharedArrayBuffer, with others around them. */
function shared(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const view = new Uint8Array(new SharedArrayBuffer(bytes.length + 24), 8, bytes.length);
  view.set(bytes);
  return view;
}

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
  const QUICK = { limit: 1, minimumMs: 30, maximumMs: 60 };
  const ends: [string, (pair: Pair) => unknown][] = [
    ["local", ({ peer }) => (peer.timeout(QUICK), void peer.disconnect(1))],
    ["local", ({ peer }) => peer.disconnectNow(1)],
    ["reset", ({ peer }) => peer.reset()],
    ["remote", ({ remote }) => remote.disconnectNow(1)],
    ["timeout", ({ peer }) => peer.timeout(QUICK)],
    ["", ({ client }) => client.close({ graceMs: 0 })],
    ["", ({ client }) => client[Symbol.dispose]()],
  ];
  for (const [reason, end] of ends) {
    await using pair = await connectedPair();
    const { peer } = pair;
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
      if (reason !== "local") {
        assert.ok(result.reason.message.includes(reason), result.reason.message);
      }
    }
    pair.server[Symbol.dispose](); // nobody is there to wait for
  }
});
