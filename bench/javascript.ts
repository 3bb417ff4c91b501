/**
 * What a message costs in JavaScript: 64 bytes, reliable, sent by `peer.send`, received by a handler.
 * The native part is left out: what is sent stays in the outbox while the clock runs, and for what is
 * received it starts with the first message of a batch that native code has delivered.
 *
 *     deno run -A bench/javascript.ts
 *     bun bench/javascript.ts
 *     node --disable-warning=ExperimentalWarning bench/javascript.ts
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { Host, type Peer } from "../mod.ts";

const BATCH = 300; // fits in the outbox
const BATCHES = 10_000;
const WARMUP = 2500;

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}

let sum = 0;
let received = 0;
let firstAt = 0;
await using server = await Host.listen({ hostname: "127.0.0.1", peers: 1, pump: false }, {
  receive(_peer, _channelId, packet) {
    if (received++ === 0) firstAt = performance.now();
    sum += packet.view[0];
  },
});
await using client = await Host.create({ peers: 1, pump: false }, {});
const service = () => {
  server.service();
  client.service();
};

let peer: Peer | undefined;
client.connect(server.address).then((connected) => peer = connected);
while (peer === undefined) {
  service();
  await setImmediate();
}

const message = new Uint8Array(64);
const sending: number[] = [];
const receiving: number[] = [];
for (let batch = 0; batch < BATCHES; batch++) {
  const start = performance.now();
  for (let i = 0; i < BATCH; i++) peer.send(0, message);
  sending.push((performance.now() - start) / BATCH * 1e6);
  client.flush();
  received = 0;
  server.service();
  const end = performance.now();
  if (received > BATCH / 2) receiving.push((end - firstAt) / received * 1e6);
  while (received < BATCH || peer.stats.queuedMessages > 0) service();
}
if (sum !== 0) throw new Error("Not what was sent");
console.log(`peer.send  ${median(sending.slice(WARMUP)).toFixed(1)} ns a message`);
console.log(`handler    ${median(receiving.slice(WARMUP)).toFixed(1)} ns a message`);
