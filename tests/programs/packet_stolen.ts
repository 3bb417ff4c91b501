/*
 * A program that transfers the buffer of a lent view away loses the messages in it, is told so, and
 * goes on.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { Host } from "../../mod.ts";

const errors: unknown[] = [];
process.on("uncaughtException", (error) => void errors.push(error));

let received = 0;
let stolen: ArrayBufferLike | undefined;
const server = await Host.listen({ hostname: "127.0.0.1" }, {
  receive(_peer, _channelId, { view }) {
    received++;
    stolen ??= structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
  },
});
const client = await Host.create();
const peer = await client.connect(server.address);
for (let i = 0; i < 10; i++) peer.send(0, new Uint8Array(1000)); // small ones may be copies
while (received + errors.length < 10) await setImmediate();
for (const error of errors) assert.match(String(error), /transferred away/);
const before = received;
peer.send(0, "afterwards");
while (received === before) await setImmediate();
assert.equal(stolen?.byteLength, 2 ** 20);
await client.close();
await server.close();
