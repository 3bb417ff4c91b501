/**
 * A server with the settings that docs/security.md recommends for a machine with little memory, and a consumer
 * that stalls: it takes one event and no more, or where its argument is `peers`, one message of each peer. For each line on stdin it repeats the line
 * and prints how much memory it holds.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { type Diagnostics, diagnostics, Host, type HostStats } from "../../mod.ts";

/** What the program says of itself. */
export type Held =
  & Pick<Diagnostics, "allocatedBytes" | "reservedBytes">
  & Pick<HostStats, "hostData" | "overBudget">
  & { readonly rss: number };

const KIB = 1024;
const MIB = 1024 * KIB;

const perPeer = process.argv[2] === "peers";
const options = {
  hostname: "127.0.0.1",
  peers: 32,
  channels: 8,
  maximumPacketSize: 256 * KIB,
  maximumWaitingData: MIB,
  maximumHostData: 32 * MIB,
  highWaterMark: 64 * KIB,
  eventCapacity: 1024,
  arenaSize: 256 * KIB,
};
const server = await Host.listen(
  options,
  perPeer
    ? {
      async connect(peer) {
        for await (const _message of peer) await new Promise(() => {});
      },
    }
    : undefined,
);
console.log(`port ${server.address.port}`);

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { allocatedBytes, reservedBytes } = await diagnostics();
  const { hostData, overBudget } = server.stats;
  const { rss } = process.memoryUsage();
  const held: Held = { rss, allocatedBytes, reservedBytes, hostData, overBudget };
  console.log(`${line} ${JSON.stringify(held)}`);
}).on("close", () => process.exit(0));

if (!perPeer) { for await (const _event of server) await new Promise(() => {}); }
