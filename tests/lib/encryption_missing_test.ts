/** Without libsodium everything else works, and `security` is an error that says how to get it. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { currentRuntime, spawnRuntime, withDeadline } from "../_helpers.ts";

const PRELOADED = fileURLToPath(
  new URL("../../native/build/libno_sodium.so", import.meta.url),
);

test("Without libsodium, plain hosts work and encrypted ones say how to get it", {
  skip: process.platform !== "linux",
}, async () => {
  assert.ok(existsSync(PRELOADED), "built with the tests");
  const preload = [process.env.LD_PRELOAD, PRELOADED].filter(Boolean).join(" ");
  await using program = spawnRuntime(currentRuntime(), "without_sodium.ts", [], {
    env: { LD_PRELOAD: preload },
  });
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "the program");
  assert.equal(code, 0, stderr);
  const { libsodium, listen, connect, echo } = JSON.parse(stdout);
  assert.equal(libsodium, null);
  assert.equal(echo, "plain");
  for (const { name, code, message } of [listen, connect]) {
    assert.deepEqual([name, code], ["ENetError", "ENETJS_ERR_SECURITY"]);
    assert.match(message, /libsodium, which encryption needs, was not found/);
    assert.match(message, /apt-get install libsodium23/);
  }
});
