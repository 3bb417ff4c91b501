/**
 * Draws the figures of links with distance into `bench/figures`, from what wan.ts has written. Of several files, which
 * are parts of one run, rows are put together. Rows that are missing are left out.
 *
 *     deno run -A bench/plot_wan.ts [FILE …]      default: bench/out/wan.json
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { root } from "../tools/_run.ts";
import { drawAll, figure, Plot, RUNTIMES } from "./_figure.ts";
import { short } from "./_report.ts";
import type { Row } from "./wan.ts";

/** The link that titles tell of. */
const TYPICAL = { rttMs: 50, mbit: 100 } as const;

const ROW_HEIGHT = 19;

/** How much darker a mark is with less loss. */
const LOSS_OPACITY: Readonly<Record<number, number>> = { 0: 1, 1: 0.6, 5: 0.3 };
const opacityOf = ({ lossPercent }: Row) => LOSS_OPACITY[lossPercent] ?? 0.45;

/** By how much marks of different loss are above each other. */
const LOSS_DY: Readonly<Record<number, number>> = { 0: -4, 1: 0, 5: 4 };

const isLibrary = (name: string) => RUNTIMES.includes(name);

/** What a figure calls a program, or a pair of them. */
const labelOf = (name: string): string =>
  name.split(" ").map((word) => isLibrary(word) ? "library" : word === "c" ? "C" : word).join(" ")
    .replace(/^(tcp|quic)$/, (name) => name.toUpperCase()).replace(/^ws$/, "WebSocket");

/** Its colour: that of the side that sends. */
function colorOf(name: string): string {
  const [sender] = name.split(" ");
  return isLibrary(sender) ? "var(--node)" : sender === "c" ? "var(--c)" : "var(--other)";
}

const linkOf = ({ rttMs }: Row) => `${rttMs} ms`;
const rateOf = ({ mbit }: Row) => `${mbit} Mbit/s`;

/** Different values, in the order of numbers. */
const distinct = (rows: readonly Row[], of: (row: Row) => number) =>
  [...new Set(rows.map(of))].toSorted((a, b) => a - b);

/** Programs in the order in which wan.ts runs them. */
const labels = (rows: readonly Row[]) => [
  ...new Set(rows.map(({ program }) => labelOf(program))),
];

/** The value of a program on the typical link, or undefined. */
function find(
  rows: readonly Row[],
  metric: string,
  lossPercent: number,
  is: (program: string) => boolean,
): number | undefined {
  return rows.find((row) =>
    row.rttMs === TYPICAL.rttMs && row.mbit === TYPICAL.mbit &&
    row.lossPercent === lossPercent && is(row.program)
  )?.values[metric];
}

/** `"C 1.3, library 11.0, TCP 11.7"` on the typical link; programs without a value are left out. */
function compare(rows: readonly Row[], metric: string, lossPercent: number): string {
  const sides: [string, (program: string) => boolean][] = [
    ["C", (program) => program === "c"],
    ["library", isLibrary],
    ["TCP", (program) => program === "tcp"],
  ];
  return sides.flatMap(([name, is]) => {
    const value = find(rows, metric, lossPercent, is);
    return value === undefined ? [] : [`${name} ${short(value)}`];
  }).join(", ");
}

/** Of some rows, those that have a metric, with it as `value`. */
function having(rows: readonly Row[], metric: string) {
  return rows.filter(({ values }) => values[metric] !== undefined)
    .map((row) => ({ ...row, value: row.values[metric], label: labelOf(row.program) }));
}

/** What is common to all: a panel for each round trip and rate, a line for each program. */
function panels(title: string, rows: readonly Row[], x: Plot.ScaleOptions, marks: Plot.Markish[]) {
  const rates = distinct(rows, ({ mbit }) => mbit).map((mbit) => `${mbit} Mbit/s`);
  return figure(title, {
    height: 100 + Math.max(rates.length, 1) * (labels(rows).length * ROW_HEIGHT + 40),
    marginLeft: 110,
    marginRight: 80,
    marginBottom: 40,
    x: { grid: true, ticks: 4, ...x },
    y: { label: null, domain: labels(rows), tickSize: 0 },
    fx: {
      label: "round trip",
      domain: distinct(rows, ({ rttMs }) => rttMs).map((rttMs) => `${rttMs} ms`),
      padding: 0.12,
    },
    fy: { label: null, domain: rates, padding: 0.12 },
    marks,
  });
}

/** Marks for each share of loss, which are above each other. */
const byLoss = <R extends Row>(
  rows: readonly R[],
  marks: (rows: readonly R[], dy: number) => Plot.Markish[],
): Plot.Markish[] =>
  distinct(rows, ({ lossPercent }) => lossPercent).flatMap((lossPercent) =>
    marks(rows.filter((row) => row.lossPercent === lossPercent), LOSS_DY[lossPercent] ?? 0)
  );

const LEGEND = "dark: no loss; lighter: 1 and 5 % in each direction";

