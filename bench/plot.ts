/**
 * Draws the figures from `bench/out/latest.json` into `bench/figures`. A complete run does it at its
 * end; by hand it is
 *
 *     deno run -A bench/plot.ts
 *
 * @module
 */
// Only this file needs them, so they are not among the imports in deno.json.
// deno-lint-ignore no-import-prefix
import * as Plot from "npm:@observablehq/plot@0.6.17";
// deno-lint-ignore no-import-prefix
import { parseHTML } from "npm:linkedom@0.18.12";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { root } from "../tools/_run.ts";
import type { Row } from "./_report.ts";

const RUNTIMES = ["deno", "bun", "node"];
const COLORS = { domain: ["c", ...RUNTIMES], range: ["#888888", "#4269d0", "#efb118", "#3ca951"] };
const WIDTH = 800;

type Page = { document: unknown };

/** Draws a plot and writes it as a file that stands on its own. */
function save(name: string, options: Plot.PlotOptions): void {
  const { document } = parseHTML("<!doctype html><html><body></body></html>") as unknown as Page;
  const svg = Plot.plot({
    ...options,
    document: document as unknown as Plot.PlotOptions["document"],
    width: WIDTH,
    style: { background: "white", color: "black" },
  }) as unknown as { setAttribute(name: string, value: string): void; outerHTML: string };
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  writeFileSync(`${root}/bench/figures/${name}.svg`, `${svg.outerHTML}\n`);
}

/** Bars of ratios to C, a panel for each workload, a bar for each program and style. */
function ratios(name: string, title: string, rows: Row[]): void {
  const label = ({ runtime, style }: Row) => `${runtime} ${style}`;
  save(name, {
    height: 60 + rows.length * 20 + new Set(rows.map(({ workload }) => workload)).size * 12,
    marginLeft: 110,
    marginRight: 150,
    marginTop: 40,
    x: { label: title, zero: true, grid: true, labelAnchor: "left", axis: "top" },
    y: { label: null, domain: [...new Set(rows.map(label))] },
    fy: { label: null, domain: [...new Set(rows.map(({ workload }) => workload))] },
    color: COLORS,
    marks: [
      Plot.barX(rows, { x: "ratio", y: label, fy: "workload", fill: "runtime" }),
      Plot.text(rows, {
        ...{ x: "ratio", y: label, fy: "workload", dx: 4, textAnchor: "start" },
        text: ({ ratio }: Row) => ratio!.toFixed(2),
      }),
      Plot.ruleX([1], { stroke: "#888888", strokeDasharray: "4 3" }),
    ],
  });
}

/** CPU of the server over the number of its peers. */
function growth(rows: Row[]): void {
  const points = rows.filter(({ workload, metric }) =>
    workload.startsWith("growth-") && metric === "cpu ms/s"
  ).map((row) => ({ ...row, peers: Number(row.workload.slice("growth-".length)) }));
  const most = Math.max(...points.map(({ peers }) => peers));
  save("growth", {
    height: 400,
    marginRight: 60,
    marginLeft: 60,
    x: {
      type: "log",
      label: "connected peers",
      ticks: points.map(({ peers }) => peers),
      tickFormat: "d",
    },
    y: { type: "log", label: "server's CPU, ms per second", grid: true },
    color: COLORS,
    marks: [
      Plot.lineY(points, { x: "peers", y: "median", stroke: "runtime" }),
      Plot.dot(points, { x: "peers", y: "median", fill: "runtime" }),
      Plot.text(points.filter(({ peers }) => peers === most), {
        ...{
          x: "peers",
          y: "median",
          text: "runtime",
          fill: "runtime",
          dx: 8,
          textAnchor: "start",
        },
      }),
    ],
  });
}

/** Round trips by percentile. */
function latency(rows: Row[]): void {
  const points = rows.filter(({ workload }) => workload === "echo-64").map((row) => ({
    ...row,
    percentile: row.metric.replace(" µs", ""),
    label: `${row.runtime} ${row.style}`,
  })).filter(({ runtime, style }) =>
    COLORS.domain.includes(runtime) && (runtime === "c" || style !== "for-await")
  );
  save("latency", {
    height: 400,
    marginRight: 110,
    marginLeft: 60,
    x: { type: "point", label: "percentile", domain: ["p50", "p90", "p99", "p99.9"] },
    y: { type: "log", label: "round trip, µs", grid: true },
    color: COLORS,
    marks: [
      Plot.lineY(points.filter(({ style }) => style === "manual"), {
        ...{ x: "percentile", y: "median", z: "label", stroke: "runtime" },
        strokeDasharray: "5 3",
      }),
      Plot.lineY(points.filter(({ style }) => style !== "manual"), {
        ...{ x: "percentile", y: "median", z: "label", stroke: "runtime" },
      }),
      Plot.text(points.filter(({ percentile }) => percentile === "p99.9"), {
        ...{ x: "percentile", y: "median", text: "label", fill: "runtime" },
        ...{ dx: 8, textAnchor: "start" },
      }),
    ],
  });
}

/** Messages a second of everybody at the same work. */
function rivals(rows: Row[]): void {
  const bars = rows.filter(({ workload, metric, style, runtime }) =>
    ["receive-64-reliable", "receive-64-unreliable"].includes(workload) &&
    metric === "messages/s" && (runtime === "c" || style === "handler")
  );
  save("rivals", {
    height: 380,
    marginLeft: 90,
    marginRight: 150,
    marginTop: 40,
    x: {
      label: "million messages of 64 bytes a second",
      grid: true,
      axis: "top",
      labelAnchor: "left",
    },
    y: { label: null },
    fy: { label: null },
    color: { ...COLORS, unknown: "#bbbbbb" },
    marks: [
      Plot.barX(bars, {
        ...{ y: "runtime", fy: "workload", fill: "runtime", sort: { y: "-x" } },
        x: ({ median }: Row) => median / 1e6,
      }),
      Plot.text(bars, {
        ...{ y: "runtime", fy: "workload", dx: 4, textAnchor: "start" },
        x: ({ median }: Row) => median / 1e6,
        text: ({ median }: Row) => (median / 1e6).toFixed(2),
      }),
    ],
  });
}

/** Draws all figures. */
export function draw(rows: Row[]): void {
  mkdirSync(`${root}/bench/figures`, { recursive: true });
  const ours = rows.filter(({ runtime }) => RUNTIMES.includes(runtime));
  const pick = (metric: string, workloads: RegExp) =>
    ours.filter((row) => row.metric === metric && workloads.test(row.workload));
  ratios("receive", "messages/s received, ratio to C", pick("messages/s", /^receive-.*able$/));
  ratios("send", "messages/s sent, ratio to C", pick("messages/s", /^send-.*able$/));
  ratios("mixed", "CPU per message with C at the other end, ratio to C", [
    ...pick("cpu ns/message", /-from-c$/),
    ...pick("cpu ns/message", /-to-c$/),
  ]);
  ratios("crowd", "server's CPU, ratio to C", pick("cpu ms/s", /^(fanout|crowd|idle)-/));
  latency(rows);
  growth(rows);
  rivals(rows);
}

if (import.meta.main) {
  draw(JSON.parse(readFileSync(`${root}/bench/out/latest.json`, "utf8")).rows);
}
