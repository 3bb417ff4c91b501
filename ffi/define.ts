/**
 * Functions from pointers, and functions that are called by name.
 *
 * @module
 */
import { callSignature } from "./_codec.ts";
import { checkedFunction, type Owner } from "./_function.ts";
import { FfiError } from "./errors.ts";
import { ownerOf, rawFunctionOf } from "./library.ts";
import { checkPointer } from "./memory.ts";
import type { RawFunction } from "./contract.ts";
import {
  type Abi,
  checkAbi,
  isAbi,
  type NativeFunction,
  type ParameterType,
  type Pointer,
  type ResultType,
  type Signature,
} from "./types.ts";
import { show } from "./show.ts";

function functionOf(name: string, pointer: Pointer, signature: Signature): RawFunction {
  const native = callSignature(name, signature);
  const address = checkPointer(pointer, `${name}()`);
  const owner = ownerOf(address);
  if (owner.closed) {
    throw new FfiError("ENETJS_ERR_FFI_CLOSED", `${name}(): ${owner.title} is closed`, {
      value: pointer,
    });
  }
  const raw = rawFunctionOf(address, native, signature.variadic ?? false);
  return checkedFunction(name, signature, raw, owner);
}

/**
 * Makes a function of a C function pointer: `dlsym` found it, or a call has returned it. Once the library that
 * `dlsym` found it in is closed, it throws.
 *
 * Node calls functions by name only; one that `dlsym` did not find takes {@linkcode prepare} there.
 *
 * @throws {FfiError} `ENETJS_ERR_FFI_NULL`, `ENETJS_ERR_FFI_TYPE`, `ENETJS_ERR_FFI_CLOSED`,
 *   `ENETJS_ERR_FFI_UNSUPPORTED`
 */
export function functionAt<const S extends Signature>(
  pointer: Pointer,
  signature: S,
): NativeFunction<S> {
  return functionOf("functionAt", pointer, signature) as NativeFunction<S>;
}

interface Definition {
  readonly pointer: Pointer;
  readonly types: readonly unknown[];
  readonly owner: Owner;
  readonly target: RawFunction;
}

const definitions = new Map<string, Definition>();

/**
 * Gives a function pointer a name for {@linkcode call}. The same definition may be given again;
 * another one for the name only when the library of the first is closed.
 *
 * @param name any name
 * @param pointer the function
 * @param returnType the type of its result
 * @param argumentTypes the types of its parameters
 * @returns the function, typed, for calling it without its name
 * @throws {FfiError} `ENETJS_ERR_FFI_REDEFINED`, and as {@linkcode functionAt} does
 *
 * @example
 * ```ts
 * import { call, define, dlsym, RTLD_DEFAULT } from "@enetjs/enet/ffi";
 *
 * const strlen = define("strlen", dlsym(RTLD_DEFAULT, "strlen"), "size_t", "cstring");
 * console.log(strlen("hello"), call("strlen", "hello")); // 5n 5n
 * ```
 */
export function define<
  const R extends ResultType,
  const P extends readonly ParameterType[],
>(
  name: string,
  pointer: Pointer,
  returnType: R,
  ...argumentTypes: P
): NativeFunction<{ parameters: P; result: R }>;
/**
 * The same with an ABI before the types.
 *
 * @param name any name
 * @param pointer the function
 * @param abi how it takes its arguments; `null` and `"default"` are the platform's way
 * @param returnType the type of its result
 * @param argumentTypes the types of its parameters
 * @returns the function, typed, for calling it without its name
 * @throws {FfiError} also `ENETJS_ERR_FFI_UNSUPPORTED` for an ABI of another platform
 */
export function define<
  const R extends ResultType,
  const P extends readonly ParameterType[],
>(
  name: string,
  pointer: Pointer,
  abi: Abi | null,
  returnType: R,
  ...argumentTypes: P
): NativeFunction<{ parameters: P; result: R }>;
export function define(name: string, pointer: Pointer, ...given: unknown[]): RawFunction {
  if (typeof name !== "string") {
    throw new FfiError("ENETJS_ERR_FFI_VALUE", `define(): ${show(name)} is not a name`, {
      value: name,
    });
  }
  const abi = isAbi(given[0]) ? given[0] : undefined;
  const types = abi === undefined ? given : given.slice(1);
  checkAbi(abi, `define(${show(name)})`);
  const known = definitions.get(name);
  if (known !== undefined && !known.owner.closed) {
    const same = known.pointer === pointer && known.types.length === types.length &&
      types.every((type, index) => type === known.types[index]);
    if (same) return known.target;
    throw new FfiError(
      "ENETJS_ERR_FFI_REDEFINED",
      `define(): ${show(name)} is defined with another pointer or other types`,
      { value: name },
    );
  }
  const [result, ...parameters] = types as [ResultType, ...ParameterType[]];
  const target = functionOf(name, pointer, { parameters, result, abi });
  definitions.set(name, { pointer, types, owner: ownerOf(pointer), target });
  return target;
}

/**
 * Calls a function that {@linkcode define} has named.
 *
 * @throws {FfiError} `ENETJS_ERR_FFI_UNDEFINED`, and what the function throws
 */
export function call(name: string, ...values: unknown[]): unknown {
  const definition = definitions.get(name);
  if (definition !== undefined) return definition.target(...values);
  throw new FfiError("ENETJS_ERR_FFI_UNDEFINED", `call(): ${show(name)} is not defined`, {
    value: name,
  });
}
