/**
 * The conductor: runs every workload on each runtime and in C, in turn, round after round, prints a
 * table of medians with their ratio to C, writes `bench/out/latest.json` and draws the figures.
 *
 *     deno task bench [--quick] [--only PART] [--runtime NAME] [--rounds N] [--count small]
 *
 * Instead of the library and C, some values of `--only` compare variants of the library: `allocator` the memory
 * pool with other allocators (`allocator.ts`), `waking` the library without each mechanism of waking with the whole
 * one (`waking.ts`), `dual-stack` sockets of IPv4 alone with dual stack (`dual_stack.ts`).
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { fail, print, root } from "../tools/_run.ts";
import { build } from "../tools/build.ts";
import { minimum, type Runtime, setupBuild } from "../tools/setup.ts";
import type { Count, Job, Plan, Sample } from "./_job.ts";
import { compareAllocators } from "./allocator.ts";
import { compareSockets } from "./dual_stack.ts";
import { compareWaking } from "./waking.ts";
import { toRows, toTable } from "./_report.ts";
import { compare, verdict } from "./messaging.ts";
import { jobs as churn } from "./workloads/churn.ts";
import { jobs as crowd } from "./workloads/crowd.ts";
import { jobs as encryption } from "./workloads/encryption.ts";
import { jobs as hosts } from "./workloads/hosts.ts";
import { jobs as latency } from "./workloads/latency.ts";
import { jobs as messaging } from "./workloads/messaging.ts";
import { jobs as reflect } from "./workloads/reflect.ts";
import { jobs as rivals } from "./workloads/rivals.ts";
import { jobs as throughput } from "./workloads/throughput.ts";

const FAMILIES = [throughput, reflect, latency, rivals, messaging, crowd, churn, hosts, encryption];

/** What is measured instead of all that, by the value of `--only`. */
const COMPARISONS: Record<string, (jobs: Job[], rounds: number) => Promise<string>> = {
  allocator: compareAllocators,
  waking: compareWaking,
  "dual-stack": compareSockets,
};

function readArguments() {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((argument) => argument !== "--"),
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      runtime: { type: "string" },
      rounds: { type: "string" },
      count: { type: "string" },
      out: { type: "string", default: `${root}/bench/out` },
    },
  });
  const all = Object.keys(minimum) as Runtime[];
  const runtimes = all.filter((name) => values.runtime === undefined || name === values.runtime);
  if (runtimes.length === 0) throw new Error(`--runtime must be one of ${all.join(", ")}`);
  const count = values.count ?? (values.quick ? "quick" : "full");
  if (!["full", "quick", "small"].includes(count)) {
    throw new Error(`--count must be full, quick or small, not ${count}`);
  }
  const rounds = Number(values.rounds ?? (count === "full" ? 5 : 3));
  if (!(Number.isInteger(rounds) && rounds > 0)) {
    throw new Error("--rounds must be a number above 0");
  }
  const plan: Plan = { runtimes, count: count as Count };
  return { plan, rounds, only: values.only, out: values.out };
}

/** Runs all jobs once; what one of them cannot do is told and left out. */
async function runRound(jobs: Job[], name: string): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const [i, job] of jobs.entries()) {
    try {
      samples.push(...await job.run());
      print(`${name}, ${i + 1} of ${jobs.length}: ${job.title}\n`);
    } catch (error) {
      process.exitCode = 1;
      print(`${name}, ${job.title} failed: ${error instanceof Error ? error.message : error}\n`);
    }
  }
  return samples;
}

async function main(): Promise<void> {
  const { plan, rounds, only, out } = readArguments();
  const comparison = COMPARISONS[only];
  if (comparison !== undefined) {
    print(await comparison(FAMILIES.flatMap((family) => family(plan)), rounds));
    return;
  }
  const jobs = FAMILIES.flatMap((family) => family(plan))
    .filter(({ workloads }) => workloads.some((name) => name.includes(only)));
  if (jobs.length === 0) throw new Error(`No workload has "${only}" in its name`);
  await setupBuild();
  await build("benches");
  const seen: Sample[][] = [];
  for (let round = 1; round <= rounds; round++) {
    const samples = await runRound(jobs, `Round ${round} of ${rounds}`);
    const wanted = samples.filter(({ workload }) => workload.includes(only));
    seen.push([...wanted, ...compare(wanted)]);
  }
  const rows = toRows(seen);
  mkdirSync(out, { recursive: true });
  writeFileSync(`${out}/latest.json`, `${JSON.stringify({ rows }, null, 2)}\n`);
  if (only === "" && plan.count === "full" && plan.runtimes.length > 1) {
    const { draw } = await import("./plot.ts");
    draw(rows);
  }
  const isMixed = ({ workload }: { workload: string }) => /-(from|to)-c$/.test(workload);
  print(`\nMedians of ${rounds} rounds; in brackets the ratio to C\n\n`);
  print(`${toTable(rows.filter((row) => !isMixed(row)))}\n`);
  if (rows.some(isMixed)) {
    print(`\nWith a C program at the other end\n\n${toTable(rows.filter(isMixed))}\n`);
  }
  const targets = verdict(rows);
  if (targets !== "") print(`\nTargets of messaging\n\n${targets}`);
}

await main().catch(fail);
