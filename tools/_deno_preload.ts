/**
 * Loaded before each test file on Deno. When a file uses `node:test`, Deno 2.9 takes uncaught errors
 * and unhandled rejections for handled, and the file passes. Here they reach Deno's own test runner
 * instead, as on Bun and Node.
 *
 * @module
 */

for (const type of ["error", "unhandledrejection"]) {
  globalThis.addEventListener(type, (event) => event.stopImmediatePropagation());
}
