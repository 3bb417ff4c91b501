/**
 * The functions of `@std/assert` that the tests in this folder use, over `node:assert`. The tasks put
 * this file in its place where JSR can't be reached (`_import_map.json`); `assert_test.ts` compares
 * the two. The first line of what a failure says is the same; `node:assert` shows what differs. To
 * `@std/assert` 0 and -0 are equal, here they are not.
 *
 * @module
 */
import strict, { AssertionError } from "node:assert/strict";

export { AssertionError };

/** What precedes the values in a message: the caller's words, or nothing. */
const suffix = (msg?: string) => msg ? `: ${msg}` : ".";

/** Throws with a message, if a function of `node:assert` throws. */
function translate(check: () => void, message: (error: AssertionError) => string): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    const { actual, expected, operator } = error;
    throw new AssertionError({ message: message(error), actual, expected, operator });
  }
}

const inspect = (value: unknown) => typeof value === "string" ? JSON.stringify(value) : `${value}`;

/** Throws unless a value is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError({ message: msg, actual: expr, expected: true });
}

/** Throws unless two values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  translate(
    () => strict.deepEqual(actual, expected),
    ({ message }) => `Values are not equal${suffix(msg)}\n${message}`,
  );
}

/** Throws if two values are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  translate(
    () => strict.notDeepEqual(actual, expected),
    () => `Expected actual: ${inspect(actual)} not to be: ${inspect(expected)}${suffix(msg)}`,
  );
}

/** Throws unless a text matches. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  translate(
    () => strict.match(actual, expected),
    () => `Expected actual: "${actual}" to match: "${expected}"${suffix(msg)}`,
  );
}

/** Throws if a text matches. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  translate(
    () => strict.doesNotMatch(actual, expected),
    () => `Expected actual: "${actual}" to not match: "${expected}"${suffix(msg)}`,
  );
}

/**
 * Throws unless a function throws an error of a class, with a text in its message. Returns that error.
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes = "",
  msg?: string,
): E {
  let thrown: { error: unknown } | undefined;
  try {
    fn();
  } catch (error) {
    thrown = { error };
  }
  if (thrown === undefined) throw failure(`Expected function to throw${suffix(msg)}`);
  const { error } = thrown;
  if (!(error instanceof Error)) throw failure(`A non-Error object was thrown${suffix(msg)}`);
  if (!(error instanceof ErrorClass)) {
    const names = `"${ErrorClass.name}", but was "${error.constructor.name}"`;
    throw failure(`Expected error to be instance of ${names}${suffix(msg)}`);
  }
  if (!error.message.includes(msgIncludes)) {
    const texts = `${JSON.stringify(msgIncludes)}, but got ${JSON.stringify(error.message)}`;
    throw failure(`Expected error message to include ${texts}${suffix(msg)}`);
  }
  return error;
}

const failure = (message: string) => new AssertionError({ message });
