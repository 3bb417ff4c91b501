import { assert } from "@std/assert";
import process from "node:process";
import { test } from "node:test";
import { run } from "../../tools/_run.ts";

test("TypeScript refuses what are no flags and no peers", async () => {
  const { ok, output } = await run([process.execPath, "check", "tests/programs/send_types.ts"]);
  assert(ok, output);
});
