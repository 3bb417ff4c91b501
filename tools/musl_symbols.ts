/**
 * Checks that a library asks nothing of its C library that musl does not have. It prints TAP.
 *
 * @module
 */
import process from "node:process";
import { fail, print, runOrThrow } from "./_run.ts";

/** The names in a library's table of symbols that are defined there, or that it asks for. */
async function symbols(library: string, kind: "--defined-only" | "--undefined-only") {
  const output = await runOrThrow(["nm", "--dynamic", kind, library]);
  return [...output.matchAll(/ ([A-Za-z]) (\S+)$/gm)].map(([, type, name]) => ({ type, name }));
}

if (import.meta.main) {
  try {
    const [library, musl] = process.argv.slice(2);
    const there = new Set((await symbols(musl, "--defined-only")).map(({ name }) => name));
    const asked = await symbols(library, "--undefined-only");
    // A weak one may be missing.
    const missing = asked.filter(({ type, name }) => type === "U" && !there.has(name));
    for (const { name } of missing) print(`# musl has no ${name}\n`);
    print(`1..1\n${missing.length === 0 ? "" : "not "}ok 1 - ${asked.length} symbols are musl's\n`);
  } catch (error) {
    fail(error);
  }
}
