/**
 * What each mechanism that decides when JavaScript is woken is worth: a library without it beside the whole one, in
 * the workloads that it was made for. A mechanism that gives less than a tenth in every row can go. Run it on a quiet
 * machine with
 *
 *     deno task bench --only waking [--runtime NAME] [--rounds N]
 *
 * Each library is built from a copy of `native/` in which one line is replaced.
 *
 * @module
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { print, root, run } from "../tools/_run.ts";
import { build } from "../tools/build.ts";
import type { Job } from "./_job.ts";
import { type ComparedRow, compareVariants, library, type Variants } from "./_variants.ts";

/** A mechanism, and the line without which it does nothing. */
export interface Mechanism {
  name: string;
  /** Below `native/src/host`. */
  file: string;
  line: string;
  without: string;
}

/** The stall limit is not among them: without it, peers time out while JavaScript is busy. */
export const MECHANISMS: readonly Mechanism[] = [
  {
    name: "empty",
    file: "pump.c",
    line: "else if (h->empty_wakeups >= ENETJS_EMPTY_WAKEUPS_LIMIT)",
    without: "else if (h->empty_wakeups > 0x7fffffff)",
  },
  {
    name: "coalescing",
    file: "pace.c",
    line:
      "decide(trial, terms, elapsed, elapsed < gap * terms->turns && pace->spread > FIXED / 2);",
    without: "decide(trial, terms, elapsed, gap == 0);",
  },
  { name: "rest", file: "pace.c", line: "REST_LIMIT_MS = 4,", without: "REST_LIMIT_MS = 1," },
  {
    name: "coalescing-end",
    file: "pace.c",
    line: "trial->window_datagrams * trial->before_us >= keep;",
    without: "trial->window_datagrams * trial->before_us + keep >= keep;",
  },
  {
    name: "attending",
    file: "pace.c",
    line: "(spin == ENETJS_SPIN_AUTO && !pace->coalescing.on",
    without: "(spin > ENETJS_SPIN_ALWAYS + ENETJS_SPIN_AUTO && !pace->coalescing.on",
  },
  {
    name: "dozing",
    file: "pace.c",
    line: "return h->pace.dozing.on && h->spin == ENETJS_SPIN_AUTO &&",
    without: "return h->spin > ENETJS_SPIN_ALWAYS + ENETJS_SPIN_AUTO &&",
  },
  {
    name: "ping-slack",
    file: "deadline.c",
    line: "#define PING_SLACK 16",
    without: "#define PING_SLACK 0x7fffffff",
  },
];

const cpu = (workload: string): ComparedRow => ({ workload, metric: "cpu ms/s", more: false });
const rate = (workload: string): ComparedRow => ({ workload, metric: "messages/s", more: true });

const ROWS: readonly ComparedRow[] = [
  ...["idle-100", "growth-10", "growth-100", "growth-1000", "crowd-1000"].map(cpu),
  { workload: "echo-64", metric: "p50 µs", more: false },
  ...["echo-64-reliable", "receive-64-reliable", "receive-64-reliable-from-c"].map(rate),
];

/** Copies the sources and leaves a mechanism out. @throws {Error} when its line is not there */
export function leaveOut({ name, file, line, without }: Mechanism, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of ["CMakeLists.txt", "include", "src", "tests"]) {
    cpSync(`${root}/native/${part}`, `${folder}/${part}`, { recursive: true });
  }
  const path = `${folder}/src/host/${file}`;
  const source = readFileSync(path, "utf8");
  if (source.split(line).length !== 2) {
    throw new Error(
      `The line of "${name}" is not in ${file} once: ${line}. Change bench/waking.ts`,
    );
  }
  writeFileSync(path, source.replace(line, without));
}

async function buildWithout(mechanism: Mechanism): Promise<string> {
  const folder = `${root}/bench/out/waking/${mechanism.name}`;
  leaveOut(mechanism, folder);
  const build = `${folder}/build`;
  for (
    const args of [["-S", folder, "-B", build, "-DCMAKE_BUILD_TYPE=Release"], [
      "--build",
      build,
      "--target",
      "enetjs",
    ]]
  ) {
    const { ok, ending, output } = await run(["cmake", ...args]);
    if (!ok) throw new Error(`${output}"cmake ${args.join(" ")}" failed: ${ending}`);
  }
  return `${build}/libenetjs.so`;
}

/**
 * Measures what each mechanism is worth.
 *
 * @param jobs of the bench, of which those with the rows above are run with handlers
 * @returns a table of medians, with the ratio to the whole library in brackets
 */
export async function compareWaking(jobs: Job[], rounds: number): Promise<string> {
  const variants: Variants = new Map([
    ["whole", library(`${await build("benches")}/libenetjs.so`)],
  ]);
  for (const mechanism of MECHANISMS) {
    print(`Building the library without "${mechanism.name}"\n`);
    variants.set(mechanism.name, library(await buildWithout(mechanism)));
  }
  const handled = jobs.filter(({ title }) => / handler$/.test(title));
  const { table } = await compareVariants(handled, variants, ROWS, rounds);
  return `\nMedians of ${rounds} rounds without each mechanism; in brackets the ratio to the whole library, ` +
    `below 1 is what the mechanism gives\n\n${table}`;
}
