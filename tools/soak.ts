/**
 * Runs the long tests: the fuzzer with 10⁹ datagrams under address and undefined sanitizers, then one
 * file at a time on each runtime in turn.
 *
 * @module
 */

import process from "node:process";
import { list, nativeSuite, runSuites, runtimeSuite } from "./test.ts";

const FUZZ_DATAGRAMS = 1e9;
const limitMs = 24 * 3600 * 1000;

const seed = Date.now();
const files = list("tests/soak", "_soak.ts");
const options = { limitMs, atOnce: 1 };
await runSuites(
  [
    nativeSuite("native asan+ubsan", "address", {
      files: ["native/tests/fuzz/fuzz_test.c"],
      argumentLists: [seed, seed + 1].map((seed) => [
        ...["--seed", String(seed), "--datagrams", String(FUZZ_DATAGRAMS / 2), "--progress"],
      ]),
      limitMs,
    }),
    runtimeSuite("deno", files, options),
    runtimeSuite("bun", files, options),
    runtimeSuite("node", files, options),
  ],
  process.argv.slice(2),
);
