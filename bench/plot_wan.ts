/**
 * Draws what `bench/wan.ts` has measured, from its `wan.json`, into `bench/figures`:
 *
 *     deno run -A bench/plot_wan.ts [FILE …]
 *
 * Several files are several runs, of which each has other rows.
 *
 * @module
 */
// Only the figures need it, so it is not among the imports in deno.json.
// deno-lint-ignore no-import-prefix
import * as Plot from "npm:@observablehq/plot@0.6.17";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { root } from "../tools/_run.ts";
import { short } from "./_report.ts";
import { figure } from "./plot.ts";

/** A row of `wan.json`. */
interface Row {
  readonly rttMs: number;
  readonly lossPercent: number;
  readonly mbit: number;
  readonly workload: string;
  readonly program: string;
  readonly values: Readonly<Record<string, number>>;
}

/** The figures: which rows, which of their values, and what they say. */
const FIGURES = {
  "wan-bulk": {
    workload: "bulk",
    metric: "MB/s",
    title: "Bulk over distance: megabytes a second on a link of 100 Mbit/s",
    fits: ({ mbit }: Row) => mbit === 100,
  },
  "wan-request": {
    workload: "request",
    metric: "p99 ms",
    title: "64-byte requests beside a bulk transfer: 99 % are answered within so many milliseconds",
    fits: ({ lossPercent }: Row) => lossPercent === 0,
  },
} as const;

const COLORS: Readonly<Record<string, string>> = { c: "var(--c)", node: "var(--node)" };

const linkOf = ({ rttMs, lossPercent, mbit }: Row) =>
  `round trip ${rttMs} ms, loss ${lossPercent} %, ${mbit} Mbit/s`;

function draw(
  { workload, metric, title, fits }: (typeof FIGURES)[keyof typeof FIGURES],
  all: Row[],
) {
  const rows = all.filter((row) => row.workload === workload && fits(row)).toSorted((a, b) =>
    a.rttMs - b.rttMs || a.lossPercent - b.lossPercent || a.mbit - b.mbit
  );
  const links = [...new Set(rows.map(linkOf))];
  return figure(title, {
    height: 80 + rows.length * 16 + links.length * 34,
    marginLeft: 140,
    marginRight: 90,
    x: { label: metric, zero: true, grid: true, labelAnchor: "left", axis: "top" },
    y: { label: null, domain: [...new Set(rows.map(({ program }) => program))], tickSize: 0 },
    fy: { label: null, domain: links, axis: null, padding: 0.18 },
    marks: [
      Plot.barX(rows, {
        ...{ y: "program", fy: linkOf, x: ({ values }: Row) => values[metric] },
        fill: ({ program }: Row) => COLORS[program] ?? "var(--other)",
      }),
      Plot.text(rows, {
        ...{ y: "program", fy: linkOf, x: ({ values }: Row) => values[metric] },
        ...{ dx: 4, textAnchor: "start", text: ({ values }: Row) => short(values[metric]) },
      }),
      Plot.text(links, {
        ...{ fy: (link: string) => link, text: (link: string) => link },
        ...{ frameAnchor: "top-left", dx: -134, dy: -12, fontWeight: "bold" },
      }),
    ],
  });
}

const named = process.argv.slice(2);
const files = named.length > 0 ? named : [`${root}/bench/out/wan.json`];
const rows = files.flatMap((file) =>
  (JSON.parse(readFileSync(file, "utf8")) as { rows: Row[] }).rows
);
for (const [name, plan] of Object.entries(FIGURES)) {
  writeFileSync(`${root}/bench/figures/${name}.svg`, draw(plan, rows));
}
