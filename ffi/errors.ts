/**
 * The codes of {@linkcode FfiError}.
 *
 * | code | meaning |
 * |---|---|
 * | `ENETJS_ERR_FFI_TYPE` | no such type, or not where it was given |
 * | `ENETJS_ERR_FFI_LIBRARY` | the library could not be opened |
 * | `ENETJS_ERR_FFI_SYMBOL` | the library has no such symbol |
 * | `ENETJS_ERR_FFI_ARITY` | too few or too many arguments |
 * | `ENETJS_ERR_FFI_VALUE` | a value that the C type cannot be made from |
 * | `ENETJS_ERR_FFI_RANGE` | a number outside the range of its C type |
 * | `ENETJS_ERR_FFI_NULL` | null where a pointer is expected |
 * | `ENETJS_ERR_FFI_REDEFINED` | the name is defined with another pointer or signature |
 * | `ENETJS_ERR_FFI_UNDEFINED` | the name to call is not defined |
 * | `ENETJS_ERR_FFI_CLOSED` | the library or callback is closed |
 * | `ENETJS_ERR_FFI_POINTER` | the pointer to free is not one that `alloc` gave, or is freed already |
 * | `ENETJS_ERR_FFI_MEMORY` | out of native memory |
 * | `ENETJS_ERR_FFI_UNSUPPORTED` | this runtime or platform cannot do it, or does not permit it |
 */
export type FfiErrorCode =
  | "ENETJS_ERR_FFI_TYPE"
  | "ENETJS_ERR_FFI_LIBRARY"
  | "ENETJS_ERR_FFI_SYMBOL"
  | "ENETJS_ERR_FFI_ARITY"
  | "ENETJS_ERR_FFI_VALUE"
  | "ENETJS_ERR_FFI_RANGE"
  | "ENETJS_ERR_FFI_NULL"
  | "ENETJS_ERR_FFI_REDEFINED"
  | "ENETJS_ERR_FFI_UNDEFINED"
  | "ENETJS_ERR_FFI_CLOSED"
  | "ENETJS_ERR_FFI_POINTER"
  | "ENETJS_ERR_FFI_MEMORY"
  | "ENETJS_ERR_FFI_UNSUPPORTED";

/** What an {@linkcode FfiError} carries beside its message. */
export interface FfiErrorOptions {
  /** The value at fault. */
  value?: unknown;
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * A call to native code that was refused before it was made, or could not be made.
 *
 * @example
 * ```ts
 * import { dlopen, FfiError } from "@enetjs/enet/ffi";
 *
 * using libc = dlopen(null, { toupper: { parameters: ["int"], result: "int" } });
 * try {
 *   libc.symbols.toupper(2 ** 31);
 * } catch (error) {
 *   if (!(error instanceof FfiError)) throw error;
 *   console.log(error.code, error.value); // ENETJS_ERR_FFI_RANGE 2147483648
 * }
 * ```
 */
export class FfiError extends Error {
  /** What happened, from a closed set of codes. */
  readonly code: FfiErrorCode;
  /** The value at fault, if there is one. */
  readonly value: unknown;

  /**
   * Makes an error, as the module does.
   *
   * @param code what happened
   * @param message a sentence with the values concerned
   * @param options the value at fault and the `cause`
   */
  constructor(code: FfiErrorCode, message: string, options: FfiErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.name = "FfiError";
    this.code = code;
    this.value = options.value;
  }
}
