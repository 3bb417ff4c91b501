/** By this, all runtimes ask an object how `console.log` is to show it. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/**
 * Makes `console.log` show the instances of a class as `Peer { 127.0.0.1:7777, connected }`, rather than as an
 * object without properties.
 *
 * @param describe what stands between the braces; it must not throw, nor change anything
 */
export function makeInspectable<T extends object>(
  prototype: T,
  name: string,
  describe: (value: T) => string,
): void {
  function inspect(this: T): string {
    // The prototype itself is no instance.
    return `${name} { ${this === prototype ? "prototype" : describe(this)} }`;
  }
  showAs(prototype, inspect);
}

/**
 * Makes `console.log` show an object, or what inherits from it, as a text.
 *
 * @param inspect returns the text; `this` is what is shown
 * @returns the object
 */
export function showAs<T extends object>(object: T, inspect: (this: T) => string): T {
  return Object.defineProperty(object, INSPECT, { value: inspect, configurable: true });
}

/** `1 peer`, `2 peers`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** The first bytes of a message in hexadecimal digits. */
export function preview(bytes: Uint8Array): string {
  const shown = [...bytes.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > shown.length ? " …" : "");
}
