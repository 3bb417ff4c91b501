import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  diagnostics,
  Host,
  Packet,
  PacketFlag,
  type Peer,
  type ReceiveEvent,
  versions,
} from "../../mod.ts";
import {
  connectedPair,
  currentRuntime,
  equalBytes,
  leakCheck,
  type Pair,
  spawnRuntime,
  until,
  withDeadline,
} from "../_helpers.ts";

const LARGE = 200_000;
const MEBIBYTE = 2 ** 20;

/** With this, the pump of a host sends nothing of what a test queues in one turn, however long that takes. */
const QUIET = { stallLimitMs: 60_000 };

/** Bytes that depend on a seed. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0, x = seed; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

async function nextReceive(host: AsyncIterator<unknown>): Promise<ReceiveEvent> {
  for (;;) {
    const { value } = await withDeadline(host.next(), 10_000, "an event") as {
      value: ReceiveEvent;
    };
    if (value.type === "receive") return value;
  }
}

for (const [size, length] of [["small", 100], ["large", LARGE]] as const) {
  test(`A ${size} packet is borrowed until the next iteration`, async (t) => {
    await leakCheck(t);
    await using pair = await connectedPair();
    const events = pair.server[Symbol.asyncIterator]();
    pair.peer.send(0, pattern(length, 1));
    pair.peer.send(0, pattern(length, 2));
    const first = await nextReceive(events);
    const { view } = first.packet;
    equalBytes(view, pattern(length, 1));
    const second = await nextReceive(events);
    equalBytes(second.packet.view, pattern(length, 2));
    for (const use of ["view", "bytes", "arrayBuffer", "pointer"] as const) {
      assert.throws(() => first.packet[use], {
        code: "ENETJS_ERR_RELEASED",
        message: /retain\(\)/,
      });
    }
    assert.throws(() => first.packet.retain(), { code: "ENETJS_ERR_RELEASED" });
    assert.throws(() => pair.peer.send(0, first.packet), { code: "ENETJS_ERR_RELEASED" });
    assert.equal(first.packet.refCount, 0);
    // Empty, or still what it was.
    if (view.length > 0) equalBytes(view, pattern(length, 1));
  });

  test(`A ${size} packet that is retained outlives its event and its host`, async (t) => {
    await leakCheck(t);
    const pair = await connectedPair();
    const events = pair.server[Symbol.asyncIterator]();
    pair.peer.send(0, pattern(length, 3));
    const { packet } = await nextReceive(events);
    assert.equal(packet.retain(), packet);
    const { view } = packet;
    pair.peer.send(0, "more");
    await nextReceive(events);
    await pair[Symbol.asyncDispose]();
    equalBytes(view, pattern(length, 3));
    equalBytes(packet.bytes, pattern(length, 3));
    assert.equal(packet.refCount, 1);
    packet.dispose();
    packet.dispose();
    assert.equal(packet.refCount, 0);
    assert.throws(() => packet.view, { code: "ENETJS_ERR_RELEASED", message: /disposed/ });
    if (length === LARGE) assert.equal(view.length, 0);
  });

  test(`The bytes of a ${size} packet are a copy that stays`, async (t) => {
    await leakCheck(t);
    await using pair = await connectedPair();
    const events = pair.server[Symbol.asyncIterator]();
    pair.peer.send(0, pattern(length, 4));
    const { packet } = await nextReceive(events);
    const { bytes } = packet;
    assert.equal(packet.bytes, bytes);
    packet.view.fill(0);
    pair.peer.send(0, "more");
    await nextReceive(events);
    equalBytes(bytes, pattern(length, 4));
    assert.throws(() => packet.bytes, { code: "ENETJS_ERR_RELEASED", message: /packet\.bytes/ });
  });

  test(`A handler can retain and send on a ${size} packet`, async (t) => {
    await leakCheck(t);
    const kept: Packet[] = [];
    await using pair = await connectedPair({
      serverHandlers: {
        receive(peer, channelId, packet) {
          kept.push(packet.retain());
          peer.send(channelId, packet);
        },
      },
    });
    pair.peer.send(1, pattern(length, 5));
    for await (const { channelId, packet } of pair.peer) {
      assert.equal(channelId, 1);
      equalBytes(packet.view, pattern(length, 5));
      break;
    }
    equalBytes(kept[0].view, pattern(length, 5));
    kept[0].dispose();
  });
}

test("A view that a handler keeps becomes empty or stays what it was", async (t) => {
  await leakCheck(t);
  const views: Uint8Array[] = [];
  await using pair = await connectedPair({
    server: { arenaSize: 4096, eventCapacity: 16 },
    serverHandlers: { receive: (_peer, _channelId, packet) => void views.push(packet.view) },
  });
  const count = 2000;
  for (let seed = 0; seed < count; seed++) pair.peer.send(0, pattern(1000, seed));
  await until(() => views.length === count, 10_000, "every message");
  const emptied = views.filter((view) => view.length === 0).length;
  assert.ok(emptied > 0, "the arena has been used again");
  views.forEach((view, seed) => view.length > 0 && equalBytes(view, pattern(1000, seed)));
});

test("A view stays while its event lasts, whatever arrives meanwhile", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ server: { arenaSize: 4096, eventCapacity: 16 } });
  const count = 200;
  for (let seed = 0; seed < count; seed++) pair.peer.send(0, pattern(500, seed));
  let seed = 0;
  for await (const event of pair.server) {
    if (event.type !== "receive") continue;
    const { view } = event.packet;
    // Several wake-ups, which fill the ring as far as there is room.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    equalBytes(view, pattern(500, seed));
    if (++seed === count) break;
  }
});

test("Reads that wait at the same time get packets that stay", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const events = pair.server[Symbol.asyncIterator]();
  await events.next(); // the connect event
  const reads = [events.next(), events.next(), events.next()];
  for (let seed = 0; seed < 3; seed++) pair.peer.send(0, pattern(100, seed));
  const results = await withDeadline(Promise.all(reads), 20_000, "three events");
  results.forEach(({ value }, seed) => equalBytes(value.packet.view, pattern(100, seed)));
  await events.return?.();
});

test("host.service() within a handler of the host is refused", async (t) => {
  await leakCheck(t);
  const seen: unknown[] = [];
  await using pair = await connectedPair({
    serverHandlers: {
      receive: (_peer, _channelId, packet) => {
        assert.throws(() => pair.server.service(), { name: "TypeError", message: /handler/ });
        seen.push(packet.bytes);
      },
    },
  });
  pair.peer.send(0, pattern(100, 1));
  await until(() => seen.length === 1, 20_000, "the message");
  assert.deepEqual(seen, [pattern(100, 1)]);
});

test("One received packet goes to 64 peers with one native allocation and one free", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1", peers: 65 });
  await using clients = await Host.create({ peers: 65 });
  const all: Peer[] = [];
  for (let i = 0; i < 65; i++) all.push(await clients.connect(server.address));
  await until(() => server.peers.length === 65, 10_000, "every connect event");
  const [source, ...rest] = all;
  const before = await diagnostics();
  const events = server[Symbol.asyncIterator]();
  source.send(0, pattern(LARGE, 6));
  const { packet, peer: sender } = await nextReceive(events);
  const sent = server.peers.filter((peer) => peer !== sender);
  assert.equal(sent.length, 64);
  // ENet gives up a peer after 5 s without acknowledgements, and a busy machine may take as long.
  for (const peer of sent) peer.timeout({ minimumMs: 60_000, maximumMs: 60_000 });
  clients.filter = { deny: ["0.0.0.0/0"] }; // so that none is acknowledged yet
  for (const peer of sent) peer.send(0, packet);
  const during = await diagnostics();
  assert.equal(during.packetsEver - before.packetsEver, 1);
  assert.equal(during.packets - before.packets, 1);
  assert.equal(packet.refCount, 65);
  clients.filter = {};
  const expected = digest(pattern(LARGE, 6));
  const digests = await withDeadline(
    Promise.all(rest.map(async (peer) => {
      for await (const { packet } of peer) return digest(packet.view);
    })),
    30_000,
    "the packet at every peer",
  );
  assert.deepEqual(new Set(digests), new Set([expected]));
  await events.return?.();
  await until(async () => (await diagnostics()).packets === before.packets, 10_000, "the free");
});

test("host.broadcast() sends a borrowed packet on to every peer", async (t) => {
  await leakCheck(t);
  for (const length of [100, LARGE]) {
    await using pair = await connectedPair();
    const other = await pair.client.connect(pair.server.address);
    await until(() => pair.server.peers.length === 2, 10_000, "both connect events");
    const events = pair.server[Symbol.asyncIterator]();
    pair.peer.send(0, pattern(length, 7));
    const { packet } = await nextReceive(events);
    assert.equal(pair.server.broadcast(0, packet), 2);
    for (const peer of [pair.peer, other]) {
      for await (const { packet } of peer) {
        equalBytes(packet.view, pattern(length, 7));
        break;
      }
    }
  }
});

test("Packet.alloc() is written in place, sent, and cannot be changed afterwards", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  for (const length of [0, 1, 1000, LARGE]) {
    using packet = Packet.alloc(length);
    equalBytes(packet.bytes, new Uint8Array(length));
    packet.view.set(pattern(length, 8));
    const { view } = packet;
    equalBytes(packet.bytes, pattern(length, 8));
    pair.peer.send(0, packet);
    if (length > 0) assert.equal(view.length, 0);
    pair.peer.send(1, packet);
    const seen: number[] = [];
    for await (const message of pair.remote) {
      equalBytes(message.packet.view, pattern(length, 8));
      if (seen.push(message.channelId) === 2) break;
    }
    assert.deepEqual(seen.sort(), [0, 1]);
  }
  for (const wrong of [-1, 1.5, NaN, 2 ** 31]) assert.throws(() => Packet.alloc(wrong), RangeError);
  assert.throws(() => Packet.alloc("1" as unknown as number), TypeError);
});

test("Packet.from() copies, transfers or shares, and mutation has the documented effect", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ client: QUIET });
  const events = pair.server[Symbol.asyncIterator]();
  const arrives = async (packet: Packet) => {
    pair.peer.send(0, packet);
    return (await nextReceive(events)).packet.bytes;
  };

  const copied = pattern(LARGE, 9);
  const copy = Packet.from(copied);
  copied.fill(0);
  equalBytes(await arrives(copy), pattern(LARGE, 9));

  const given = pattern(LARGE, 10);
  const transferred = Packet.from(given, { ownership: "transfer" });
  assert.equal(given.length, 0);
  equalBytes(await arrives(transferred), pattern(LARGE, 10));
  const part = pattern(1000, 11);
  const slice = Packet.from(part.subarray(10, 20), { ownership: "transfer" });
  assert.equal(part.length, 0);
  equalBytes(await arrives(slice), pattern(1000, 11).slice(10, 20));

  const length = 16 * 1024; // so little that it waits for the end of this turn
  const shared = new Uint8Array(new SharedArrayBuffer(length));
  shared.set(pattern(length, 12));
  using share = Packet.from(shared, { ownership: "share" });
  equalBytes(share.bytes, pattern(length, 12));
  const delivered = pair.peer.deliver(0, "nothing is queued any more");
  await nextReceive(events);
  await delivered;
  pair.peer.send(0, share);
  shared.fill(7); // Nothing has gone out yet, so this is what goes out.
  equalBytes((await nextReceive(events)).packet.bytes, new Uint8Array(length).fill(7));

  equalBytes(Packet.from(share).bytes, new Uint8Array(length).fill(7)); // whatever has been looked at before
  assert.ok(share.view.buffer instanceof ArrayBuffer, "which platforms take");

  pair.peer.send(0, copy);
  copy.bytes.fill(1); // The queue has its own copy.
  equalBytes((await nextReceive(events)).packet.bytes, pattern(LARGE, 9));

  for (const data of ["text", new ArrayBuffer(8), new Uint8Array(8), copy]) {
    assert.throws(() => Packet.from(data, { ownership: "share" }), TypeError);
  }
  for (const data of ["text", new SharedArrayBuffer(8), copy, given]) {
    assert.throws(() => Packet.from(data, { ownership: "transfer" }), TypeError);
  }
  assert.throws(() => Packet.from("x", { ownership: "lend" as "copy" }), { message: /"lend"/ });
  assert.throws(() => Packet.from("x", { owner: "copy" } as object), { message: /"owner"/ });
  await events.return?.();
});

test("Shared memory that is dropped at once stays until it has been delivered", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ client: QUIET });
  const events = pair.server[Symbol.asyncIterator]();
  const before = await diagnostics();
  (() => {
    const memory = new Uint8Array(new SharedArrayBuffer(MEBIBYTE));
    memory.set(pattern(MEBIBYTE, 13));
    using packet = Packet.from(memory, { ownership: "share" });
    for (let i = 0; i < 4; i++) pair.peer.send(0, packet);
    assert.equal(packet.refCount, 5);
  })();
  assert.equal((await diagnostics()).packets - before.packets, 1);
  for (let i = 0; i < 4; i++) {
    assert.equal(digest((await nextReceive(events)).packet.view), digest(pattern(MEBIBYTE, 13)));
  }
  await events.return?.();
  await until(
    async () => (await diagnostics()).packets === before.packets,
    10_000,
    "the end of it",
  );
});

test("A packet's arrayBuffer and pointer show the same native memory", async (t) => {
  await leakCheck(t);
  await versions();
  for (const length of [16, LARGE]) {
    await using pair = await connectedPair();
    const events = pair.server[Symbol.asyncIterator]();
    pair.peer.send(0, pattern(length, 14));
    const { packet } = await nextReceive(events);
    const { arrayBuffer, pointer } = packet;
    assert.equal(arrayBuffer.byteLength, length);
    equalBytes(new Uint8Array(arrayBuffer), pattern(length, 14));
    assert.equal(typeof pointer, "bigint");
    assert.ok(pointer > 0n);
    new Uint8Array(arrayBuffer)[0] ^= 0xFF;
    assert.equal(packet.view[0], pattern(length, 14)[0] ^ 0xFF);
    packet.dispose();
    assert.equal(arrayBuffer.byteLength, 0);
  }
  using empty = Packet.from("");
  assert.equal(empty.pointer, 0n);
  assert.equal(empty.arrayBuffer.byteLength, 0);
});

test("A packet whose buffer was transferred away is refused, and its memory never freed", async () => {
  await versions();
  const before = await diagnostics();
  const packet = Packet.alloc(100);
  const moved = structuredClone(packet.arrayBuffer, { transfer: [packet.arrayBuffer] });
  assert.throws(() => packet.view, { code: "ENETJS_ERR_RELEASED", message: /transferred away/ });
  packet.dispose();
  new Uint8Array(moved).fill(1);
  assert.equal((await diagnostics()).packets, before.packets + 1);
});

/** Each way to receive messages and to take their bytes. */
const TAKERS: Record<string, (pair: Pair, take: (bytes: Uint8Array<ArrayBuffer>) => void) => void> =
  {
    handlers: ({ server }, take) =>
      server.handlers = { receive: (_peer, _channelId, packet) => take(packet.bytes) },
    "host iteration": async ({ server }, take) => {
      for await (const event of server) if (event.type === "receive") take(event.packet.bytes);
    },
    "peer iteration": async ({ remote }, take) => {
      for await (const { packet } of remote) take(packet.bytes);
    },
    "a stream": async ({ remote }, take) => {
      for await (const chunk of remote.readable(0)) take(chunk as Uint8Array<ArrayBuffer>);
    },
  };

