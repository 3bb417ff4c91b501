/**
 * The benchmark runs, and writes what its readers expect. How fast anything is, is not tested.
 *
 * @module
 */
import assert from "node:assert/strict";
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
  assert.equal(ending, "exit 0", output);
  const { rows } = JSON.parse(readFileSync(`${out}/latest.json`, "utf8"));
  assert.deepEqual(
    rows.map(({ runtime }: { runtime: string }) => runtime),
    ["c", "deno", "bun", "node"],
  );
  for (const row of rows) {
    assert.deepEqual(
      Object.keys(row),
      ["workload", "runtime", "style", "metric", "median", "ratio", "rounds"],
    );
    assert.equal(row.workload, "churn-50");
    assert.equal(row.style, row.runtime === "c" ? "manual" : "handler");
    assert.equal(row.metric, "connections/s");
    assert.ok(row.median > 0 && row.ratio > 0, JSON.stringify(row));
    assert.equal(row.rounds, 1);
    assert.match(output, new RegExp(`^churn-50 +${row.runtime} `, "m"));
  }
});

test("The benchmark refuses what it does not know", async () => {
  for (const args of [["--only", "nonsense"], ["--runtime", "nonsense"], ["--count", "nonsense"]]) {
    const { ending, output } = await run([process.execPath, "run", "-A", "bench/run.ts", ...args]);
    assert.equal(ending, "exit 1", output);
    assert.match(output, /nonsense|must be one of/);
  }
});
