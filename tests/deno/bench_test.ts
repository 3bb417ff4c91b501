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
