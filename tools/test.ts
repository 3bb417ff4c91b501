/**
 * Runs the C tests and the tests of the three runtimes, and sums them up.
 *
 * Each test file is a process of its own: a crash costs that file only, and counts as a failure. The
 * suites share the processors: a later one is built while files of earlier ones run, and begins while
 * their last files run.
 *
 * @module
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import process from "node:process";
import { SaxesParser } from "saxes";
import { type Count, type Job, JobQueue, type Outcome, total } from "./_jobs.ts";
import { capture, print, root } from "./_run.ts";
import { stdAssertFlags } from "./_std_assert.ts";
import { build, type Sanitizer } from "./build.ts";
import { setupOthers } from "./others.ts";
import { type Runtime, runtimes, setup } from "./setup.ts";
import { muslLibrary, setupTarget, type Target, TARGETS } from "./targets.ts";
import { install, type Version, versionOf } from "./versions.ts";

/** Where the tests are that run on Deno only, and use `@std/assert`. */
const DENO_ONLY = "tests/deno/";

/**
 * How many files run at once, unless a suite says otherwise: three for two processors, because most files wait
 * for timeouts and for their programs more than half of their time. On a machine that is busy with other
 * work, only two.
 */
function filesAtOnce(): number {
  const processors = availableParallelism();
  return loadavg()[0] > 2 * processors ? 2 : Math.max(2, Math.min(Math.ceil(1.5 * processors), 8));
}

const AT_ONCE = filesAtOnce();

/** Test files that are run in the same way. */
export interface Suite {
  name: string;
  /** The test files, relative to the root folder. */
  files: string[];
  /** Builds and installs what these files need. Reports go to a folder that is removed in the end. */
  prepare(files: string[], reports: string): Promise<Job[]>;
}

/** The paths of the files below a folder of the checkout that end in `ending`. */
export function list(folder: string, ending: string): string[] {
  if (!existsSync(`${root}/${folder}`)) return [];
  return readdirSync(`${root}/${folder}`, { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(ending)).sort();
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
  const { limitMs = 300_000, atOnce = AT_ONCE, env, flags, executable } = options;
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
    title: `${options.name ?? options.version?.spec ?? runtime} ${file}`,
    command: [executable, ...commands[runtime], runtime === "bun" ? `./${file}` : file],
    env,
    limitMs,
    atOnce,
    count() {
      return existsSync(report) ? countJUnit(readFileSync(report, "utf8"), file) : undefined;
    },
  };
}

/** How a suite runs its files. */
export interface SuiteOptions {
  /** Default: the runtime's, or that of `version`. */
  name?: string;
  /** After this time a file is killed. Default 5 minutes. */
  limitMs?: number;
  /** A file starts when fewer than so many are running. Default: what `filesAtOnce` says. */
  atOnce?: number;
  /** Variables added to their environment. */
  env?: Record<string, string>;
  /** Which version runs them. Default: the one that `setup` has found. */
  version?: Version;
}

/** How one of them is run. */
interface JobOptions extends SuiteOptions {
  executable: string;
  /** Flags for Deno. */
  flags: string[];
}

