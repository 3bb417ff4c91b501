/**
 * The server of bench/flood.ts, encrypted with `ENCRYPTED=chacha` in the environment. It prints its port; each line that it
 * reads begins a measurement, and ends the one before, of which it prints what was used and seen.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { Host } from "../mod.ts";
import { hostSecurity as security } from "./programs/_common.ts";

const server = await Host.listen({ hostname: "127.0.0.1", port: 0, peers: 256, security }, {});
let start = process.cpuUsage();
let retriesBefore = 0;
console.log(`port ${server.address.port}`);
for await (const _ of createInterface({ input: process.stdin })) {
  const { user, system } = process.cpuUsage(start);
  const { halfOpen, connectedPeers, security: { retries } } = server.stats;
  console.log(`half-open ${halfOpen}`);
  console.log(`peers ${connectedPeers}`);
  console.log(`retries ${retries - retriesBefore}`);
  console.log(`user ${user / 1e6}`);
  console.log(`cpu ${(user + system) / 1e6}`);
  start = process.cpuUsage();
  retriesBefore = retries;
}
await server.close();