for (const [way, receive] of Object.entries(TAKERS)) {
  test(`What ${way} gives to keep has a buffer of its own, to be kept or transferred`, async (t) => {
    await leakCheck(t);
    const taken: Uint8Array<ArrayBuffer>[] = [];
    const sizes = Array.from({ length: 400 }, (_, i) => i < 398 ? 1 + i * 7 : 70_000);
    await using pair = await connectedPair();
    receive(pair, (bytes) => taken.push(bytes));
    sizes.forEach((size, seed) => pair.peer.send(0, pattern(size, seed)));
    await until(() => taken.length === sizes.length, 10_000, "every message");
    // A message that is kept for long keeps no other: all that it takes are its own bytes.
    for (const { buffer, length } of taken) assert.equal(buffer.byteLength, length);
    taken.forEach((bytes, seed) => {
      if (seed % 2 === 0) structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    });
    taken.forEach((bytes, seed) => {
      if (seed % 2 === 0) assert.equal(bytes.length, 0);
      else equalBytes(bytes, pattern(sizes[seed], seed), `message ${seed}`);
    });
  });
}

test("A packet whose bytes were transferred copies them again, or says that they are gone", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const events = pair.server[Symbol.asyncIterator]();
  const give = ({ bytes }: Packet) => structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  for (const length of [1000, LARGE]) {
    pair.peer.send(0, pattern(length, 1));
    const { packet } = await nextReceive(events);
    equalBytes(new Uint8Array(give(packet)), pattern(length, 1));
    equalBytes(packet.bytes, pattern(length, 1));
  }
  const packet = Packet.from("text");
  give(packet);
  const gone = { code: "ENETJS_ERR_RELEASED", message: /transferred away/ };
  assert.throws(() => packet.bytes, gone);
  assert.throws(() => packet.text(), gone);
  assert.throws(() => pair.peer.send(0, packet), gone);
});

