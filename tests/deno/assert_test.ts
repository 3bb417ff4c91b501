/**
 * `_assert.ts`, which stands in for `@std/assert` where JSR can't be reached, judges as it does and
 * says the same.
 *
 * @module
 */
import nodeAssert from "node:assert/strict";
import { test } from "node:test";
import config from "../../deno.json" with { type: "json" };
import * as standIn from "./_assert.ts";

type Assertions = typeof standIn;

// Where it comes from, and not what the import map puts there.
const { "@std/assert": specifier } = config.imports;

/** `@std/assert` itself, or why it can't be had. */
async function loadReal(): Promise<Assertions | string> {
  try {
    return await import(specifier);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // What can't be fetched is a TypeError.
    return `NOT COMPARED: ${error.message}`;
  }
}

const real = await loadReal();
const skip = typeof real === "string" ? real : false;
if (typeof real === "string") console.warn(real);

/** How a call ends: it passes, or there is an error's name and the first line of its message. */
function end(assertions: Assertions, name: string, values: readonly unknown[]): string {
  const functions = assertions as unknown as Record<string, (...values: unknown[]) => unknown>;
  try {
    functions[name](...values);
    return "passes";
  } catch (error) {
    const { name, message } = error as Error;
    // deno-lint-ignore no-control-regex
    return `${name}: ${message.replaceAll(/\x1b\[\d+m/g, "").split("\n")[0]}`;
  }
}

const throwing = (error: unknown) => () => {
  throw error;
};

/** What is called, and how: passing and failing, with and without words of the caller. */
const CALLS: { readonly [K in keyof Assertions]?: readonly (readonly unknown[])[] } = {
  assert: [[true], [1], [false], ["", "the words"], [null, "the words\nof two lines"]],
  assertEquals: [
    ...[[1, 1], [1, 2], ["a", "a"], ["a", "b", "the words"], [1, "1"], [NaN, NaN]],
    ...[[[1, [2]], [1, [2]]], [[1, [2]], [1, [3]], "the words"], [{ a: 1 }, { a: 1 }]],
    ...[[{ a: 1 }, { a: 1, b: undefined }], [{ a: 1 }, { a: 2 }], [undefined, null]],
    ...[[new Uint8Array([1]), new Uint8Array([1])], [new Uint8Array([1]), new Uint8Array([2])]],
    ...[[new Set([1]), new Set([1])], [new Map([[1, 2]]), new Map([[1, 3]])]],
  ],
  assertNotEquals: [[1, 2], [1, 1], ["", "x"], ["", "", "the words"], ["a", "a"], [[1], [2]]],
  assertMatch: [["abc", /b/], ["abc", /x/], ["abc", /^x/m, "the words"]],
  assertNotMatch: [["abc", /x/], ["abc", /b/], ["abc", /^a/m, "the words"]],
  assertThrows: [
    [throwing(new TypeError("a message")), TypeError],
    [throwing(new TypeError("a message")), Error, "message"],
    [throwing(new TypeError("a message")), RangeError],
    [throwing(new TypeError("a message")), RangeError, "", "the words"],
    [throwing(new Error("a message")), Error, "another"],
    [throwing(new Error("a message")), Error, "another", "the words"],
    [throwing("no error"), Error],
    [throwing("no error"), Error, "", "the words"],
    [() => {}, Error],
    [() => {}, Error, "", "the words"],
  ],
};

test("Every function of the stand-in is compared", () => {
  const functions = Object.keys(standIn).filter((name) => name !== "AssertionError");
  nodeAssert.deepEqual(Object.keys(CALLS).sort(), functions.sort());
});

for (const [name, calls] of Object.entries(CALLS)) {
  test(`${name}() of the stand-in passes, and fails with an AssertionError`, () => {
    const ends = calls.map((values) => end(standIn, name, values));
    nodeAssert.ok(ends.includes("passes"));
    const failures = ends.filter((what) => what !== "passes");
    nodeAssert.ok(failures.length > 0);
    for (const failure of failures) nodeAssert.match(failure, /^AssertionError: /);
  });

  test(`${name}() of the stand-in ends as that of @std/assert`, { skip }, () => {
    for (const values of calls) {
      const theirs = end(real as Assertions, name, values);
      nodeAssert.equal(end(standIn, name, values), theirs, `(${values.map(String).join(", ")})`);
    }
  });
}
