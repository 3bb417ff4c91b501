/**
 * Draws the figures from `bench/out/latest.json` into `bench/figures`. A complete run does it at its
 * end; by hand it is, for all of them or for some
 *
 *     deno run -A bench/plot.ts [NAME …]
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { root } from "../tools/_run.ts";
import { COLORS, drawAll, figure, Plot, range, RUNTIMES } from "./_figure.ts";
import { type Row, short } from "./_report.ts";

const LABEL_HEIGHT = 14;

/** The ratios to C of the library's handlers in a workload. */
const ratiosOf = (rows: Row[], workload: string) =>
  rows.filter((row) =>
    row.workload === workload && row.style === "handler" && RUNTIMES.includes(row.runtime)
  ).map(({ ratio }) => ratio);

/** What a metric is counted in, beside a number: `"CPU ns a message"`. */
const UNITS: Readonly<Record<string, string>> = {
  "messages/s": "messages/s",
  "cpu ns/message": "ns of CPU a message",
  "cpu ms/s": "ms of CPU a second",
};

/** Bars of ratios to C, a panel for each workload, a bar for each program and style. */
function ratios(title: string, rows: Row[]): string {
  const label = ({ runtime, style }: Row) => runtime === "c" ? "c" : `${runtime} ${style}`;
  const workloads = [...new Set(rows.map(({ workload }) => workload))];
  return figure(title, {
    height: 80 + rows.length * 18 + workloads.length * 40,
    marginLeft: 140,
    marginRight: 230,
    x: { label: "times C's", zero: true, grid: true, labelAnchor: "left", axis: "top" },
    y: { label: null, domain: [...new Set(rows.map(label))], tickSize: 0 },
    fy: { label: null, domain: workloads, axis: null, padding: 0.18 },
    color: COLORS,
    marks: [
      Plot.barX(rows, { x: "ratio", y: label, fy: "workload", fill: "runtime" }),
      Plot.text(rows, {
        ...{ x: "ratio", y: label, fy: "workload", dx: 4, textAnchor: "start" },
        text: ({ ratio, median, metric }: Row) =>
          `${ratio!.toFixed(2)} (${short(median)} ${UNITS[metric] ?? metric})`,
      }),
      Plot.text(workloads, {
        ...{ fy: (workload: string) => workload, text: (workload: string) => workload },
        ...{ frameAnchor: "top-left", dx: -134, dy: -14, fontWeight: "bold" },
      }),
      Plot.ruleX([1], { stroke: "var(--c)", strokeDasharray: "4 3" }),
    ],
  });
}

/** The heights of labels beside the ends of lines on a logarithmic axis: one above the other. */
function labelHeights(ends: Row[], all: Row[], height: number): Map<Row, number> {
  const medians = all.map(({ median }) => median);
  const span = Math.max(...medians) / Math.min(...medians);
  const step = span ** (LABEL_HEIGHT / height);
  const heights = new Map<Row, number>();
  let last = 0;
  for (const row of ends.toSorted((a, b) => a.median - b.median)) {
    last = Math.max(row.median, last * step);
    heights.set(row, last);
  }
  return heights;
}

/** CPU of the server over the number of its peers. */
function growth(rows: Row[]): string {
  const points = rows.filter(({ workload, metric }) =>
    workload.startsWith("growth-") && metric === "cpu ms/s"
  ).map((row) => ({ ...row, peers: Number(row.workload.slice("growth-".length)) }));
  const [least, most] = [Math.min, Math.max].map((f) => f(...points.map(({ peers }) => peers)));
  const growthOf = (runtime: string) => {
    const [before, after] = [least, most].map((peers) =>
      points.find((point) => point.runtime === runtime && point.peers === peers)?.median
    );
    return before && after ? after / before : null;
  };
  const ours = range(RUNTIMES.map(growthOf));
  const title = `From ${least} to ${most} peers, a server's CPU grows ${ours} times, ` +
    `C's ${range([growthOf("c")])} times`;
  const ends = points.filter(({ peers }) => peers === most);
  const heights = labelHeights(ends, points, 330);
  return figure(title, {
    height: 420,
    marginRight: 130,
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
      Plot.text(ends, {
        ...{ x: "peers", fill: "runtime", dx: 8, textAnchor: "start" },
        y: (row: Row) => heights.get(row)!,
        text: ({ runtime, median }: Row) => `${runtime} ${short(median)} ms/s`,
      }),
    ],
  });
}

