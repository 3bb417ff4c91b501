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
import type { Row } from "../../bench/_report.ts";
import { draw } from "../../bench/plot.ts";
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

/** Rows as of a complete run: everything is twice C's. */
function rowsOf(workloads: readonly string[], metrics: readonly string[]): Row[] {
  const sides = [["c", "manual", 1], ["deno", "handler", 2], ["ws", "handler", 0.5]] as const;
  return workloads.flatMap((workload) =>
    metrics.flatMap((metric, i) =>
      sides.map(([runtime, style, ratio]) => {
        const median = 1000 * ratio * (i + 1);
        return { workload, runtime, style, metric, median, ratio, rounds: 5 };
      })
    )
  );
}

test("The figures say what they show, give absolute figures, and know dark mode", (t) => {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-figures-`);
  t.after(() => rmSync(folder, { recursive: true }));
  const throughput = ["receive-64-reliable", "receive-64k-reliable", "send-64-reliable"];
  draw([
    ...rowsOf(throughput, ["messages/s"]),
    ...rowsOf(["receive-64-reliable-from-c"], ["cpu ns/message"]),
    ...rowsOf(["crowd-1000", "growth-10", "growth-4000"], ["cpu ms/s"]),
    ...rowsOf(["echo-64"], ["p50 µs", "p90 µs", "p99 µs", "p99.9 µs"]),
  ], folder);
  const expected: Record<string, [title: RegExp, figure: string]> = {
    receive: [/^Received per second: 2 times C's/, "2.00 (2000 messages/s)"],
    send: [/^Sent per second: 2 times C's/, "2.00 (2000 messages/s)"],
    mixed: [/takes 2 times C's CPU/, "2.00 (2000 ns of CPU a message)"],
    crowd: [/takes 2 times C's CPU$/, "2.00 (2000 ms of CPU a second)"],
    growth: [/CPU grows 1 times, C's 1 times$/, "deno 2000 ms/s"],
    latency: [/take at most 2000 µs, C's 1000 µs$/, "deno handler 8000 µs"],
    rivals: [/receives 4 times as many messages as the best rival$/, ">0.00<"],
  };
  for (const [name, [title, figure]] of Object.entries(expected)) {
    const svg = readFileSync(`${folder}/${name}.svg`, "utf8");
    assertMatch(svg.match(/<title>(.*)<\/title>/)![1], title);
    assert(svg.includes(figure), `${name}: ${figure}`);
    assert(svg.includes("@media (prefers-color-scheme: dark)"), name);
  }
});
