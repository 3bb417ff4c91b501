import { valueError } from "./_scalar.ts";
import type { BufferLike } from "./types.ts";
import { encoder } from "./utf8.ts";

/** The bytes of a buffer or view, where they are. */
export function bytesOf(value: BufferLike, label: string): Uint8Array {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  if (buffer instanceof ArrayBuffer ? buffer.detached : !(buffer instanceof SharedArrayBuffer)) {
    throw valueError(label, "a buffer (an ArrayBuffer or a view) that is not detached", value);
  }
  return ArrayBuffer.isView(value)
    ? new Uint8Array(buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(buffer);
}

/** Short strings share a buffer of this size. A new buffer for each would cost more than the call. */
const CHUNK_SIZE = 16_384;
/** Longest short string, in UTF-16 units: its UTF-8 takes at most a quarter of that buffer. */
const SHORT = CHUNK_SIZE / 4 / 3;

let chunk = new Uint8Array(0);
let used = 0;

/** A string with the zero that ends it in C. */
export function encodeString(value: unknown, label: string): Uint8Array {
  if (typeof value !== "string") throw valueError(label, "a string", value);
  if (value.includes("\0")) throw valueError(label, "a string without zeros", value);
  if (value.length > SHORT) return encoder.encode(`${value}\0`);
  if (chunk.length - used <= value.length * 3) {
    chunk = new Uint8Array(new ArrayBuffer(CHUNK_SIZE));
    used = 0;
  }
  const rest = chunk.subarray(used);
  const { written } = encoder.encodeInto(value, rest);
  rest[written] = 0;
  used += written + 1;
  return rest;
}
