/**
 * The server of bench/flood.ts. It prints its port; each line that it reads begins a measurement, and
 * ends the one before, of which it prints what was used and seen.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { Host } from "../mod.ts";

const server = await Host.listen({ hostname: "127.0.0.1", port: 0, peers: 256 }, {});
let start = process.cpuUsage();
console.log(`port ${server.address.port}`);
for await (const _ of createInterface({ input: process.stdin })) {
  const { user, system } = process.cpuUsage(start);
  const { halfOpen, connectedPeers } = server.stats;
  console.log(`half-open ${halfOpen}`);
  console.log(`peers ${connectedPeers}`);
  console.log(`cpu ${(user + system) / 1e6}`);
  start = process.cpuUsage();
}
await server.close();
