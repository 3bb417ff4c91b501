/**
 * From samples to rows, and from rows to a table.
 *
 * @module
 */
import type { Sample } from "./_job.ts";
import { median } from "./_program.ts";

/** One line of the result. */
export interface Row {
  workload: string;
  /** `c`, a runtime, or the name of a rival. */
  runtime: string;
  style: Sample["style"];
  metric: string;
  /** The median of the rounds. */
  median: number;
  /** The median of the ratios to the C program in the same round; null where there is none. */
  ratio: number | null;
  /** How many rounds there are. */
  rounds: number;
}

const keyOf = ({ workload, runtime, style, metric }: Sample | Row) =>
  [workload, runtime, style, metric].join(" ");

/** Brings together the samples of all rounds. */
export function toRows(rounds: Sample[][]): Row[] {
  const rows = new Map<string, { sample: Sample; values: number[]; ratios: number[] }>();
  for (const round of rounds) {
    const inC = new Map(
      round.filter(({ runtime }) => runtime === "c")
        .map(({ workload, metric, value }) => [`${workload} ${metric}`, value]),
    );
    for (const sample of round) {
      const key = keyOf(sample);
      const row = rows.get(key) ?? { sample, values: [], ratios: [] };
      rows.set(key, row);
      row.values.push(sample.value);
      const base = inC.get(`${sample.workload} ${sample.metric}`);
      if (base !== undefined && base > 0) row.ratios.push(sample.value / base);
    }
  }
  return [...rows.values()].map((
    { sample: { workload, runtime, style, metric }, values, ratios },
  ) => ({
    ...{ workload, runtime, style, metric },
    median: median(values),
    ratio: ratios.length > 0 ? median(ratios) : null,
    rounds: values.length,
  }));
}

/** A number with three digits or so. */
export function short(value: number): string {
  if (Math.abs(value) >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (Math.abs(value) >= 1e4) return `${(value / 1e3).toFixed(0)} k`;
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}

/** The rows as text, a line for each workload, program and style; the ratio to C in brackets. */
export function toTable(rows: Row[]): string {
  const lines = new Map<string, string>();
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  for (
    const row of rows.toSorted((a, b) =>
      workloads.indexOf(a.workload) - workloads.indexOf(b.workload)
    )
  ) {
    const { workload, runtime, style, metric, median, ratio } = row;
    const key = `${workload.padEnd(30)}${runtime.padEnd(12)}${style.padEnd(11)}`;
    const text = `${short(median)} ${metric}${
      ratio === null || runtime === "c" ? "" : ` (${ratio.toFixed(2)})`
    }`;
    lines.set(key, `${lines.get(key) ?? ""}${text.padEnd(32)}`);
  }
  return [...lines].map(([key, text]) => `${key}${text}`.trimEnd()).join("\n");
}