/** Round trips by percentile. */
function latency(rows: Row[]): string {
  const points = rows.filter(({ workload }) => workload === "echo-64").map((row) => ({
    ...row,
    percentile: row.metric.replace(" µs", ""),
    label: row.runtime === "c" ? "c" : `${row.runtime} ${row.style}`,
  })).filter(({ runtime, style }) =>
    COLORS.domain.includes(runtime) && (runtime === "c" || style !== "for-await")
  );
  const half = points.filter(({ percentile }) => percentile === "p50");
  const ours = half.filter(({ style, runtime }) => style === "handler" && runtime !== "c");
  const inC = half.filter(({ runtime }) => runtime === "c");
  const title = `Half of all echoes to handlers take at most ${
    range(ours.map(({ median }) => median))
  } µs, C's ${range(inC.map(({ median }) => median))} µs`;
  const ends = points.filter(({ percentile }) => percentile === "p99.9");
  const heights = labelHeights(ends, points, 330);
  return figure(title, {
    height: 420,
    marginRight: 150,
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
      Plot.text(ends, {
        ...{ x: "percentile", fill: "runtime", dx: 8, textAnchor: "start" },
        y: (row: Row) => heights.get(row)!,
        text: ({ label, median }: Row & { label: string }) => `${label} ${short(median)} µs`,
      }),
    ],
  });
}

/** Messages a second of everybody at the same work. */
function rivals(rows: Row[]): string {
  const workloads = ["receive-64-reliable", "receive-64-unreliable"];
  const bars = rows.filter(({ workload, metric, style, runtime }) =>
    workloads.includes(workload) && metric === "messages/s" &&
    (runtime === "c" || style === "handler")
  );
  const reliable = bars.filter(({ workload }) => workload === workloads[0]);
  const others = reliable.filter(({ runtime }) => !COLORS.domain.includes(runtime));
  const best = Math.max(...others.map(({ median }) => median));
  const ours = reliable.filter(({ runtime }) => RUNTIMES.includes(runtime));
  const factor = range(ours.map(({ median }) => median / best));
  const title = `The library receives ${factor} times as many messages as the best rival`;
  return figure(title, {
    height: 420,
    marginLeft: 140,
    marginRight: 150,
    x: {
      label: "million messages of 64 bytes a second",
      grid: true,
      axis: "top",
      labelAnchor: "left",
    },
    y: { label: null, tickSize: 0 },
    fy: { label: null, domain: workloads, axis: null, padding: 0.12 },
    color: COLORS,
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
      Plot.text(workloads, {
        ...{ fy: (workload: string) => workload, text: (workload: string) => workload },
        ...{ frameAnchor: "top-left", dx: -134, dy: -14, fontWeight: "bold" },
      }),
    ],
  });
}

/** What carries requests, as the figure calls it, in its order. */
const CARRIERS: Readonly<Record<string, string>> = {
  ...{ manual: "C", host: "two hosts", udp: "messaging, udp", tcp: "messaging, tcp" },
  ...{ http: "node:http", grpc: "gRPC", nats: "NATS" },
};

