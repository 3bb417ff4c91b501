/**
 * Compares variants, such as builds of the native library: the jobs of the bench are run with each in turn, round
 * after round.
 *
 * @module
 */
import process from "node:process";
import { print } from "../tools/_run.ts";
import type { Job, Sample } from "./_job.ts";
import { median } from "./_program.ts";
import { short } from "./_report.ts";

/** What is compared, and whether more of it is better. */
export interface ComparedRow {
  workload: string;
  metric: string;
  more: boolean;
}

/**
 * What the programs find in their environment, by the names of the variants. The first variant is what the others are
 * compared with.
 */
export type Variants = Map<string, Record<string, string>>;

/** A variant with another native library. */
export const library = (path: string): Record<string, string> => ({ ENETJS_LIBRARY: path });

/** The measured values of a row with each variant, one a round. */
type Values = Map<string, Map<string, number[]>>;

/** What a comparison has brought. */
export interface Comparison {
  /** A line for each row, with a cell for each variant. */
  table: string;
  /** For each variant but the first: the ratio of its worst row, above 1 where it is better. */
  worst: Map<string, number>;
}

/** Runs a job whose programs find something in their environment. @returns what it has measured of the rows */
async function measure(
  job: Job,
  env: Record<string, string>,
  rows: readonly ComparedRow[],
): Promise<Sample[]> {
  const before = { ...process.env };
  Object.assign(process.env, env); // the programs of the job inherit it
  const samples = await job.run().finally(() => {
    for (const name of Object.keys(env)) delete process.env[name];
    Object.assign(process.env, before);
  });
  return samples.filter(({ workload, metric }) =>
    rows.some((row) => row.workload === workload && row.metric === metric)
  );
}

/** Runs a job with each variant in turn, and adds what it has measured; all or nothing. */
async function compareOnce(
  job: Job,
  variants: Variants,
  rows: readonly ComparedRow[],
  values: Values,
): Promise<void> {
  const measured: [string, Sample[]][] = [];
  for (const [name, env] of variants) measured.push([name, await measure(job, env, rows)]);
  for (const [name, samples] of measured) {
    for (const { workload, runtime, style, metric, value } of samples) {
      const row = [workload, metric, runtime, style].join(" ");
      if (!values.has(row)) {
        values.set(row, new Map([...variants.keys()].map((name) => [name, []])));
      }
      values.get(row)!.get(name)!.push(value);
    }
  }
}

/**
 * Compares variants.
 *
 * @param jobs of the bench, of which those with the rows are run
 * @returns medians, with the median of the ratios to the first variant of the same round in brackets
 */
export async function compareVariants(
  jobs: Job[],
  variants: Variants,
  rows: readonly ComparedRow[],
  rounds: number,
): Promise<Comparison> {
  // A server or receiver in C is the same in all variants.
  const wanted = jobs.filter(({ workloads, title }) =>
    !/ c manual$/.test(title) && rows.some(({ workload }) => workloads.includes(workload))
  );
  const values: Values = new Map();
  for (let round = 1; round <= rounds; round++) {
    for (const job of wanted) {
      try {
        await compareOnce(job, variants, rows, values);
        print(`Round ${round} of ${rounds}: ${job.title}\n`);
      } catch (error) {
        process.exitCode = 1;
        print(`${job.title} failed: ${error instanceof Error ? error.message : error}\n`);
      }
    }
  }
  return report(values, [...variants.keys()], rows);
}

function report(values: Values, names: string[], rows: readonly ComparedRow[]): Comparison {
  const [base, ...others] = names;
  /** The median of the ratios to the base, above 1 where the variant is better. */
  const ratio = (row: string, of: Map<string, number[]>, name: string): number => {
    const { more } = rows.find(({ workload, metric }) => row.startsWith(`${workload} ${metric} `))!;
    const ratios = of.get(name)!.map((value, round) => value / of.get(base)![round]);
    return median(more ? ratios : ratios.map((ratio) => 1 / ratio));
  };
  const lines = [...values].map(([row, of]) => {
    const cells = names.map((name) => {
      const value = short(median(of.get(name)!));
      return (name === base ? value : `${value} (${ratio(row, of, name).toFixed(2)})`).padEnd(16);
    });
    return `${row.padEnd(52)} ${cells.join("")}`;
  });
  const head = `${"".padEnd(52)} ${names.map((name) => name.padEnd(16)).join("")}`;
  const table = [head, ...lines].map((line) => `${line.trimEnd()}\n`).join("");
  const worst = new Map(
    others.map((name) => [
      name,
      Math.min(...[...values].map(([row, of]) => ratio(row, of, name))),
    ]),
  );
  return { table, worst };
}
