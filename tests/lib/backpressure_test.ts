import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { diagnostics, Host, PacketFlag, type Peer } from "../../mod.ts";
import { leakCheck, until, withDeadline } from "../_helpers.ts";

const CHANNELS = 4;
const SMALL_RING = { eventCapacity: 64, arenaSize: 4096, maximumWaitingData: 256 * 1024 };

/** A message that carries its number within its channel. */
function numbered(number: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function numberOf(view: Uint8Array): number {
  return new DataView(view.buffer, view.byteOffset, view.byteLength).getUint32(0);
}

/** Checks that every channel counts 0, 1, 2, … */
class Sequence {
  readonly #next = new Array<number>(CHANNELS).fill(0);
  count = 0;

  take(channelId: number, view: Uint8Array): void {
    assert.equal(numberOf(view), this.#next[channelId]++, `order of channel ${channelId}`);
    this.count++;
  }
}

/** Sends numbered messages over all channels, waiting whenever the queue is above its mark. */
async function flood(peer: Peer, count: number): Promise<number> {
  let waits = 0;
  for (let sent = 0; sent < count; sent++) {
    const below = peer.send(sent % CHANNELS, numbered(Math.floor(sent / CHANNELS), 16));
    if (below) continue;
    waits++;
    await peer.drain();
  }
  return waits;
}

test("A flood of 200,000 messages to a slow consumer loses and reorders none", async (t) => {
  await leakCheck(t);
  const count = 200_000;
  await using server = await Host.listen({ hostname: "127.0.0.1", ...SMALL_RING });
  await using client = await Host.create({ highWaterMark: 64 * 1024 });
  const sequence = new Sequence();
  let mostNative = 0;
  const consume = async () => {
    for await (const event of server) {
      if (event.type !== "receive") continue;
      sequence.take(event.channelId, event.packet.view);
      if (sequence.count % 500 === 0) await setImmediate();
      if (sequence.count % 50_000 === 0) {
        mostNative = Math.max(mostNative, (await diagnostics()).allocatedBytes);
      }
      if (sequence.count === count) break;
    }
  };
  const peer = await client.connect(server.address, { channels: CHANNELS });
  // Where many programs share a processor, this one may stand still for longer than 5 s.
  peer.timeout({ minimumMs: 60_000, maximumMs: 60_000 });
  const [waits] = await withDeadline(
    Promise.all([flood(peer, count), consume()]),
    240_000,
    "the flood",
  );
  assert.equal(sequence.count, count);
  assert.ok(waits > 20, `send reported a full queue ${waits} times`);
  assert.ok(server.stats.backPressure > 0, "the ring was full at times");
  // What may wait at the receiver, twice over for overhead, and both send queues; and what ENet takes
  // ahead of a datagram that got lost, at most 28,672 messages, each in three blocks.
  const ahead = 28_672 * 160;
  assert.ok(mostNative < 4 * 1024 * 1024 + ahead, `${mostNative} bytes of native memory in use`);
});

test("A flood of unreliable messages keeps step with its receiver", async (t) => {
  await leakCheck(t);
  const count = 50_000;
  const message = new Uint8Array(200);
  let received = 0;
  await using server = await Host.listen({ hostname: "127.0.0.1" }, { receive: () => received++ });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  let waits = 0;
  for (let sent = 0; sent < count; sent++) {
    if (peer.send(0, message, PacketFlag.UNRELIABLE)) continue;
    waits++;
    await withDeadline(peer.drain(), 60_000, "the other side");
  }
  assert.ok(waits > 5, `send reported a full queue ${waits} times`);
  await peer.disconnectLater();
  // Few are lost even where a busy machine lets one side wait for long; it would be nearly all.
  assert.ok(received > count / 2, `${received} of ${count} arrived`);
});

test("A consumer that stops lets the sender's queue grow, and loses nothing when it goes on", async (t) => {
  await leakCheck(t);
  const count = 40_000;
  await using server = await Host.listen({ hostname: "127.0.0.1", ...SMALL_RING });
  await using client = await Host.create();
  const peer = await client.connect(server.address, { channels: CHANNELS });
  const events = server[Symbol.asyncIterator]();
  for (let sent = 0; sent < count; sent++) {
    peer.send(sent % CHANNELS, numbered(Math.floor(sent / CHANNELS), 64));
  }
  // Until the receiver's waiting data is full, and ENet stops acknowledging.
  while (server.stats.heldEvents * 64 < SMALL_RING.maximumWaitingData / 4) await setImmediate();
  assert.ok(peer.stats.queuedMessages > 0, "the rest waits at the sender");
  const sequence = new Sequence();
  const consume = async () => {
    while (sequence.count < count) {
      const { value } = await events.next();
      if (value.type === "receive") sequence.take(value.channelId, value.packet.view);
    }
  };
  await withDeadline(consume(), 60_000, "the rest");
});

test("A peer that is iterated slowly does not hold up the others", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1", ...SMALL_RING });
  await using client = await Host.create();
  const slow = await client.connect(server.address, { channels: CHANNELS });
  const quick = await client.connect(server.address, { channels: CHANNELS });
  await until(() => server.peers.length === 2, 20_000, "both connect events");
  const [slowSide, quickSide] = server.peers.map((peer) => peer[Symbol.asyncIterator]());
  const count = 20_000;
  for (let sent = 0; sent < count; sent++) {
    slow.send(0, numbered(sent, 200));
    quick.send(0, numbered(sent, 200));
  }
  const read = async (messages: AsyncIterableIterator<{ packet: { view: Uint8Array } }>) => {
    for (let number = 0; number < count; number++) {
      const { value } = await messages.next();
      assert.equal(numberOf(value.packet.view), number);
    }
  };
  await withDeadline(read(quickSide), 60_000, "the peer that is read");
  await withDeadline(read(slowSide), 60_000, "the peer that was not");
  await slowSide.return?.();
  await quickSide.return?.();
});

test("peer.drain() resolves at once below the mark and rejects when the connection ends", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" });
  await using client = await Host.create({ highWaterMark: 1000 });
  const peer = await client.connect(server.address);
  await peer.drain();
  assert.equal(peer.send(0, new Uint8Array(1000)), true);
  assert.equal(peer.send(0, new Uint8Array(1)), false);
  const drained = peer.drain();
  peer.reset();
  await assert.rejects(drained, { code: "ENETJS_ERR_STALE" });
  const late = withDeadline(peer.drain(), 20_000, "a drain after the end");
  await assert.rejects(late, { code: "ENETJS_ERR_STALE" });
});

test("peer.drain() resolves when highWaterMark is raised above the queue", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" });
  await using client = await Host.create({ highWaterMark: 100 });
  const peer = await client.connect(server.address);
  assert.equal(peer.send(0, new Uint8Array(5000)), false);
  const drained = peer.drain();
  client.highWaterMark = 100_000;
  await withDeadline(drained, 10_000, "drain");
});

test("Once above its mark, the queue falls to half of it before send() is true or drain() resolves", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" });
  await using client = await Host.create({ highWaterMark: 1000 });
  const peer = await client.connect(server.address);
  client.filter = { deny: ["0.0.0.0/0"] }; // so that nothing is acknowledged
  assert.equal(peer.send(0, new Uint8Array(1500)), false);
  client.highWaterMark = 2000; // 1500 are below it now, and above its half
  assert.equal(peer.send(0, new Uint8Array(1)), false);
  let resolved = false;
  const drained = peer.drain().then(() => resolved = true);
  for (let turn = 0; turn < 3; turn++) await setImmediate();
  assert.equal(resolved, false);
  client.filter = {};
  await withDeadline(drained, 10_000, "drain");
  assert.ok(peer.stats.queuedBytes <= 1000);
  assert.equal(peer.send(0, new Uint8Array(500)), true);
});
