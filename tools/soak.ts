/**
 * Runs the long tests, one file at a time, on each runtime in turn.
 *
 * @module
 */

import process from "node:process";
import { list, runSuites, runtimeSuite } from "./test.ts";

const files = list("tests/soak", "_soak.ts");
const options = { limitMs: 24 * 3600 * 1000, atOnce: 1 };
await runSuites(
  [
    runtimeSuite("deno", files, options),
    runtimeSuite("bun", files, options),
    runtimeSuite("node", files, options),
  ],
  process.argv.slice(2),
);