/** A suite that runs `node:test` files on a runtime. */
export function runtimeSuite(
  runtime: Runtime,
  files: string[],
  options: SuiteOptions = {},
): Suite {
  const { version } = options;
  return {
    name: options.name ?? version?.spec ?? runtime,
    files,
    async prepare(files, reports) {
      const usesAssert = files.some((file) => file.startsWith(DENO_ONLY));
      const [flags, installed] = await Promise.all([
        usesAssert ? stdAssertFlags() : [],
        version === undefined ? undefined : install(version),
        build("tests"),
        setupOthers(),
      ]);
      const folder = mkdtempSync(`${reports}/`);
      const executable = installed?.executable ?? runtimes()[runtime];
      const env = { ...options.env, ...installed?.env };
      return files.map((file, i) =>
        runtimeJob(runtime, file, `${folder}/${i}`, { ...options, env, executable, flags })
      );
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
    async prepare(files, reports) {
      const folder = await build("enetjs", "address");
      const sanitizer = capture(["gcc", "-print-file-name=libasan.so"])?.trim();
      if (!sanitizer?.startsWith("/")) throw new Error("gcc's libasan.so was not found");
      return await suite({
        LD_PRELOAD: sanitizer,
        ASAN_OPTIONS: "detect_leaks=0:quarantine_size_mb=8",
        ENETJS_LIBRARY: `${folder}/libenetjs.so`,
      }).prepare(files, reports);
    },
  };
}

/**
 * The command before a sanitized program. gcc 12's thread sanitizer cannot start under the address space
 * randomization of newer kernels. `setarch -R` turns that off where it is allowed.
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

/** A suite that builds and runs C tests. */
export function nativeSuite(
  name: string,
  sanitizer?: Sanitizer,
  options: NativeOptions = {},
): Suite {
  const { argumentLists = [[]], limitMs = 120_000 } = options;
  return {
    name,
    files: options.files ?? list("native/tests", "_test.c"),
    async prepare(files) {
      const folder = await build("tests", sanitizer);
      return files.flatMap((file) =>
        argumentLists.map((args): Job => ({
          title: [name, file, ...args].join(" "),
          command: [...launcher(sanitizer), `${folder}/${file.match(/(\w+)\.c$/)![1]}`, ...args],
          env: { UBSAN_OPTIONS: "print_stacktrace=1" },
          limitMs,
          atOnce: AT_ONCE,
          count: ({ output }) => countTap(output),
        }))
      );
    },
  };
}

/** A suite that builds the C tests for another platform, and runs them. */
function targetSuite(target: Target): Suite {
  const { runner, suffix, env, limitMs } = TARGETS[target];
  return {
    name: `${target} native`,
    files: list("native/tests", "_test.c"),
    async prepare(files) {
      await setupTarget(target);
      const folder = await build("tests", target);
      const job = (title: string, command: string[]): Job => ({
        title: `${target} native ${title}`,
        command,
        env,
        limitMs,
        atOnce: AT_ONCE,
        count: ({ output }) => countTap(output),
      });
      const jobs = files.map((file) =>
        job(file, [...runner, `${folder}/${file.match(/(\w+)\.c$/)![1]}${suffix}`])
      );
      if (target !== "musl") return jobs;
      const check = [runtimes().deno, "run", "-A", "tools/musl_symbols.ts"];
      return [...jobs, job("symbols", [...check, `${folder}/libenetjs.so`, muslLibrary()])];
    },
  };
}

/** Runs everything with the wake-up that Windows has, see `ffi/wake.ts`. */
const PORTABLE = "--wake=portable";

/** What the arguments may be apart from suites and files. `mayInstall()` looks for `--install`. */
const OPTIONS = ["--", "--install", "--quick", PORTABLE];

/** A suite that was asked for, and how its files ended. */
interface Row {
  name: string;
  outcomes: Outcome[];
}

const failure = (title: string): Outcome => ({
  title,
  count: { passed: 0, failed: 1, skipped: 0 },
  seconds: 0,
});

/** Runs suites, each beside the end of the one before it. */
async function runChosen(chosen: Suite[]): Promise<Row[]> {
  const queue = new JobQueue();
  const reports = mkdtempSync(`${tmpdir()}/enetjs-`);
  const rows: { name: string; outcomes: Promise<Outcome[]> }[] = [];
  for (const { name, files, prepare } of chosen) {
    const jobs = await prepare(files, reports).catch((error) => {
      print(`${error instanceof Error ? error.message : error}\n`);
      return [];
    });
    rows.push({ name, outcomes: Promise.all(jobs.map((job) => queue.add(job))) });
  }
  const ended = await Promise.all(
    rows.map(async ({ name, outcomes }) => ({ name, outcomes: await outcomes })),
  );
  rmSync(reports, { recursive: true });
  for (const { name, outcomes } of ended) {
    const { passed, failed } = total(outcomes.map(({ count }) => count));
    if (passed + failed > 0) continue;
    print(`\n── ${name}: ran no test\n`);
    outcomes.push(failure(name));
  }
  return ended;
}

/** Prints a table of the suites, the slowest files, those that failed, and the sum. */
function report(rows: Row[], seconds: number): Count {
  const all = rows.flatMap(({ outcomes }) => outcomes);
  const took = (outcomes: Outcome[]) => outcomes.reduce((sum, { seconds }) => sum + seconds, 0);
  const table = rows.map(({ name, outcomes }) => {
    const { passed, failed, skipped } = total(outcomes.map(({ count }) => count));
    return [name, ...[passed, failed, skipped].map(String), took(outcomes).toFixed(1)];
  });
  print("\n");
  for (
    const [name, ...numbers] of [["suite", "passed", "failed", "skipped", "seconds"], ...table]
  ) {
    print(`${name.padEnd(18)}${numbers.map((n) => n.padStart(9)).join("")}\n`);
  }
  print(`\nThe files took ${took(all).toFixed(1)} s, side by side ${seconds.toFixed(1)} s`);
  print(` with the builds. The slowest:\n`);
  for (const { title, seconds } of all.toSorted((a, b) => b.seconds - a.seconds).slice(0, 10)) {
    print(`${seconds.toFixed(1).padStart(7)} s  ${title}\n`);
  }
  const sum = total(all.map(({ count }) => count));
  if (sum.failed > 0) print("\n");
  for (const { title, count: { failed } } of all) if (failed > 0) print(`failed: ${title}\n`);
  print(`\n${sum.passed} passed, ${sum.failed} failed\n`);
  return sum;
}

/**
 * Sets up, runs suites, and prints a table and `N passed, N failed`. It ends the process with status 1 if anything
 * failed or a suite ran nothing.
 *
 * @param suites All suites there are, in the order in which their files start.
 * @param args Names of suites (`native` stands for all that begin so) and parts of file paths;
 * nothing means everything.
 */
export async function runSuites(suites: Suite[], args: string[]): Promise<never> {
  const isSuite = (arg: string) => suites.some(({ name }) => name.split(" ")[0] === arg);
  const names = args.filter(isSuite);
  const filters = args.filter((arg) => !isSuite(arg) && !OPTIONS.includes(arg))
    .map((filter) => filter.replace(/^\.\//, ""));
  const start = performance.now();
  let rows: Row[];
  // Node strips the types of all modules at each start otherwise, which is more than half of its time.
  process.env.NODE_COMPILE_CACHE ??= `${root}/.cache/node`;
  try {
    const unknown = filters.find((arg) => arg.startsWith("-"));
    if (unknown) throw new Error(`${unknown}: the options are ${OPTIONS.slice(1).join(", ")}`);
    await setup();
    const chosen = suites
      .filter(({ name }) => names.length === 0 || names.includes(name.split(" ")[0]))
      .map((suite) => ({
        ...suite,
        files: suite.files.filter((file) =>
          filters.length === 0 || filters.some((filter) => file.includes(filter))
        ),
      }))
      .filter(({ files }) => filters.length === 0 || files.length > 0);
    if (chosen.length === 0) throw new Error(`No test file matches ${filters.join(" ")}`);
    rows = await runChosen(chosen);
  } catch (error) {
    print(`${error instanceof Error ? error.message : error}\n`);
    rows = [{ name: "setup", outcomes: [failure("setup")] }];
  }
  const { failed } = report(rows, (performance.now() - start) / 1000);
  process.exit(failed === 0 ? 0 : 1);
}

/** What the ordinary tests run with the wake-up of Windows, too: hosts that begin and end, programs that end, pipes. */
const WOKEN = [
  "tests/lib/iteration_test.ts",
  "tests/lib/process_test.ts",
  "tests/lib/gateway/named_pipe_test.ts",
];

/** With `--quick`: the files that find most mistakes in least time. */
const QUICK = [
  ...["native/tests/base/", "native/tests/host/", "native/tests/wire/open_test.c"],
  ...["tests/ffi/", "tests/lib/handlers_test.ts", "tests/lib/iteration_test.ts"],
  ...["tests/lib/event_order_test.ts", "tests/lib/peer_"],
];

if (import.meta.main) {
  const common = list("tests", "_test.ts").filter((path) => !path.startsWith(DENO_ONLY));
  const asked = process.argv.slice(2);
  const quick = asked.includes("--quick");
  if (quick) asked.push(...QUICK);
  const sanitized = [
    nativeSuite("native asan+ubsan", "address"),
    nativeSuite("native tsan", "thread"),
  ];
  const woken = (["deno", "node", "bun"] as const).map((runtime) => {
    const env = { ENETJS_WAKE: "portable" };
    return runtimeSuite(runtime, WOKEN, { name: `portable ${runtime}`, env });
  });
  // The longest files come first, and short ones last: so no processor is idle for long in the end.
  const suites = [
    runtimeSuite("deno", [...list("tests/deno", "_test.ts"), ...common]),
    runtimeSuite("node", common),
    runtimeSuite("bun", common),
    ...quick ? [] : [...woken, ...sanitized],
    nativeSuite("native"),
  ];
  const targets = Object.keys(TARGETS) as Target[];
  for (const target of targets) if (asked.includes(target)) suites.push(targetSuite(target));
  if (asked.includes("asan")) {
    suites.push(...(["deno", "bun", "node"] as const).map((name) => sanitizedSuite(name, common)));
  }
  const versions = asked.map(versionOf).filter((version) => version !== undefined);
  suites.push(...versions.map((version) => runtimeSuite(version.runtime, common, { version })));
  if (asked.includes(PORTABLE)) {
    process.env.ENETJS_WAKE = "portable";
    suites.splice(0, suites.length, ...suites.filter(({ name }) => !/native|portable/.test(name)));
  }
  // The compilers for Windows have no sanitizers, or not all of them.
  const isThere = ({ name }: Suite) => process.platform !== "win32" || !/san/.test(name);
  await runSuites(suites.filter(isThere), asked);
}
