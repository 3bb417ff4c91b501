/**
 * What the tests of the public FFI share: their C library, and how errors are looked at.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { FfiError, type FfiErrorCode } from "../../ffi/mod.ts";

const windows = process.platform === "win32";
const FILE = windows
  ? "ffi_library.dll"
  : `libffi_library.${process.platform === "darwin" ? "dylib" : "so"}`;

/** `native/tests/ffi_library.c`, built. */
export const LIBRARY: string = fileURLToPath(
  new URL(`../../native/build/${FILE}`, import.meta.url),
);

/** Fails unless it throws an `FfiError` with this code, and returns that. */
export function fails(code: FfiErrorCode, action: () => unknown, what = ""): FfiError {
  let result: unknown;
  try {
    result = action();
  } catch (error) {
    assert.ok(error instanceof FfiError, `${what}: ${error}`);
    assert.equal(error.code, code, `${what}: ${error.message}`);
    assert.equal(error.name, "FfiError");
    return error;
  }
  assert.fail(`${what}: nothing was thrown but ${String(result)} returned, not ${code}`);
}
