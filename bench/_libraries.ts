/**
 * Compares builds of the native library: the jobs of the bench are run with each of them in turn, round after round.
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

/** The paths of the libraries by their names; the first is what the others are compared with. */
export type Libraries = Map<string, string>;

/** The measured values of a row with each library, one a round. */
type Values = Map<string, Map<string, number[]>>;

/** What a comparison has brought. */
export interface Comparison {
  /** A line for each row, with a cell for each library. */
  table: string;
  /** For each library but the first: the ratio of its worst row, above 1 where it is better. */
  worst: Map<string, number>;
}

/** Runs a job with a library. @returns what it has measured of the rows */
async function measure(job: Job, path: string, rows: readonly ComparedRow[]): Promise<Sample[]> {
  process.env.ENETJS_LIBRARY = path; // the programs of the job inherit it
  const samples = await job.run();
  return samples.filter(({ workload, metric }) =>
    rows.some((row) => row.workload === workload && row.metric === metric)
  );
}

/** Runs a job with each library in turn, and adds what it has measured; all or nothing. */
async function compareOnce(
  job: Job,
  libraries: Libraries,
  rows: readonly ComparedRow[],
  values: Values,
): Promise<void> {
  const measured: [string, Sample[]][] = [];
  for (const [name, path] of libraries) measured.push([name, await measure(job, path, rows)]);
  for (const [name, samples] of measured) {
    for (const { workload, runtime, style, metric, value } of samples) {
      const row = [workload, metric, runtime, style].join(" ");
      if (!values.has(row)) {
        values.set(row, new Map([...libraries.keys()].map((name) => [name, []])));
      }
      values.get(row)!.get(name)!.push(value);
    }
  }
}

/**
 * Compares libraries.
 *
 * @param jobs of the bench, of which those with the rows are run
 * @returns medians, with the median of the ratios to the first library of the same round in brackets
 */
export async function compareLibraries(
  jobs: Job[],
  libraries: Libraries,
  rows: readonly ComparedRow[],
  rounds: number,
): Promise<Comparison> {
  const before = process.env.ENETJS_LIBRARY;
  // A server or receiver in C does not use the library.
  const wanted = jobs.filter(({ workloads, title }) =>
    !/ c manual$/.test(title) && rows.some(({ workload }) => workloads.includes(workload))
  );
  const values: Values = new Map();
  for (let round = 1; round <= rounds; round++) {
    for (const job of wanted) {
      try {
        await compareOnce(job, libraries, rows, values);
        print(`Round ${round} of ${rounds}: ${job.title}\n`);
      } catch (error) {
        process.exitCode = 1;
        print(`${job.title} failed: ${error instanceof Error ? error.message : error}\n`);
      }
    }
  }
  if (before === undefined) delete process.env.ENETJS_LIBRARY;
  else process.env.ENETJS_LIBRARY = before;
  return report(values, [...libraries.keys()], rows);
}

function report(values: Values, names: string[], rows: readonly ComparedRow[]): Comparison {
  const [base, ...others] = names;
  /** The median of the ratios to the base, above 1 where the library is better. */
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
