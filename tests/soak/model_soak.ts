/** The model of packet_test.ts with many seeds, a million operations each. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRuntime, spawnRuntime, withDeadline } from "../_helpers.ts";

const flags = { deno: ["--v8-flags=--expose-gc"], bun: [], node: ["--expose-gc"] };

for (let seed = 1; seed <= 10; seed++) {
  test(`A million random operations over packets agree with the model, seed ${seed}`, async () => {
    const runtime = currentRuntime();
    const args = [String(seed), "1000000"];
    await using child = spawnRuntime(runtime, "packet_model.ts", args, { flags: flags[runtime] });
    const { code, signal, stdout, stderr } = await withDeadline(child.ended, 900_000, "the model");
    assert.equal(code, 0, `${signal}\n${stdout}\n${stderr}`);
  });
}
