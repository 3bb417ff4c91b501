/**
 * C's errno.
 *
 * @module
 */
import { lastErrno } from "./_function.ts";
import { scalarEncoder } from "./_scalar.ts";
import { errnoCell } from "./_system.ts";
import { scalarOf } from "./types.ts";

/**
 * C's `errno` as it was when the last call of this module returned. On Deno it takes `--allow-ffi`
 * without a path; otherwise it is 0.
 *
 * @param value what to set it to first, for functions that only change it when they fail
 *
 * @example
 * ```ts
 * import { dlopen, errno } from "@enetjs/enet/ffi";
 *
 * using libc = dlopen(null, { close: { parameters: ["int"], result: "int" } });
 * console.log(libc.symbols.close(-1), errno()); // -1 9
 * ```
 */
export function errno(value?: number): number {
  if (value !== undefined) {
    lastErrno.value = errnoCell()[0] = scalarEncoder(scalarOf("int")!, "errno()")(value);
  }
  return lastErrno.value;
}
