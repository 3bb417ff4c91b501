import { valueError } from "./_scalar.ts";
import type { BufferLike } from "./types.ts";

/** The bytes of a buffer or view, where they are. */
export function bytesOf(value: BufferLike, label: string): Uint8Array {
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return new Uint8Array(value);
  }
  throw valueError(label, "a buffer (an ArrayBuffer or a view)", value);
}

const encoder = new TextEncoder();

/** A string with the zero that ends it in C. */
export function encodeString(value: unknown, label: string): Uint8Array {
  if (typeof value !== "string") throw valueError(label, "a string", value);
  if (value.includes("\0")) throw valueError(label, "a string without zeros", value);
  return encoder.encode(`${value}\0`);
}
