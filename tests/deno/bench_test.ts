/**
 * The benchmark runs, and writes what its readers expect. How fast anything is, is not tested.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { test } from "node:test";
import type { Sample } from "../../bench/_job.ts";
import { type Row, toRows } from "../../bench/_report.ts";
import { compare, verdict } from "../../bench/messaging.ts";
import { draw } from "../../bench/plot.ts";
import { drawWan } from "../../bench/plot_wan.ts";
import { leaveOut, MECHANISMS } from "../../bench/waking.ts";
import { run } from "../../tools/_run.ts";

test("The benchmark measures a workload and writes its rows", async (t) => {
  const out = mkdtempSync(`${tmpdir()}/enetjs-bench-`);
  t.after(() => rmSync(out, { recursive: true }));
  const { ending, output } = await run([
    ...[process.execPath, "run", "-A", "--no-check", "bench/run.ts"],
    ...["--rounds", "1", "--count", "small", "--only", "churn", "--out", out],
  ], { limitMs: 120_000 });
  assertEquals(ending, "exit 0", output);
  const { rows } = JSON.parse(readFileSync(`${out}/latest.json`, "utf8"));
  assertEquals(
    rows.map(({ runtime }: { runtime: string }) => runtime),
    ["c", "deno", "bun", "node"],
  );
  for (const row of rows) {
    assertEquals(
      Object.keys(row),
      ["workload", "runtime", "style", "metric", "median", "ratio", "rounds"],
    );
    assertEquals(row.workload, "churn-50");
    assertEquals(row.style, row.runtime === "c" ? "manual" : "handler");
    assertEquals(row.metric, "connections/s");
    assert(row.median > 0 && row.ratio > 0, JSON.stringify(row));
    assertEquals(row.rounds, 1);
    assertMatch(output, new RegExp(`^churn-50 +${row.runtime} `, "m"));
  }
});

test("The benchmark refuses what it does not know", async () => {
  for (const args of [["--only", "nonsense"], ["--runtime", "nonsense"], ["--count", "nonsense"]]) {
    const { ending, output } = await run([process.execPath, "run", "-A", "bench/run.ts", ...args]);
    assertEquals(ending, "exit 1", output);
    assertMatch(output, /nonsense|must be one of/);
  }
});

test("Each mechanism of waking can be left out of the library", (t) => {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-waking-`);
  t.after(() => rmSync(folder, { recursive: true }));
  for (const mechanism of MECHANISMS) {
    leaveOut(mechanism, folder);
    const source = readFileSync(`${folder}/src/host/${mechanism.file}`, "utf8");
    assert(source.includes(mechanism.without), mechanism.name);
  }
});

test("The bench of links with distance measures each program, or says that it can't", async (t) => {
  const out = mkdtempSync(`${tmpdir()}/enetjs-bench-`);
  t.after(() => rmSync(out, { recursive: true }));
  const { ending, output } = await run([
    ...[process.execPath, "run", "-A", "--no-check", "bench/wan.ts", "--short", "--out", out],
    ...["--rtt", "10", "--loss", "0", "--rate", "100", "--only", "together"],
  ], { limitMs: 120_000 });
  assertEquals(ending, "exit 0", output);
  if (output.includes("No link can be emulated here")) return;
  const { rows } = JSON.parse(readFileSync(`${out}/wan.json`, "utf8"));
  assertEquals(
    rows.map(({ program }: { program: string }) => program),
    [
      ...["c", "node", "node to c", "c to node", "tcp", "ws"],
      ...output.includes("QUIC is left out") ? [] : ["quic"],
      ...["gateway", "webrtc"],
    ],
  );
  for (const { values } of rows) {
    assertEquals(
      Object.keys(values),
      ["MB/s", "p50 ms", "p99 ms", "age p50 ms", "age p99 ms", "arrive %"],
    );
    // A link is never faster than it is said to be.
    assert(values["MB/s"] > 0 && values["MB/s"] < 12.5, JSON.stringify(values));
    // Nor nearer; the clocks of two programs may differ by a bit.
    assert(values["p50 ms"] > 9 && values["age p50 ms"] > 4, JSON.stringify(values));
  }
});

type Side = readonly [runtime: string, style: Row["style"], ratio: number];

const MESSAGING: readonly Side[] = [["c", "manual", 1], ["bun", "udp", 2], ["bun", "nats", 0.5]];

/** Rows as of a complete run: everything is twice C's. */
function rowsOf(
  workloads: readonly string[],
  metrics: readonly string[],
  sides: readonly Side[] = [["c", "manual", 1], ["deno", "handler", 2], ["ws", "handler", 0.5]],
): Row[] {
  return workloads.flatMap((workload) =>
    metrics.flatMap((metric, i) =>
      sides.map(([runtime, style, ratio]) => {
        const median = 1000 * ratio * (i + 1);
        return { workload, runtime, style, metric, median, ratio, rounds: 5 };
      })
    )
  );
}

