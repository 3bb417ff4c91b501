/*
 * Seeded random operations over received and allocated packets, against a model that knows
 * which bytes are due: a view shows them or is empty, an access gives them or ENETJS_ERR_RELEASED.
 * Needs the collector exposed. Arguments: seed, number of operations.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { diagnostics, ENetError, Host, Packet, type Peer } from "../../mod.ts";

const seed = Number(process.argv[2] ?? 20261120);
const operations = Number(process.argv[3] ?? 20_000);
const globals = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
const collect = () => globals.Bun ? globals.Bun.gc(false) : globals.gc?.();

let state = seed >>> 0;
/** A number from 0 up to, not including, a limit. */
function random(limit: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor(state / 2 ** 32 * limit);
}

/** A packet and what its bytes are. */
interface Entry {
  readonly packet: Packet;
  readonly value: number;
  readonly views: Uint8Array[];
}

const SIZES = [0, 1, 60, 1500, 60_000, 66_000, 150_000];
const entries: Entry[] = [];
const moved: ArrayBuffer[] = [];
const worker = new Worker(
  `const { parentPort } = require("node:worker_threads");
   const kept = [];
   parentPort.on("message", (buffer) => {
     kept.push(buffer);
     let sum = 0;
     for (const byte of new Uint8Array(buffer)) sum += byte;
     if (kept.length > 8) kept.shift();
   });`,
  { eval: true },
);
worker.unref();

let server!: Host;
let client!: Host;
let peer!: Peer;

async function open(): Promise<void> {
  server = await Host.listen({ hostname: "127.0.0.1", arenaSize: 2 ** 19 }, {
    receive(from, channelId, packet) {
      // The first byte tells what all the others are.
      const value = packet.length > 0 ? packet.view[0] : 0;
      const entry = { packet, value, views: [packet.view] };
      checkView(entry.views[0], value);
      if (random(3) > 0) packet.retain();
      if (random(8) === 0) from.send(channelId, packet);
      entries.push(entry);
    },
  });
  client = await Host.create({}, {
    receive: (_peer, _channelId, { view }) => checkView(view, view[0]),
  });
  peer = await client.connect(server.address);
}

function checkView(view: Uint8Array, value: number): void {
  for (let i = 0; i < view.length; i += 1 + (view.length >> 4)) assert.equal(view[i], value);
  if (view.length > 0) assert.equal(view[view.length - 1], value);
}

/** Reads in every way; each gives the bytes that are due, or says that they are gone. */
function read({ packet, value, views }: Entry): void {
  const ways = [
    () => packet.view,
    () => packet.bytes,
    () => new Uint8Array(packet.arrayBuffer),
    () => new TextEncoder().encode(packet.text().slice(0, 0)),
  ];
  try {
    const bytes = ways[random(ways.length)]();
    checkView(bytes, value);
    views.push(bytes);
  } catch (error) {
    assert.ok(error instanceof ENetError && error.code === "ENETJS_ERR_RELEASED", String(error));
  }
}

function forward({ packet }: Entry): void {
  try {
    if (random(2) === 0) peer.send(0, packet);
    else server.broadcast(1, packet);
  } catch (error) {
    assert.ok(
      error instanceof ENetError &&
        ["ENETJS_ERR_RELEASED", "ENETJS_ERR_STALE", "ENETJS_ERR_NOT_CONNECTED"].includes(
          error.code,
        ),
      String(error),
    );
  }
}

/** Gives a buffer away, to a Worker or within this thread. */
function transfer({ packet, value }: Entry): void {
  try {
    const { arrayBuffer } = packet;
    if (random(2) === 0) {
      worker.postMessage(arrayBuffer, [arrayBuffer]);
    } else {
      const copy = structuredClone(arrayBuffer, { transfer: [arrayBuffer] });
      checkView(new Uint8Array(copy), value);
      moved.push(copy);
      if (moved.length > 8) moved.shift();
    }
  } catch (error) {
    assert.ok(error instanceof ENetError && error.code === "ENETJS_ERR_RELEASED", String(error));
  }
}

function send(): void {
  const size = SIZES[random(SIZES.length)];
  const value = 1 + random(255);
  const way = random(16);
  if (way < 4) {
    const packet = Packet.alloc(size);
    packet.view.fill(value);
    const { view } = packet;
    peer.send(random(2), packet);
    if (size > 0) assert.equal(view.length, 0);
    entries.push({ packet, value: size > 0 ? value : 0, views: [view] });
  } else if (way < 7 && size > 0) {
    const memory = new Uint8Array(new SharedArrayBuffer(size)).fill(value);
    const packet = Packet.from(memory, { ownership: "share" });
    peer.send(random(2), packet);
    entries.push({ packet, value, views: [] });
  } else {
    const bytes = new Uint8Array(size).fill(value);
    peer.send(random(2), Packet.from(bytes, { ownership: random(2) === 0 ? "copy" : "transfer" }));
  }
}

await open();
for (let i = 0; i < operations; i++) {
  const entry = entries[random(entries.length || 1)];
  const choice = random(1000);
  if (entry === undefined || choice < 120) send();
  else if (choice < 400) read(entry);
  else if (choice < 500) entry.views.forEach((view) => checkView(view, entry.value));
  else if (choice < 620) forward(entry);
  else if (choice < 680) {
    try {
      entry.packet.retain();
    } catch (error) {
      assert.ok(error instanceof ENetError && error.code === "ENETJS_ERR_RELEASED", String(error));
    }
  } else if (choice < 860) entry.packet.dispose();
  else if (choice < 864) transfer(entry);
  else if (choice < 870) collect();
  else if (choice < 871) {
    await client.close({ graceMs: 0 });
    await server.close({ graceMs: 0 });
    await open();
  } else if (choice < 900) await setImmediate();
  while (entries.length > 64) entries.splice(random(entries.length), 1);
}
for (const entry of entries.splice(0)) entry.packet.dispose();
await client.close();
await server.close();
await worker.terminate();
const after = await diagnostics();
assert.equal(after.hosts, 0);
console.log(
  `${operations} operations, ${after.packetsEver} native packets, ${after.packets} given away`,
);
