/**
 * Where the tests in `tests/deno/` get `@std/assert` from.
 *
 * @module
 */
import process from "node:process";
import config from "../deno.json" with { type: "json" };
import { print, run } from "./_run.ts";

/** After this time without an answer JSR counts as out of reach. */
const LIMIT_MS = 20_000;

let flags: Promise<string[]> | undefined;

async function find(): Promise<string[]> {
  const name = "@std/assert";
  const code = `import ${JSON.stringify(config.imports[name])};`;
  // Without the configuration, so that the question does not change the lock file.
  const command = [process.execPath, "eval", "--no-config", code];
  const { ok } = await run(command, { limitMs: LIMIT_MS });
  if (ok) return [];
  print(`${name} is out of reach: tests/deno/_assert.ts stands in for it\n`);
  return ["--import-map=tests/deno/_import_map.json"];
}

/**
 * The flags of a Deno command that runs or checks these tests. There are none where JSR can be
 * reached; elsewhere they put `tests/deno/_assert.ts` in its place.
 */
export function stdAssertFlags(): Promise<string[]> {
  return flags ??= find();
}