test("Messaging is put beside the best rival of any runtime, and beside its own echo", () => {
  const sample = (style: Sample["style"], runtime: string, metric: string, value: number) => ({
    ...{ workload: "messaging-64", runtime, style, metric, value },
  });
  const round = [
    sample("udp", "deno", "requests/s", 800),
    sample("udp", "deno", "p50 µs", 45),
    sample("host", "deno", "p50 µs", 30),
    sample("host", "node", "p50 µs", 10),
    sample("host", "node", "requests/s", 9000),
    sample("tcp", "node", "requests/s", 100),
    sample("grpc", "deno", "requests/s", 100),
    sample("nats", "node", "requests/s", 200),
    sample("manual", "c", "requests/s", 9000),
    { ...sample("http", "node", "requests/s", 9000), workload: "messaging-1" },
    { ...sample("handler", "deno", "requests/s", 9000), workload: "echo-64" },
  ];
  const compared = compare(round);
  assertEquals(
    compared.map(({ style, runtime, metric, value }) => [style, runtime, metric, value]),
    [
      ["udp", "deno", "times the best rival", 4],
      ["udp", "deno", "times the own echo's p50", 1.5],
      ["tcp", "node", "times the best rival", 0.5],
    ],
  );
  assertEquals(
    verdict(toRows([compared])),
    "messaging-64 udp deno: 4.00 times the best rival, at least 3: met\n" +
      "messaging-64 udp deno: 1.50 times the own echo's p50, at most 1.5: met\n",
  );
  const slow = compared.map((sample) => ({ ...sample, value: 2 }));
  assertMatch(verdict(toRows([slow])), /rival, at least 3: missed\n.*, at most 1.5: missed\n/);
  assertEquals(compare(round.filter(({ style }) => style === "handler")), []);
});

test("The figures say what they show, give absolute figures, and know dark mode", (t) => {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-figures-`);
  t.after(() => rmSync(folder, { recursive: true }));
  const throughput = ["receive-64-reliable", "receive-64k-reliable", "send-64-reliable"];
  draw([
    ...rowsOf(throughput, ["messages/s"]),
    ...rowsOf(["receive-64-reliable-from-c"], ["cpu ns/message"]),
    ...rowsOf(["crowd-1000", "growth-10", "growth-4000"], ["cpu ms/s"]),
    ...rowsOf(["echo-64"], ["p50 µs", "p90 µs", "p99 µs", "p99.9 µs"]),
    ...rowsOf(["messaging-1", "messaging-64"], ["requests/s", "p50 µs"], MESSAGING),
    ...rowsOf(["messaging-64"], ["times the best rival"], MESSAGING),
  ], folder);
  const expected: Record<string, [title: RegExp, figure: string]> = {
    receive: [/^Received: 2 times C's/, "2.00 (2000 messages/s)"],
    send: [/^Sent: 2 times C's/, "2.00 (2000 messages/s)"],
    mixed: [/takes 2 times C's CPU/, "2.00 (2000 ns of CPU a message)"],
    crowd: [/takes 2 times C's CPU$/, "2.00 (2000 ms of CPU a second)"],
    growth: [/CPU grows 1 times, C's 1 times$/, "deno 2000 ms/s"],
    latency: [/take at most 2000 µs, C's 1000 µs$/, "deno handler 8000 µs"],
    rivals: [/receives 4 times as many messages as the best rival$/, ">0.00<"],
    messaging: [/answers 2000 times the best rival's requests$/, ">messaging, udp, bun<"],
  };
  checkFigures(folder, expected);
});

test("The figures of links with distance compare programs on the typical link", (t) => {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-figures-`);
  t.after(() => rmSync(folder, { recursive: true }));
  const programs = { c: 1.26, node: 11.4, "c to node": 1.3, tcp: 11.9, ws: 11.8 };
  const links = [50, 150].flatMap((rttMs) =>
    [0, 1].map((lossPercent) => ({ rttMs, lossPercent, mbit: 100 }))
  );
  const onLinks = (workload: string, program: string, values: Record<string, number>) =>
    links.map((link) => ({ ...link, workload, program, values }));
  drawWan([
    ...Object.entries(programs).flatMap(([program, value]) => [
      ...onLinks("bulk", program, { "MB/s": value }),
      ...onLinks("request", program, { "p50 ms": 1, "p99 ms": value }),
      ...onLinks("state", program, { "age p50 ms": 1, "age p99 ms": value }),
      ...onLinks("together", program, { "age p50 ms": 1, "age p99 ms": value }),
    ]),
    ...onLinks("neighbours", "c by node", { "MB/s": 1, "MB/s beside": 9 }),
    ...onLinks("neighbours", "node by node", { "MB/s": 6, "MB/s beside": 4 }),
  ], folder);
  const compared = /: C 1.26, library 11.4, TCP 11.9$/;
  checkFigures(folder, {
    "wan-bulk": [compared, ">C to library<"],
    "wan-request": [compared, ">WebSocket<"],
    "wan-state": [compared, ">150 ms<"],
    "wan-together": [compared, ">100 Mbit/s<"],
    "wan-neighbours": [/share a link of 50 ms 60 to 40$/, ">library by library<"],
  });
});

/** Checks the title of each figure, something that it shows, and that it knows dark mode. */
function checkFigures(
  folder: string,
  expected: Readonly<Record<string, [title: RegExp, figure: string]>>,
): void {
  for (const [name, [title, figure]] of Object.entries(expected)) {
    const svg = readFileSync(`${folder}/${name}.svg`, "utf8");
    const [, text] = svg.match(/<title>(.*)<\/title>/)!;
    assertMatch(text, title);
    assert(text.length <= 70, `${text}: a longer title would not fit`);
    assert(svg.includes(figure), `${name}: ${figure}`);
    assert(svg.includes("@media (prefers-color-scheme: dark)"), name);
  }
}
