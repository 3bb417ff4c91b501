/**
 * The honest clients of bench/flood.ts while HELLOs are forged: hosts that connect and disconnect again and again, with
 * encryption and a round trip of twice DELAY_MS. None has a cookie of a last session, so each needs a RETRY.
 *
 *     flood_clients.ts PORT SECONDS CLIENTS DELAY_MS
 */
import process from "node:process";
import { Host } from "../mod.ts";
import { connectSecurity as security } from "./programs/_common.ts";

const [port, seconds, clients, latencyMs] = process.argv.slice(2).map(Number);
const end = performance.now() + seconds * 1000;
const times: number[] = [];
let failed = 0;

async function connectOnce(): Promise<void> {
  await using host = await Host.create({ peers: 1, conditions: { latencyMs } });
  const began = performance.now();
  try {
    const peer = await host.connect({ hostname: "127.0.0.1", port }, {
      security,
      timeoutMs: 10_000,
    });
    times.push(performance.now() - began);
    peer.disconnectNow();
  } catch {
    failed++;
  }
}

await Promise.all(Array.from({ length: clients }, async () => {
  while (performance.now() < end) await connectOnce();
}));
times.sort((a, b) => a - b);
const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
console.log(`connected ${times.length}`);
console.log(`failed ${failed}`);
console.log(`p50 ${at(0.5)}`);
console.log(`p99 ${at(0.99)}`);
console.log(`most ${at(1)}`);
