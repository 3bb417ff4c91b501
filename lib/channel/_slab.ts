const CHUNK = 32 * 1024;
const LARGEST = 2 * 1024;

let chunk = new ArrayBuffer(0);
let used = 0;

/**
 * Copies bytes for a handler, which borrows them. Small copies share a chunk, because on V8 a buffer of
 * their own costs up to ten times as much; a chunk lives as long as any of its copies. What the program may
 * keep, or transfer, needs a buffer of its own instead.
 */
export function copyForHandler(source: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = source;
  if (length > LARGEST) return new Uint8Array(source);
  if (length > chunk.byteLength - used) {
    chunk = new ArrayBuffer(CHUNK);
    used = 0;
  }
  const copy = new Uint8Array(chunk, used, length);
  copy.set(source);
  used += (length + 7) & ~7;
  return copy;
}
