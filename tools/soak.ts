/**
 * Runs the long tests: first the fuzzer with 10⁹ datagrams under address and undefined sanitizers, and that of
 * encryption with a tenth of these. Then it runs one file at a time on each runtime in turn.
 *
 * The fuzzers run in pieces of 10⁷ datagrams. Each piece has a seed and a process of its own. `--datagrams 1e8`
 * sets another number. A run that was interrupted goes on with `--seed S --piece N`, as the first lines and the
 * title of each piece tell.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { fail, print } from "./_run.ts";
import { list, nativeSuite, runSuites, runtimeSuite } from "./test.ts";

const PIECE_DATAGRAMS = 1e7;
const ENCRYPTED_SHARE = 0.1;
const limitMs = 24 * 3600 * 1000;

/** The number that an option says, `1e7` or `10000000`. */
function count(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new Error(`--${name} ${value}: it must be a positive integer`);
  }
  return number;
}

/** The arguments of the fuzzer, a list for each piece that is left. */
function pieces(datagrams: number, seed: number, first: number): string[][] {
  const all = Math.ceil(datagrams / PIECE_DATAGRAMS);
  if (first > all) throw new Error(`--piece ${first}: there are ${all}`);
  return Array.from({ length: all - first + 1 }, (_, i) => {
    const piece = first + i;
    const left = datagrams - (piece - 1) * PIECE_DATAGRAMS;
    return [
      ...["--seed", String(seed + piece - 1)],
      ...["--datagrams", String(Math.min(left, PIECE_DATAGRAMS)), "--progress"],
    ];
  });
}

/** Reads the options, and runs what the other arguments ask for. */
async function soak(): Promise<void> {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2),
    allowPositionals: true,
    options: {
      datagrams: { type: "string", default: "1e9" },
      seed: { type: "string", default: String(Date.now()) },
      piece: { type: "string", default: "1" },
      install: { type: "boolean", default: false },
    },
  });
  const datagrams = count("datagrams", values.datagrams);
  const seed = count("seed", values.seed);
  const argumentLists = pieces(datagrams, seed, count("piece", values.piece));
  print(`${argumentLists.length} pieces for the fuzzer; the Nth again, and those behind it: `);
  print(`--datagrams ${datagrams} --seed ${seed} --piece N\n`);
  const files = list("tests/soak", "_soak.ts");
  const options = { limitMs, atOnce: 1 };
  await runSuites([
    nativeSuite("native asan+ubsan", "address", {
      files: ["native/tests/fuzz/fuzz_test.c"],
      argumentLists,
      limitMs,
    }),
    nativeSuite("native encryption asan+ubsan", "address", {
      files: ["native/tests/wire/security/security_fuzz_test.c"],
      argumentLists: pieces(Math.ceil(datagrams * ENCRYPTED_SHARE), seed, 1),
      limitMs,
    }),
    runtimeSuite("deno", files, options),
    runtimeSuite("bun", files, options),
    runtimeSuite("node", files, options),
  ], [...positionals, ...values.install ? ["--install"] : []]);
}

await soak().catch(fail);
