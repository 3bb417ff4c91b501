import { assert } from "@std/assert";
import process from "node:process";
import { test } from "node:test";
import { run } from "../../tools/_run.ts";

test("TypeScript infers argument and return types from tables, and refuses what is wrong", async () => {
  const { ok, output } = await run([process.execPath, "check", "tests/programs/ffi_types.ts"]);
  assert(ok, output);
});
