import { assert } from "@std/assert";
import process from "node:process";
import { test } from "node:test";
import { run } from "../../tools/_run.ts";

async function assertChecks(file: string): Promise<void> {
  const { ok, output } = await run([process.execPath, "check", `tests/programs/${file}`]);
  assert(ok, output);
}

test("TypeScript infers argument and return types from FFI tables, and refuses what is wrong", async () => {
  await assertChecks("ffi_types.ts");
});

test("What has been received goes where the platform takes bytes, as far as types tell", async () => {
  await assertChecks("types.ts");
});

test("TypeScript refuses what are no flags and no peers", async () => {
  await assertChecks("send_types.ts");
});
