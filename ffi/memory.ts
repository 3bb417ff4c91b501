/**
 * Native memory: allocating, and looking at it.
 *
 * @module
 */
import { bytesOf } from "./_bytes.ts";
import { readNative, scalarDecoder, scalarEncoder, writeNative } from "./_scalar.ts";
import { addressOf, mapMemory, memory } from "./_system.ts";
import { FfiError } from "./errors.ts";
import { detectRuntime } from "./runtime.ts";
import {
  type BufferLike,
  type Pointer,
  type ScalarInput,
  scalarOf,
  type ScalarType,
  type ScalarValue,
  typeError,
} from "./types.ts";
import { show } from "./show.ts";
import { decoder } from "./utf8.ts";

/** The largest length that is accepted, in bytes. No runtime can map so much at once. */
const MAXIMUM_LENGTH = 2 ** 32 - 1;

/** Refuses what cannot be the address of memory. */
export function checkPointer(pointer: unknown, label: string): bigint {
  if (typeof pointer !== "bigint" || pointer === 0n) {
    const isNull = pointer === 0n || pointer === null || pointer === undefined;
    throw new FfiError(
      isNull ? "ENETJS_ERR_FFI_NULL" : "ENETJS_ERR_FFI_VALUE",
      `${label}: expected a pointer, not ${show(pointer)}`,
      { value: pointer },
    );
  }
  if (pointer < 0n || pointer > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new FfiError("ENETJS_ERR_FFI_RANGE", `${label}: ${show(pointer)} is not an address`, {
      value: pointer,
    });
  }
  return pointer;
}

function checkLength(length: unknown, label: string): number {
  if (typeof length !== "number") {
    throw new FfiError("ENETJS_ERR_FFI_VALUE", `${label}: expected a length, not ${show(length)}`, {
      value: length,
    });
  }
  if (!Number.isInteger(length) || length < 0 || length > MAXIMUM_LENGTH) {
    throw new FfiError(
      "ENETJS_ERR_FFI_RANGE",
      `${label}: the length ${length} is not an integer from 0 to ${MAXIMUM_LENGTH}`,
      { value: length },
    );
  }
  return length;
}

/** Pointers of `alloc` that are not freed. */
const allocated = new Set<Pointer>();

/**
 * Allocates zeroed memory with C's `calloc`.
 *
 * @param size bytes, 4294967295 at most
 * @returns its address, aligned for every type
 * @throws {FfiError} `ENETJS_ERR_FFI_MEMORY` when there is not so much
 */
export function alloc(size: number): Pointer {
  const bytes = BigInt(Math.max(checkLength(size, "alloc()"), 1));
  const pointer: Pointer = memory().calloc(bytes, 1n);
  if (pointer === 0n) {
    throw new FfiError("ENETJS_ERR_FFI_MEMORY", `alloc(): no ${size} bytes are left`, {
      value: size,
    });
  }
  allocated.add(pointer);
  return pointer;
}

/**
 * Frees memory of {@linkcode alloc}. Memory that a library allocated is freed by the function that its
 * documentation names, often C's `free`: `dlopen(null, { free: { parameters: ["pointer"], result: "void" }
 * })`. Buffers over the memory must no longer be used.
 *
 * @throws {FfiError} `ENETJS_ERR_FFI_POINTER` for any other pointer, and for one that is freed
 */
export function free(pointer: Pointer): void {
  if (!allocated.delete(checkPointer(pointer, "free()"))) {
    throw new FfiError(
      "ENETJS_ERR_FFI_POINTER",
      `free(): ${show(pointer)} is not from alloc(), or is freed already`,
      { value: pointer },
    );
  }
  memory().free(pointer);
}

/**
 * Copies a string of C out of memory, as UTF-8.
 *
 * @param pointer its first byte
 * @param length its bytes, if it does not end with a zero
 * @throws {FfiError} `ENETJS_ERR_FFI_NULL`
 */
export function toString(pointer: Pointer, length?: number): string {
  const address = checkPointer(pointer, "toString()");
  const bytes = length === undefined
    ? Number(memory().strlen(address))
    : checkLength(length, "toString()");
  // Copied, because a decoder need not take memory that others share.
  return bytes === 0 ? "" : decoder.decode(new Uint8Array(mapMemory(address, bytes)).slice());
}

/** The string at a pointer that may be `NULL`. */
export function stringAt(pointer: Pointer): string | null {
  return pointer === 0n ? null : toString(pointer);
}

