/**
 * What the demo's server and clients agree on: channels, amounts, the contents of every message,
 * and the lines of JSON that a client reports on stdout.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

/** A channel for each kind of traffic. */
export const CHANNEL = {
  HELLO: 0,
  PING: 1,
  UNRELIABLE: 2,
  RELIABLE: 3,
  FRAGMENTED: 4,
  FILE: 5,
  BROADCAST: 6,
} as const;

/** How many channels that is. */
export const CHANNELS = 7;

/** Messages of each kind, per client. */
export const COUNT = {
  PING: 200,
  UNRELIABLE: 1000,
  RELIABLE: 4000,
  FRAGMENTED: 60,
  BROADCAST: 100,
} as const;

/** What is sent of a file, at most. */
export const FILE_BYTES = 8 * 1024 * 1024;

/** What each client goes through, in this order. */
export const STAGES = [
  "connect",
  "round trips",
  "unreliable",
  "reliable",
  "fragmented",
  "file to server",
  "file to client",
  "broadcast",
  "disconnect",
] as const;

/** One of the stages. */
export type Stage = typeof STAGES[number];

/** A stage that a client has finished. */
export interface Report {
  stage: Stage;
  /** Messages and payload bytes in both directions. */
  messages: number;
  bytes: number;
  /** What the client knows about the stage, for the server to compare. */
  detail: Record<string, string | number>;
}

/** The size of a message: at most 1000 bytes, fragments up to 128 KiB. */
export function sizeOf(kind: "ping" | "unreliable" | "reliable" | "fragmented", i: number): number {
  if (kind === "ping") return 32;
  if (kind === "unreliable") return 16 + i % 500;
  return kind === "reliable" ? 4 + i * 7 % 996 : 2000 + i * 7919 % (126 * 1024);
}

/** Bytes that follow from `seed` and `i`; the first four are `i` itself. */
export function contents(seed: string, i: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = i + 1;
  for (let k = 0; k < seed.length; k++) state = Math.imul(state ^ seed.charCodeAt(k), 0x9E3779B1);
  for (let k = 0; k < size; k++) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    bytes[k] = state >>> 24;
  }
  new DataView(bytes.buffer).setUint32(0, i);
  return bytes;
}

/** Counts and digests messages in the order they pass. */
export class Tally {
  messages = 0;
  bytes = 0;
  readonly #hash = createHash("sha256");

  /** Adds a message. */
  add(message: Uint8Array): void {
    this.messages++;
    this.bytes += message.length;
    this.#hash.update(message);
  }

  /** The SHA-256 of everything so far. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}

/** The SHA-256 of bytes. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The first {@linkcode FILE_BYTES} of a file. */
export function readHead(path: string): Uint8Array {
  const bytes = Buffer.alloc(FILE_BYTES);
  const fd = openSync(path, "r");
  try {
    return new Uint8Array(bytes.buffer, bytes.byteOffset, readSync(fd, bytes, 0, FILE_BYTES, 0));
  } finally {
    closeSync(fd);
  }
}
