/**
 * Runs the C tests and the tests of the three runtimes, and sums them up.
 *
 * Each test file is a process of its own: a crash costs that file only, and counts as a failure.
 *
 * @module
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { SaxesParser } from "saxes";
import { capture, print, root, run, type RunResult } from "./_run.ts";
import { stdAssertFlags } from "./_std_assert.ts";
import { build, type Sanitizer } from "./build.ts";
import { setupOthers } from "./others.ts";
import { type Runtime, runtimes, setup } from "./setup.ts";

/** Where the tests are that run on Deno only, and use `@std/assert`. */
const DENO_ONLY = "tests/deno/";

/** How many tests ended how. */
export interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** Something that runs test files and counts. */
export interface Suite {
  name: string;
  /** The test files, relative to the root folder. */
  files: string[];
  run(files: string[]): Promise<Count>;
}

/** One test file to run. */
interface Job {
  title: string;
  command: string[];
  env?: Record<string, string>;
  limitMs: number;
  /** Counts the tests in the report or output; `undefined` when there is no report. */
  count(result: RunResult): Count | undefined;
}

/** The paths of the files below a folder of the checkout that end in `ending`. */
export function list(folder: string, ending: string): string[] {
  if (!existsSync(`${root}/${folder}`)) return [];
  return readdirSync(`${root}/${folder}`, { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(ending)).sort();
}

function total(counts: Count[]): Count {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of counts) {
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
  return sum;
}

async function runJob(job: Job, onOutput: (text: string) => void): Promise<Count> {
  onOutput(`\n── ${job.title}\n`);
  const { command, env, limitMs } = job;
  const result = await run(command, { env: { NO_COLOR: "1", ...env }, limitMs, onOutput });
  const count = job.count(result) ?? { passed: 0, failed: 0, skipped: 0 };
  if (!result.ok) {
    onOutput(`── ${job.title}: ${result.ending}\n`);
    count.failed ||= 1;
  } else if (count.passed + count.failed + count.skipped === 0) {
    onOutput(`── ${job.title}: no test was reported\n`);
    count.failed = 1;
  }
  return count;
}

/** Runs jobs, `atOnce` at a time. Output stays in order: the first job not yet done prints live. */
async function runJobs(jobs: Job[], atOnce: number): Promise<Count> {
  const counts: Count[] = [];
  const held = jobs.map(() => "");
  let next = 0;
  let live = 0;
  const worker = async () => {
    while (next < jobs.length) {
      const i = next++;
      counts[i] = await runJob(jobs[i], (text) => {
        if (i === live) print(text);
        else held[i] += text;
      });
      while (counts[live] !== undefined) {
        live++;
        print(held[live] ?? "");
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return total(counts);
}

/** Counts the lines `ok 1 - name` and `not ok 2 - name`; fewer than the plan `1..N` is a failure. */
function countTap(output: string): Count {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const [line, not] of output.matchAll(/^(not )?ok\b.*$/gm)) {
    if (/# SKIP\b/i.test(line)) count.skipped++;
    else if (not) count.failed++;
    else count.passed++;
  }
  const planned = Number(output.match(/^1\.\.(\d+)$/m)?.[1] ?? 0);
  if (count.passed + count.failed + count.skipped < planned) count.failed ||= 1;
  return count;
}

/** Counts the test cases in a report as JUnit writes them. */
function countJUnit(xml: string, file: string): Count {
  const count = { passed: 0, failed: 0, skipped: 0 };
  let result: keyof Count = "passed";
  let isEmpty = false;
  const parser = new SaxesParser();
  parser.on("error", () => {}); // a message may have characters that XML does not
  parser.on("opentag", ({ name, attributes }) => {
    if (name === "testcase") {
      result = "passed";
      isEmpty = attributes.name === file; // as Node reports a file without tests
    } else if (name === "failure" || name === "error") result = "failed";
    else if (name === "skipped") result = "skipped";
  });
  parser.on("closetag", ({ name }) => {
    if (name === "testcase" && !(isEmpty && result === "passed")) count[result]++;
  });
  parser.write(xml).close();
  return count;
}

function runtimeJob(runtime: Runtime, file: string, report: string, options: JobOptions): Job {
  const { limitMs = 300_000, env, flags } = options;
  const commands: Record<Runtime, string[]> = {
    deno: [
      ...["test", "-A", "--no-check", "--preload=tools/_deno_preload.ts"],
      ...[`--junit-path=${report}`, ...flags],
    ],
    bun: ["test", `--timeout=${limitMs}`, "--reporter=junit", `--reporter-outfile=${report}`],
    node: [
      ...["--disable-warning=ExperimentalWarning", "--test"],
      ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
      ...["--test-reporter=junit", `--test-reporter-destination=${report}`],
    ],
  };
  return {
    title: `${runtime} ${file}`,
    command: [runtimes()[runtime], ...commands[runtime], runtime === "bun" ? `./${file}` : file],
    env,
    limitMs,
    count() {
      return existsSync(report) ? countJUnit(readFileSync(report, "utf8"), file) : undefined;
    },
  };
}

/** How a suite runs its files. */
export interface SuiteOptions {
  /** After this time a file is killed. Default 5 minutes. */
  limitMs?: number;
  /** How many files run at once. Default 2. */
  atOnce?: number;
  /** Variables added to their environment. */
  env?: Record<string, string>;
}

/** How one of them is run. */
interface JobOptions extends SuiteOptions {
  /** Flags for Deno. */
  flags: string[];
}

/** A suite that runs `node:test` files on a runtime. */
export function runtimeSuite(
  runtime: Runtime,
  files: string[],
  options: SuiteOptions = {},
): Suite {
  return {
    name: runtime,
    files,
    async run(files) {
      await build("tests");
      await setupOthers();
      const folder = mkdtempSync(`${tmpdir()}/enetjs-`);
      const usesAssert = files.some((file) => file.startsWith(DENO_ONLY));
      const flags = usesAssert ? await stdAssertFlags() : [];
      try {
        return await runJobs(
          files.map((file, i) =>
            runtimeJob(runtime, file, `${folder}/${i}`, { ...options, flags })
          ),
          options.atOnce ?? 2,
        );
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  };
}

/**
 * The same with the library built for the address and undefined behaviour sanitizers. Their library must be
 * loaded first in the process. Leaks are not reported: the runtimes have some, and the tests count ours.
 */
function sanitizedSuite(runtime: Runtime, files: string[]): Suite {
  const suite = (env: Record<string, string>) => runtimeSuite(runtime, files, { env });
  return {
    name: `asan ${runtime}`,
    files,
    async run(files) {
      const folder = await build("enetjs", "address");
      const sanitizer = capture(["gcc", "-print-file-name=libasan.so"])?.trim();
      if (!sanitizer?.startsWith("/")) throw new Error("gcc's libasan.so was not found");
      return await suite({
        LD_PRELOAD: sanitizer,
        ASAN_OPTIONS: "detect_leaks=0:quarantine_size_mb=8",
        ENETJS_LIBRARY: `${folder}/libenetjs.so`,
      }).run(files);
    },
  };
}

/**
 * The command before a sanitized program. gcc 12's thread sanitizer cannot start under the address
 * space randomization of newer kernels, and `setarch -R` turns that off where it is allowed.
 */
function launcher(sanitizer: Sanitizer | undefined): string[] {
  return sanitizer === "thread" && capture(["setarch", "-R", "true"]) !== undefined
    ? ["setarch", "-R"]
    : [];
}

/** How a suite of C tests runs them. */
export interface NativeOptions {
  /** The test files. Default: all. */
  files?: string[];
  /** Each file runs once for each list of arguments. Default: once, without arguments. */
  argumentLists?: string[][];
  /** After this time a file is killed. Default 2 minutes. */
  limitMs?: number;
}

/** A suite that builds and runs C tests, two at a time. */
export function nativeSuite(
  name: string,
  sanitizer?: Sanitizer,
  options: NativeOptions = {},
): Suite {
  const { argumentLists = [[]], limitMs = 120_000 } = options;
  return {
    name,
    files: options.files ?? list("native/tests", "_test.c"),
    async run(files) {
      const folder = await build("tests", sanitizer);
      const jobs = files.flatMap((file) =>
        argumentLists.map((args): Job => ({
          title: [name, file, ...args].join(" "),
          command: [...launcher(sanitizer), `${folder}/${file.match(/(\w+)\.c$/)![1]}`, ...args],
          env: { UBSAN_OPTIONS: "print_stacktrace=1" },
          limitMs,
          count: ({ output }) => countTap(output),
        }))
      );
      return await runJobs(jobs, 2);
    },
  };
}

/** What the arguments may be apart from suites and files. `mayInstall()` looks for `--install`. */
const OPTIONS = ["--", "--install", "--quick"];

/**
 * Sets up, runs suites one after the other, prints a table and `N passed, N failed`, and ends the
 * process with status 1 if anything failed or a suite ran nothing.
 *
 * @param suites All suites there are.
 * @param args Names of suites (`native` stands for all that begin so) and parts of file paths;
 * nothing means everything.
 */
export async function runSuites(suites: Suite[], args: string[]): Promise<never> {
  const isSuite = (arg: string) => suites.some(({ name }) => name.split(" ")[0] === arg);
  const names = args.filter(isSuite);
  const filters = args.filter((arg) => !isSuite(arg) && !OPTIONS.includes(arg));
  const rows: string[][] = [];
  const counts: Count[] = [];
  const add = (name: string, count: Count, seconds: number) => {
    const { passed, failed, skipped } = count;
    rows.push([name, ...[passed, failed, skipped].map(String), seconds.toFixed(1)]);
    counts.push(count);
  };
  const failure = { passed: 0, failed: 1, skipped: 0 };
  try {
    const unknown = filters.find((arg) => arg.startsWith("-"));
    if (unknown) throw new Error(`${unknown}: the options are --install and --quick`);
    await setup();
    for (const suite of suites) {
      if (names.length > 0 && !names.includes(suite.name.split(" ")[0])) continue;
      const files = suite.files.filter((file) =>
        filters.length === 0 || filters.some((filter) => file.includes(filter.replace(/^\.\//, "")))
      );
      if (filters.length > 0 && files.length === 0) continue;
      const start = performance.now();
      const count = await suite.run(files).catch((error) => {
        print(`${error instanceof Error ? error.message : error}\n`);
        return failure;
      });
      if (count.passed + count.failed === 0) {
        print(`\n── ${suite.name}: ran no test\n`);
        count.failed = 1;
      }
      add(suite.name, count, (performance.now() - start) / 1000);
    }
    if (rows.length === 0) throw new Error(`No test file matches ${filters.join(" ")}`);
  } catch (error) {
    print(`${error instanceof Error ? error.message : error}\n`);
    add("setup", failure, 0);
  }
  print("\n");
  for (const [name, ...numbers] of [["suite", "passed", "failed", "skipped", "seconds"], ...rows]) {
    print(`${name.padEnd(18)}${numbers.map((n) => n.padStart(9)).join("")}\n`);
  }
  const { passed, failed } = total(counts);
  print(`\n${passed} passed, ${failed} failed\n`);
  process.exit(failed === 0 ? 0 : 1);
}

/** With `--quick`: the files that find most mistakes in least time. */
const QUICK = [
  ...["native/tests/base/", "native/tests/host/", "native/tests/wire/open_test.c"],
  ...["tests/ffi/", "tests/lib/handlers_test.ts", "tests/lib/peer_test.ts"],
];

if (import.meta.main) {
  const all = list("tests", "_test.ts");
  const common = all.filter((path) => !path.startsWith(DENO_ONLY));
  const asked = process.argv.slice(2);
  const quick = asked.includes("--quick");
  if (quick) asked.push(...QUICK);
  const sanitized = [
    nativeSuite("native asan+ubsan", "address"),
    nativeSuite("native tsan", "thread"),
  ];
  const suites = [
    nativeSuite("native"),
    ...quick ? [] : sanitized,
    runtimeSuite("deno", all),
    runtimeSuite("bun", common),
    runtimeSuite("node", common),
  ];
  if (asked.includes("asan")) {
    suites.push(...(["deno", "bun", "node"] as const).map((name) => sanitizedSuite(name, common)));
  }
  // The compilers for Windows have no sanitizers, or not all of them.
  const isThere = ({ name }: Suite) => process.platform !== "win32" || !/san/.test(name);
  await runSuites(suites.filter(isThere), asked);
}