test("Received packets keep the flags they were sent with", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  for (const flags of [PacketFlag.RELIABLE, PacketFlag.UNRELIABLE, PacketFlag.UNSEQUENCED]) {
    pair.peer.send(0, "x", flags);
    for await (const { packet } of pair.remote) {
      assert.equal(packet.flags, flags);
      break;
    }
  }
});

for (const program of ["packet_collect.ts", "packet_model.ts", "packet_stolen.ts"]) {
  test(`tests/programs/${program} ends well`, async () => {
    const runtime = currentRuntime();
    const flags = {
      deno: ["--v8-flags=--expose-gc"],
      bun: [],
      node: ["--expose-gc"],
    }[runtime];
    await using child = spawnRuntime(runtime, program, [], { flags });
    const { code, signal, stdout, stderr } = await withDeadline(child.ended, 120_000, program);
    assert.equal(code, 0, `${signal}\n${stdout}\n${stderr}`);
  });
}

for (const style of ["iterate", "handle", "poll"]) {
  for (const [size, count] of [[64, 200_000], [65_536, 1_000], [MEBIBYTE, 100]]) {
    test(`Memory stays flat over ${count} messages of ${size} bytes, style ${style}`, async () => {
      const args = [style, String(size), String(count)];
      await using child = spawnRuntime(currentRuntime(), "packet_flat.ts", args);
      const { code, signal, stdout, stderr } = await withDeadline(child.ended, 120_000, style);
      assert.equal(code, 0, `${signal}\n${stdout}\n${stderr}`);
    });
  }
}

test("Another library's call takes a packet's memory without a copy", async () => {
  await using child = spawnRuntime(currentRuntime(), "packet_libz.ts");
  const { code, signal, stdout, stderr } = await withDeadline(child.ended, 60_000, "the program");
  assert.equal(code, 0, `${signal}\n${stdout}\n${stderr}`);
});

test("ENETJS_DEBUG names the place that should have retained, and poisons released bytes", async () => {
  await using child = spawnRuntime(currentRuntime(), "packet_debug.ts", [], {
    env: { ENETJS_DEBUG: "1" },
  });
  const { code, signal, stdout, stderr } = await withDeadline(child.ended, 60_000, "the program");
  assert.equal(code, 0, `${signal}\n${stdout}\n${stderr}`);
});
