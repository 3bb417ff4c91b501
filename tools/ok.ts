/**
 * Checks everything that needs no running: format, lint, types, documentation, publishing.
 *
 * @module
 */

import process from "node:process";
import config from "../deno.json" with { type: "json" };
import { print, run } from "./_run.ts";
import { stdAssertFlags } from "./_std_assert.ts";

const steps = [
  "fmt --check",
  "lint",
  ["check", ...await stdAssertFlags()].join(" "),
  ["doc --lint", ...Object.values(config.exports)].join(" "),
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
