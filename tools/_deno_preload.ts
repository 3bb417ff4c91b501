/**
 * Loaded before each test file on Deno. When a file uses `node:test`, Deno 2.9 counts uncaught errors and
 * unhandled rejections as handled, and the file passes. This module hands them to Deno's own test runner,
 * so that the file fails, as on Bun and Node.
 *
 * @module
 */

for (const type of ["error", "unhandledrejection"]) {
  globalThis.addEventListener(type, (event) => event.stopImmediatePropagation());
}