/** How much bulk comes over a link. */
function bulk(rows: readonly Row[]): string {
  const points = having(rows, "MB/s");
  const title = `Bulk at 50 ms and 100 Mbit/s, MB/s: ${compare(points, "MB/s", 0)}`;
  return panels(title, points, { label: `MB/s (${LEGEND})`, zero: true, labelAnchor: "left" }, [
    Plot.ruleX(points, {
      ...{ x: ({ mbit }: Row) => mbit / 8, fx: linkOf, fy: rateOf },
      ...{ stroke: "var(--line)", strokeDasharray: "4 3" },
    }),
    ...byLoss(points, (points, dy) => [
      Plot.dot(points, {
        ...{ x: "value", y: "label", fx: linkOf, fy: rateOf, dy, r: 4 },
        ...{ fill: ({ program }: Row) => colorOf(program), fillOpacity: opacityOf },
      }),
    ]),
  ]);
}

/** Lines from the median to the 99th percentile, for each program. */
function spans(title: string, what: string, rows: readonly Row[], metrics: [string, string]) {
  const [half, most] = metrics;
  const points = having(rows, half);
  return panels(title, points, {
    type: "log",
    label: `${what}, ms: median to 99th percentile (${LEGEND})`,
    labelAnchor: "left",
  }, [
    ...byLoss(points, (points, dy) => [
      Plot.link(points, {
        ...{
          x1: "value",
          x2: ({ values }: Row) => values[most],
          y: "label",
          fx: linkOf,
          fy: rateOf,
        },
        ...{ dy, strokeWidth: 2, stroke: ({ program }: Row) => colorOf(program) },
        strokeOpacity: opacityOf,
      }),
      Plot.dot(points, {
        ...{ x: "value", y: "label", fx: linkOf, fy: rateOf, dy, r: 3 },
        ...{ fill: ({ program }: Row) => colorOf(program), fillOpacity: opacityOf },
      }),
    ]),
  ]);
}

const request = (rows: readonly Row[]): string =>
  spans(
    `Requests beside bulk, p99 ms at 50 ms: ${compare(rows, "p99 ms", 0)}`,
    "from request to answer",
    rows,
    ["p50 ms", "p99 ms"],
  );

const state = (rows: readonly Row[]): string =>
  spans(
    `State at 50 ms, 1 % loss, p99 ms: ${compare(rows, "age p99 ms", 1)}`,
    "age on arrival",
    rows,
    ["age p50 ms", "age p99 ms"],
  );

const together = (rows: readonly Row[]): string =>
  spans(
    `State beside bulk, p99 ms at 50 ms: ${compare(rows, "age p99 ms", 0)}`,
    "age of state on arrival, with bulk and requests beside it",
    rows,
    ["age p50 ms", "age p99 ms"],
  );

/** What two bulk transfers make of one link. */
function neighbours(rows: readonly Row[]): string {
  const points = having(rows, "MB/s").filter(({ lossPercent }) => lossPercent === 0);
  const parts = points.flatMap((row) => {
    const [one, , other] = row.program.split(" ");
    return [
      { ...row, part: one },
      { ...row, part: other, value: row.values["MB/s beside"] },
    ];
  });
  const [one, other] = ["MB/s", "MB/s beside"].map((metric) =>
    find(points, metric, 0, (program) => {
      const [one, , other] = program.split(" ");
      return isLibrary(one) && isLibrary(other);
    })
  );
  const share = one === undefined || other === undefined
    ? "?"
    : [one, other].map((value) => Math.round(value / (one + other) * 100)).join(" to ");
  return panels(`Two of the library share a link of 50 ms ${share}`, points, {
    label: "MB/s of each of two bulk transfers, without loss; dashed: the link",
    ...{ zero: true, labelAnchor: "left" },
  }, [
    Plot.ruleX(points, {
      ...{ x: ({ mbit }: Row) => mbit / 8, fx: linkOf, fy: rateOf },
      ...{ stroke: "var(--line)", strokeDasharray: "4 3" },
    }),
    Plot.barX(parts, {
      ...{ x: "value", y: "label", fx: linkOf, fy: rateOf, stroke: "var(--paper)" },
      fill: ({ part }: { part: string }) => colorOf(part),
    }),
    Plot.text(
      parts,
      Plot.stackX({
        ...{ x: "value", y: "label", fx: linkOf, fy: rateOf, fill: "var(--paper)" },
        text: ({ value }: { value: number }) => short(value),
      }),
    ),
  ]);
}

/** The figures, by their names. Each shows a workload. */
const FIGURES: Readonly<Record<string, (rows: readonly Row[]) => string>> = Object.fromEntries(
  Object.entries({ bulk, request, state, together, neighbours }).map(([workload, draw]) => [
    `wan-${workload}`,
    (rows: readonly Row[]) => draw(rows.filter((row) => row.workload === workload)),
  ]),
);

/** Draws all figures into a folder. */
export function drawWan(rows: readonly Row[], folder?: string): void {
  drawAll(FIGURES, rows, folder);
}

if (import.meta.main) {
  const files = process.argv.slice(2);
  if (files.length === 0) files.push(`${root}/bench/out/wan.json`);
  drawWan(files.flatMap((file) => JSON.parse(readFileSync(file, "utf8")).rows));
}
