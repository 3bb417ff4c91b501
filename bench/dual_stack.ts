/**
 * What sockets that also reach IPv6 cost: hosts with sockets of IPv4 alone beside hosts with dual stack, which is the
 * default. Both use the address 127.0.0.1. Run it on a quiet machine with
 *
 *     deno task bench --only dual-stack [--runtime NAME] [--rounds N]
 *
 * @module
 */
import { build } from "../tools/build.ts";
import type { Job } from "./_job.ts";
import { type ComparedRow, compareVariants, type Variants } from "./_variants.ts";

const VARIANTS: Variants = new Map([
  ["ipv4", { SOCKETS: "ipv4" }],
  ["dual-stack", { SOCKETS: "dual-stack" }],
]);

const ROWS: readonly ComparedRow[] = [
  ...["64", "1k", "64k"].map((size) => ({
    workload: `receive-${size}-reliable`,
    metric: "messages/s",
    more: true,
  })),
  { workload: "echo-64", metric: "p50 µs", more: false },
  { workload: "crowd-1000", metric: "cpu ms/s", more: false },
  { workload: "churn-50", metric: "connections/s", more: true },
];

/**
 * Compares the two kinds of socket.
 *
 * @param jobs of the bench, of which those with the rows above are run
 * @returns a table of medians, with the ratio to IPv4 alone in brackets
 */
export async function compareSockets(jobs: Job[], rounds: number): Promise<string> {
  await build("benches");
  const { table, worst } = await compareVariants(jobs, VARIANTS, ROWS, rounds);
  return `\nMedians of ${rounds} rounds; in brackets the ratio to sockets of IPv4 alone, above 1 is better\n\n` +
    `${table}\nthe worst row: ${worst.get("dual-stack")!.toFixed(2)}\n`;
}
