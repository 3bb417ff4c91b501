/**
 * The memory pool beside glibc's allocator and mimalloc, each in a library of its own that keeps the same
 * memory budget. `deno task bench --only allocator` runs the workloads that allocate most, with the
 * libraries in turn, round after round. A library that reaches 0.97 of the pool in every row can replace it.
 *
 * mimalloc is Debian's `libmimalloc-dev`. Where it is missing, it is left out.
 *
 * @module
 */
import { print } from "../tools/_run.ts";
import { type Allocator, build } from "../tools/build.ts";
import type { Job } from "./_job.ts";
import { type ComparedRow, compareVariants, library, type Variants } from "./_variants.ts";

const ROWS: readonly ComparedRow[] = [
  { workload: "receive-64-reliable", metric: "messages/s", more: true },
  { workload: "receive-64k-reliable", metric: "messages/s", more: true },
  { workload: "echo-64", metric: "p50 µs", more: false },
  ...[10, 100, 1000, 4000].map((peers) => ({
    workload: `growth-${peers}`,
    metric: "cpu ms/s",
    more: false,
  })),
];

/** A library for each allocator that can be built. */
async function libraries(): Promise<Variants> {
  const variants: Variants = new Map([
    ["pool", library(`${await build("benches")}/libenetjs.so`)],
  ]);
  for (const name of ["system", "mimalloc"] satisfies Allocator[]) {
    try {
      variants.set(name, library(`${await build("enetjs", name)}/libenetjs.so`));
    } catch (error) {
      print(`${name} is left out: ${error instanceof Error ? error.message : error}\n`);
    }
  }
  return variants;
}

/**
 * Compares the allocators.
 *
 * @param jobs of the bench, of which those with the rows above are run
 * @returns a table of medians, with the ratio to the pool in brackets
 */
export async function compareAllocators(jobs: Job[], rounds: number): Promise<string> {
  const { table, worst } = await compareVariants(jobs, await libraries(), ROWS, rounds);
  const verdicts = [...worst].map(([name, ratio]) =>
    `${name}: ${ratio.toFixed(2)} in its worst row, ${
      ratio < 0.97 ? "so the pool stays" : "so it can replace the pool"
    }\n`
  );
  return `\nMedians of ${rounds} rounds; in brackets the ratio to the pool, above 1 is better\n\n` +
    `${table}\n${verdicts.join("")}`;
}
