/**
 * The memory pool beside glibc's allocator and mimalloc, each in a library of its own that keeps the same
 * memory budget. `deno task bench --only allocator` runs the workloads that allocate most, with the
 * libraries in turn, round after round. A library that reaches 0.97 of the pool in every row can replace it.
 *
 * mimalloc is Debian's `libmimalloc-dev`. Where it is missing, it is left out.
 *
 * @module
 */
import process from "node:process";
import { print } from "../tools/_run.ts";
import { type Allocator, build } from "../tools/build.ts";
import type { Job, Sample } from "./_job.ts";
import { median } from "./_program.ts";
import { short } from "./_report.ts";

/** What is compared, and whether more of it is better. */
const ROWS: readonly { workload: string; metric: string; more: boolean }[] = [
  { workload: "receive-64-reliable", metric: "messages/s", more: true },
  { workload: "receive-64k-reliable", metric: "messages/s", more: true },
  { workload: "echo-64", metric: "p50 µs", more: false },
  ...[10, 100, 1000, 4000].map((peers) => ({
    workload: `growth-${peers}`,
    metric: "cpu ms/s",
    more: false,
  })),
];

const ALLOCATORS = ["pool", "system", "mimalloc"] as const;
type Name = (typeof ALLOCATORS)[number];

/** A library for each allocator that can be built. */
async function libraries(): Promise<Map<Name, string>> {
  const paths = new Map<Name, string>([["pool", `${await build("benches")}/libenetjs.so`]]);
  for (const name of ["system", "mimalloc"] satisfies Allocator[]) {
    try {
      paths.set(name, `${await build("enetjs", name)}/libenetjs.so`);
    } catch (error) {
      print(`${name} is left out: ${error instanceof Error ? error.message : error}\n`);
    }
  }
  return paths;
}

/** The measured values of a row with each allocator, one a round. */
type Values = Map<string, Map<Name, number[]>>;

/** Runs a job with a library. @returns what it has measured of the rows */
async function measure(job: Job, path: string): Promise<Sample[]> {
  process.env.ENETJS_LIBRARY = path; // the programs of the job inherit it
  const samples = await job.run();
  return samples.filter(({ workload, metric }) =>
    ROWS.some((row) => row.workload === workload && row.metric === metric)
  );
}

/** Runs a job with each library in turn, and adds what it has measured; all or nothing. */
async function compareOnce(job: Job, paths: Map<Name, string>, values: Values): Promise<void> {
  const measured: [Name, Sample[]][] = [];
  for (const [name, path] of paths) measured.push([name, await measure(job, path)]);
  for (const [name, samples] of measured) {
    for (const { workload, runtime, style, metric, value } of samples) {
      const row = [workload, metric, runtime, style].join(" ");
      if (!values.has(row)) values.set(row, new Map(ALLOCATORS.map((name) => [name, []])));
      values.get(row)!.get(name)!.push(value);
    }
  }
}

/** The median of the ratios to the pool of the same round, above 1 where the allocator is better. */
function ratio(row: string, of: Map<Name, number[]>, name: Name): number {
  const more = ROWS.find(({ workload, metric }) => row.startsWith(`${workload} ${metric} `))!.more;
  const ratios = of.get(name)!.map((value, round) => value / of.get("pool")![round]);
  return median(more ? ratios : ratios.map((ratio) => 1 / ratio));
}

/**
 * Compares the allocators.
 *
 * @param jobs of the bench, of which those with the rows above are run
 * @returns a table of medians, with the ratio to the pool in brackets
 */
export async function compareAllocators(jobs: Job[], rounds: number): Promise<string> {
  const before = process.env.ENETJS_LIBRARY;
  const paths = await libraries();
  // A program in C does not use the library.
  const wanted = jobs.filter(({ workloads, title }) =>
    !/\bc manual\b/.test(title) &&
    ROWS.some(({ workload }) => workloads.includes(workload))
  );
  const values: Values = new Map();
  for (let round = 1; round <= rounds; round++) {
    for (const job of wanted) {
      try {
        await compareOnce(job, paths, values);
        print(`Round ${round} of ${rounds}: ${job.title}\n`);
      } catch (error) {
        process.exitCode = 1;
        print(`${job.title} failed: ${error instanceof Error ? error.message : error}\n`);
      }
    }
  }
  if (before === undefined) delete process.env.ENETJS_LIBRARY;
  else process.env.ENETJS_LIBRARY = before;
  const names = [...paths.keys()];
  const lines = [...values].map(([row, of]) => {
    const cells = names.map((name) => {
      const value = short(median(of.get(name)!));
      return (name === "pool" ? value : `${value} (${ratio(row, of, name).toFixed(2)})`).padEnd(16);
    });
    return `${row.padEnd(52)} ${cells.join("")}`;
  });
  const verdicts = names.slice(1).map((name) => {
    const worst = Math.min(...[...values].map(([row, of]) => ratio(row, of, name)));
    return `${name}: ${worst.toFixed(2)} in its worst row, ${
      worst < 0.97 ? "so the pool stays" : "so it can replace the pool"
    }`;
  });
  const head = `${"".padEnd(52)} ${names.map((name) => name.padEnd(16)).join("")}`;
  return `\nMedians of ${rounds} rounds; in brackets the ratio to the pool, above 1 is better\n\n` +
    [head, ...lines, "", ...verdicts].map((line) => `${line.trimEnd()}\n`).join("");
}