/** Options of {@linkcode toArrayBuffer}. */
export interface ToArrayBufferOptions {
  /**
   * Called with the pointer once nothing refers to the buffer any more. It runs some time after the
   * garbage collector, and not at the end of the process.
   */
  free?: (pointer: Pointer) => void;
}

const collected = new FinalizationRegistry<() => void>((release) => release());

/**
 * An ArrayBuffer over native memory, without a copy. C and JavaScript see each other's writes.
 *
 * The memory must stay valid as long as anything refers to the buffer, unless `free` is given. With `free`
 * the buffer cannot be transferred, because the library could not know how long the memory is in use.
 *
 * @param pointer its first byte
 * @param length its bytes
 * @throws {FfiError} `ENETJS_ERR_FFI_NULL`, `ENETJS_ERR_FFI_RANGE`
 */
export function toArrayBuffer(
  pointer: Pointer,
  length: number,
  options: ToArrayBufferOptions = {},
): ArrayBuffer {
  const address = checkPointer(pointer, "toArrayBuffer()");
  checkLength(length, "toArrayBuffer()");
  const { free } = options;
  if (free !== undefined && typeof free !== "function") {
    throw new FfiError(
      "ENETJS_ERR_FFI_VALUE",
      `toArrayBuffer(): free must be a function, not ${show(free)}`,
      { value: free },
    );
  }
  const buffer = length === 0 ? new ArrayBuffer(0) : mapMemory(address, length);
  if (free !== undefined) {
    detectRuntime().pin(buffer);
    collected.register(buffer, () => free(address));
  }
  return buffer;
}

/**
 * The address of a buffer's first byte. It is good only while you hold the buffer, and it is not
 * resized or transferred.
 *
 * @throws {FfiError} `ENETJS_ERR_FFI_NULL` for an empty buffer, which has no address;
 *   `ENETJS_ERR_FFI_VALUE` for a detached one
 */
export function toPointer(buffer: BufferLike): Pointer {
  const bytes = bytesOf(buffer, "toPointer()");
  if (bytes.length > 0) return addressOf(bytes);
  throw new FfiError("ENETJS_ERR_FFI_NULL", "toPointer(): an empty buffer has no address", {
    value: buffer,
  });
}

/** Memory of unknown length, read and written one value at a time. */
export interface MemoryView {
  /** Where it begins. */
  readonly pointer: Pointer;
  /** Reads a value, `byteOffset` bytes after the beginning. */
  read<T extends ScalarType>(type: T, byteOffset?: number): ScalarValue<T>;
  /** Writes a value, `byteOffset` bytes after the beginning. */
  write<T extends ScalarType>(type: T, value: ScalarInput<T>, byteOffset?: number): void;
}

/** The memory of one value, and what it is. */
function cellAt(pointer: Pointer, type: ScalarType, byteOffset: number, label: string) {
  const scalar = scalarOf(type);
  if (scalar === undefined) throw typeError(type, label);
  if (!Number.isSafeInteger(byteOffset)) {
    throw new FfiError("ENETJS_ERR_FFI_RANGE", `${label}: ${show(byteOffset)} is not an offset`, {
      value: byteOffset,
    });
  }
  const address = checkPointer(pointer + BigInt(byteOffset), label);
  return { scalar, cell: new DataView(mapMemory(address, scalar.size)) };
}

/**
 * Reads and writes the memory behind a pointer. Its size is unknown: reading beyond its end may crash.
 *
 * @throws {FfiError} `ENETJS_ERR_FFI_NULL`
 *
 * @example
 * ```ts
 * import { alloc, free, view } from "@enetjs/enet/ffi";
 *
 * const pointer = alloc(16);
 * const memory = view(pointer);
 * memory.write("i64", 2n ** 62n, 8);
 * console.log(memory.read("i64", 8) === 2n ** 62n); // true
 * free(pointer);
 * ```
 */
export function view(pointer: Pointer): MemoryView {
  checkPointer(pointer, "view()");
  return {
    pointer,
    read(type, byteOffset = 0) {
      const { scalar, cell } = cellAt(pointer, type, byteOffset, "read()");
      return scalarDecoder(scalar, "read()")(readNative(cell, scalar.native, 0));
    },
    write(type, value, byteOffset = 0) {
      const { scalar, cell } = cellAt(pointer, type, byteOffset, "write()");
      writeNative(cell, scalar.native, 0, scalarEncoder(scalar, "write()")(value));
    },
  };
}
