/**
 * C libraries from TypeScript: one FFI for Deno, Bun and Node.
 *
 * @example
 * ```ts
 * import { dlopen, toString } from "@enetjs/enet/ffi";
 *
 * using libc = dlopen(null, {
 *   strdup: { parameters: ["cstring"], result: "pointer" },
 *   free: { parameters: ["pointer"], result: "void" },
 * });
 * const copy = libc.symbols.strdup("hello");
 * console.log(toString(copy)); // hello
 * libc.symbols.free(copy);
 * ```
 *
 * @module
 */
import { loadLibrary } from "./loader.ts";

export {
  Callback,
  callback,
  type CallbackArguments,
  type CallbackFunction,
  type CallbackOptions,
  type CallbackSignature,
} from "./callback.ts";
export { call, define, functionAt } from "./define.ts";
export { errno } from "./errno.ts";
export { FfiError, type FfiErrorCode, type FfiErrorOptions } from "./errors.ts";
export {
  dlclose,
  dlerror,
  dlopen,
  type DlopenOptions,
  dlsym,
  type Library,
  type LibraryHandle,
  RTLD_DEFAULT,
  RTLD_GLOBAL,
  RTLD_LAZY,
  RTLD_LOCAL,
  RTLD_NODELETE,
  RTLD_NOLOAD,
  RTLD_NOW,
} from "./library.ts";
export {
  alloc,
  free,
  type MemoryView,
  toArrayBuffer,
  type ToArrayBufferOptions,
  toPointer,
  toString,
  view,
} from "./memory.ts";
export { array, offsetof, sizeof, struct } from "./struct.ts";
export {
  type Abi,
  type AddressType,
  type Argument,
  type Arguments,
  type ArrayType,
  type BigIntType,
  type BufferLike,
  type ExactType,
  type FieldInput,
  type Fields,
  type FieldType,
  type FieldValue,
  type NativeFunction,
  type NativeFunctions,
  NULL,
  type NumberType,
  type ParameterType,
  type Pointer,
  type Result,
  type ResultType,
  type ScalarInput,
  type ScalarType,
  type ScalarValue,
  type Signature,
  type Struct,
  type StructInput,
  type StructValue,
  type Symbols,
} from "./types.ts";

/**
 * Loads libenetjs, which makes calls that the runtimes cannot: on Node, calls of functions without a name; on
 * all runtimes, calls of variadic functions with floating point. Nothing else needs it.
 *
 * @throws {Error} with the code `ENETJS_ERR_LIBRARY` when it is not found
 */
export async function prepare(): Promise<void> {
  await loadLibrary();
}
