/*
 * A program that transfers the buffer of a lent view away loses the messages in it, is told so, and
 * goes on. The buffer is the program's own from then on: nothing is written into it, whatever the host does next.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { Host } from "../../mod.ts";

/** More than one peer may have waiting in JavaScript, so that native code keeps the rest. */
const WAITING = 1800;

const errors: unknown[] = [];
process.on("uncaughtException", (error) => {
  errors.push(error);
  if (String(error).includes("transferred away")) return;
  console.error(error);
  process.exit(1);
});

let received = 0;
const stolen: { bytes: Uint8Array; before: Uint8Array }[] = [];
let afterTheft: (() => void) | undefined;

function steal(buffer: ArrayBuffer): void {
  const bytes = new Uint8Array(structuredClone(buffer, { transfer: [buffer] }));
  stolen.push({ bytes, before: bytes.slice() });
}

function checkStolen(count: number): void {
  assert.equal(stolen.length, count);
  for (const { bytes, before } of stolen) {
    assert.equal(bytes.length, 2 ** 20);
    const changed = bytes.reduce((sum, byte, i) => sum + Number(byte !== before[i]), 0);
    assert.equal(changed, 0, "bytes of a transferred buffer have changed");
  }
}

const server = await Host.listen({ hostname: "127.0.0.1", turnBudgetMs: 60_000 }, {
  receive(_peer, _channelId, { view }) {
    received++;
    // Small ones may be copies.
    if (view.length < 1000 || view.buffer.byteLength === view.length) return;
    if (stolen.length > 0 && afterTheft === undefined) return;
    steal(view.buffer as ArrayBuffer);
    afterTheft?.();
    afterTheft = undefined;
  },
});
const client = await Host.create();
const peer = await client.connect(server.address);
for (let i = 0; i < 10; i++) peer.send(0, new Uint8Array(1000));
while (received + errors.length < 10) await setImmediate();
let before = received;
peer.send(0, "afterwards");
while (received === before) await setImmediate();

// The handler goes on with what native code has kept of another peer, whose messages are read by then.
const other = await client.connect(server.address);
while (server.peers.length < 2) await setImmediate();
const messages = server.peers[1][Symbol.asyncIterator]();
for (let i = 0; i < WAITING; i++) other.send(0, new Uint8Array(1200).fill(i + 1));
await other.deliver(0, "last");
let read = 0;
errors.length = 0;
afterTheft = () => {
  for (let i = 0; i < WAITING; i++) void messages.next().then(() => read++);
};
before = received;
peer.send(0, new Uint8Array(30_000).fill(0xFF));
while (received === before) await setImmediate();
checkStolen(2);
while (read + errors.length < WAITING) await setImmediate();
peer.send(0, "at the end");
await peer.deliver(0, "acknowledged");

checkStolen(2);
await client.close();
await server.close();
