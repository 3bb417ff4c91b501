const CHUNK = 32 * 1024;
const LARGEST = 2 * 1024;

let chunk = new ArrayBuffer(0);
let used = 0;

/**
 * Copies bytes into memory of their own. Small copies share a chunk, because a fresh typed array
 * costs ten times a slice; a chunk lives as long as any of its slices.
 */
export function copyBytes(source: Uint8Array): Uint8Array<ArrayBuffer> {
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
