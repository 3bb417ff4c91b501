/**
 * Checks everything that needs no running: format, lint, types, documentation, publishing.
 *
 * @module
 */

import process from "node:process";
import { print, run } from "./_run.ts";
import { stdAssertFlags } from "./_std_assert.ts";

const steps = [
  "fmt --check",
  "lint",
  ["check", ...await stdAssertFlags()].join(" "),
  "doc --lint mod.ts ffi/mod.ts lib/channel/mod.ts lib/cli/main.ts lib/compat/mod.ts lib/discovery/mod.ts lib/gateway/mod.ts lib/gateway/browser/mod.ts lib/messaging/mod.ts lib/rooms/mod.ts lib/security/mod.ts",
  "publish --dry-run --allow-dirty",
];

for (const step of steps) {
  const { ok, output } = await run([process.execPath, ...step.split(" ")]);
  if (!ok) {
    print(output);
    process.exitCode = 1;
  }
  print(`${ok ? "ok    " : "failed"} deno ${step}\n`);
}
