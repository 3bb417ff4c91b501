/**
 * Functions that are called by their address.
 *
 * @module
 */
import process from "node:process";
import { readNative, writeNative } from "./_scalar.ts";
import { addressOf, needPointers } from "./_system.ts";
import type { NativeSignature, RawFunction } from "./contract.ts";
import { FfiError } from "./errors.ts";
import { type Library, loadedLibrary } from "./loader.ts";
import { detectRuntime } from "./runtime.ts";

/** The frame of `enetjs_call`: 64-bit words, named as in `native/include/enetjs_layout.h`. */
const FRAME = { FUNCTION: 0, RESULT_KIND: 8, COUNT: 16, RESULT: 24, ARGUMENTS: 32 } as const;
/** How an argument or result travels. */
const KIND = { INTEGER: 0n, FLOAT: 1n, DOUBLE: 2n } as const;

function kindOf(type: string): bigint {
  if (type === "f32") return KIND.FLOAT;
  return type === "f64" ? KIND.DOUBLE : KIND.INTEGER;
}

function needLibrary(what: string): Library {
  const library = loadedLibrary();
  if (library !== undefined) return library;
  throw new FfiError(
    "ENETJS_ERR_FFI_UNSUPPORTED",
    `${what} takes the native library: await prepare() first`,
  );
}

/** Buffers whose addresses are in frames of calls under way. */
const inUse: Uint8Array[] = [];

/**
 * A raw function that takes bytes at some places, and passes their address to C. The bytes are kept
 * alive until the call returns, also while the call runs callbacks.
 */
export function withAddresses(raw: RawFunction, places: readonly number[]): RawFunction {
  return (...values) => {
    const held = inUse.length;
    try {
      for (const place of places) {
        if (!(values[place] instanceof Uint8Array)) continue;
        inUse.push(values[place]);
        values[place] = addressOf(values[place]);
      }
      return raw(...values);
    } finally {
      inUse.length = held;
    }
  };
}

/** A function that libenetjs calls, because the runtime itself cannot. */
export function throughLibrary(
  { native }: Library,
  address: bigint,
  { parameters, result }: NativeSignature,
): RawFunction {
  const size = FRAME.ARGUMENTS + parameters.length * 16;
  return (...values) => {
    const frame = new DataView(new ArrayBuffer(size));
    writeNative(frame, "u64", FRAME.FUNCTION, address);
    writeNative(frame, "u64", FRAME.RESULT_KIND, kindOf(result));
    writeNative(frame, "u64", FRAME.COUNT, BigInt(parameters.length));
    const held = inUse.length;
    parameters.forEach((type, index) => {
      const offset = FRAME.ARGUMENTS + index * 16;
      const value = values[index];
      writeNative(frame, "u64", offset, kindOf(type));
      if (type === "buffer") {
        inUse.push(value);
        writeNative(frame, "u64", offset + 8, addressOf(value));
      } else if (type === "f32" || type === "f64") {
        writeNative(frame, type, offset + 8, value);
      } else {
        writeNative(frame, "i64", offset + 8, BigInt.asIntN(64, BigInt(value)));
      }
    });
    const code = native.enetjs_call(new Uint8Array(frame.buffer), size);
    inUse.length = held;
    if (code < 0) {
      throw new FfiError(
        "ENETJS_ERR_FFI_UNSUPPORTED",
        `${process.platform}-${process.arch} cannot call a function by its address with ` +
          `${parameters.length} arguments`,
      );
    }
    return result === "void" ? undefined : readNative(frame, result as "u64", FRAME.RESULT);
  };
}

function isFloat(type: string): boolean {
  return type === "f32" || type === "f64";
}

/**
 * Whether only libenetjs can make this variadic call. On x86-64 the caller of a variadic function tells how many
 * arguments are in vector registers. The calls that Deno and Bun compile do not tell it.
 */
export function needsVariadicCall({ parameters }: NativeSignature, variadic: boolean): boolean {
  return variadic && parameters.some(isFloat);
}

/** What an error of a runtime says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error for a function that exists, but that the runtime refuses to call. */
export function unsupported(what: string, cause: unknown): FfiError {
  const { name } = detectRuntime();
  const message = `On ${name}, ${what} cannot be called: ${messageOf(cause)}`;
  return new FfiError("ENETJS_ERR_FFI_UNSUPPORTED", message, { cause });
}

/** A raw function of an address. */
export function rawFunctionAt(
  address: bigint,
  signature: NativeSignature,
  variadic: boolean,
): RawFunction {
  needPointers();
  if (needsVariadicCall(signature, variadic)) {
    return throughLibrary(
      needLibrary("A variadic function with floating point"),
      address,
      signature,
    );
  }
  const { functionAt, name } = detectRuntime();
  if (functionAt !== undefined) {
    try {
      return functionAt(address, signature);
    } catch (error) {
      throw unsupported("a function with this signature", error);
    }
  }
  return throughLibrary(needLibrary(`A function without a name, on ${name},`), address, signature);
}