/** Requests a second, and how long the middle one took. */
function messaging(rows: Row[]): string {
  const panels = [
    ["messaging-64", "requests/s", "64 in flight: requests a second; more is better"],
    ["messaging-64", "p50 µs", "64 in flight: median time of a request, µs; less is better"],
    ["messaging-1", "p50 µs", "1 in flight: median time of a request, µs; less is better"],
  ];
  const bars = panels.map(([workload, metric, panel]) =>
    Object.entries(CARRIERS).flatMap(([style, name]) =>
      rows.filter((row) =>
        row.workload === workload && row.metric === metric && row.style === style
      ).map((row) => ({
        ...row,
        panel,
        label: row.runtime === "c" ? name : `${name}, ${row.runtime}`,
      }))
    )
  );
  const factor = rows.filter(({ workload, style, metric }) =>
    workload === "messaging-64" && style === "udp" && metric === "times the best rival"
  );
  const title = `Messaging over UDP answers ${
    range(factor.map(({ median }) => median))
  } times the best rival's requests`;
  const all = bars.flat();
  // Each panel has a scale of its own, from nothing to its longest bar.
  const scaled = bars.flatMap((bars) => {
    const most = Math.max(...bars.map(({ median }) => median));
    return bars.map((bar) => ({ ...bar, length: bar.median / most }));
  });
  return figure(title, {
    height: 80 + all.length * 15 + panels.length * 30,
    marginLeft: 160,
    marginRight: 90,
    x: { axis: null, domain: [0, 1] },
    y: { label: null, domain: [...new Set(all.map(({ label }) => label))], tickSize: 0 },
    fy: { label: null, domain: panels.map(([, , panel]) => panel), axis: null, padding: 0.1 },
    color: COLORS,
    marks: [
      Plot.barX(scaled, { x: "length", y: "label", fy: "panel", fill: "runtime" }),
      Plot.text(scaled, {
        ...{ x: "length", y: "label", fy: "panel", dx: 4, textAnchor: "start" },
        text: ({ median }: Row) => short(median),
      }),
      Plot.text(panels, {
        ...{ fy: ([, , panel]: string[]) => panel, text: ([, , panel]: string[]) => panel },
        ...{ frameAnchor: "top-left", dx: -154, dy: -14, fontWeight: "bold" },
      }),
    ],
  });
}

/** The rows of the library and of C for a metric and some workloads. */
function pick(rows: Row[], metric: string, workloads: RegExp): Row[] {
  return rows.filter((row) =>
    COLORS.domain.includes(row.runtime) && row.metric === metric && workloads.test(row.workload)
  );
}

/** The range of the ratios to C of the library's handlers. */
function finding(rows: Row[], metric: string, workload: string): string {
  return range(ratiosOf(rows.filter((row) => row.metric === metric), workload));
}

/** The figures, by their names. */
const FIGURES: Readonly<Record<string, (rows: Row[]) => string>> = {
  receive: (rows) =>
    ratios(
      `Received: ${finding(rows, "messages/s", "receive-64-reliable")} times C's messages of 64 ` +
        `bytes, ${finding(rows, "messages/s", "receive-64k-reliable")} of 64 KiB`,
      pick(rows, "messages/s", /^receive-.*able$/),
    ),
  send: (rows) =>
    ratios(
      `Sent: ${finding(rows, "messages/s", "send-64-reliable")} times C's messages of 64 bytes`,
      pick(rows, "messages/s", /^send-.*able$/),
    ),
  mixed: (rows) =>
    ratios(
      `From a sender in C, a 64-byte message takes ${
        finding(rows, "cpu ns/message", "receive-64-reliable-from-c")
      } times C's CPU`,
      [...pick(rows, "cpu ns/message", /-from-c$/), ...pick(rows, "cpu ns/message", /-to-c$/)],
    ),
  crowd: (rows) =>
    ratios(
      `A server of 1,000 busy peers takes ${finding(rows, "cpu ms/s", "crowd-1000")} times C's CPU`,
      pick(rows, "cpu ms/s", /^(fanout|crowd|idle)-/),
    ),
  latency,
  growth,
  rivals,
  messaging,
};

/** Draws figures into a folder: all of them, or those named. */
export function draw(rows: Row[], folder?: string, names?: string[]): void {
  drawAll(FIGURES, rows, folder, names);
}

if (import.meta.main) {
  const { rows } = JSON.parse(readFileSync(`${root}/bench/out/latest.json`, "utf8"));
  const names = process.argv.slice(2);
  draw(rows, undefined, names.length > 0 ? names : undefined);
}
