import { LAYOUT } from "../../ffi/layout.ts";
import type { Native } from "../../ffi/symbols.ts";
import type { HostMemory } from "./host_memory.ts";

// Compilers take these for constants, but not the properties of an object that is imported.
const {
  OUTBOX_HEADER_BYTES,
  PEER_SLOTS,
  WORD_OUTBOX_FILLED,
} = LAYOUT;

/** Above this, copying outweighs what a call costs. */
export const MAXIMUM_BYTES = 1024;

const HEADER_WORDS = OUTBOX_HEADER_BYTES / 4;

/** What a message is addressed to. */
export interface Recipient {
  readonly id: number;
  /** Whether messages can be sent to it, as far as is known here. */
  readonly sendable: boolean;
  readonly channels: number;
}

/**
 * Small messages on their way out, many to a native call: they are written to shared memory, and
 * native code queues them in order before whatever is asked of it next.
 */
export class Outbox {
  readonly #native: Native;
  readonly #handle: number;
  readonly #header: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;

  constructor(native: Native, handle: number, memory: HostMemory) {
    this.#native = native;
    this.#handle = handle;
    this.#header = memory.words;
    this.#bytes = memory.outbox;
    const { buffer, byteOffset, length } = memory.outbox;
    this.#words = new Uint32Array(buffer, byteOffset, length / 4);
  }

  /**
   * Takes a message, or leaves it. A message that is large or empty, or cannot be sent, is for a call of its own.
   * That call also says what is wrong with it.
   *
   * @returns whether it has been taken
   */
  take(to: Recipient, channelId: number, flags: number, bytes: Uint8Array): boolean {
    const index = this.#open(to, channelId, flags, bytes.length);
    if (index < 0) return false;
    this.#bytes.set(bytes, index << 2);
    return true;
  }

  /**
   * The same for bytes in an arena, without a view of them: on V8, making one costs more than sending.
   *
   * @param offset of the bytes, a multiple of four
   */
  takeFrom(
    arena: Uint32Array,
    offset: number,
    to: Recipient,
    channelId: number,
    flags: number,
    length: number,
  ): boolean {
    const index = this.#open(to, channelId, flags, length);
    if (index < 0) return false;
    const words = this.#words;
    const first = offset >>> 2;
    for (let i = 0; i << 2 < length; i++) words[index + i] = arena[first + i];
    return true;
  }

  /** Writes a header. @returns the word index of the payload, or -1 if it cannot be taken */
  #open(to: Recipient, channelId: number, flags: number, length: number): number {
    if (length === 0 || length > MAXIMUM_BYTES || !to.sendable) return -1;
    if (channelId >>> 0 !== channelId || channelId >= to.channels) return -1;
    const at = this.#place(length);
    if (at < 0) return -1;
    const words = this.#words;
    const index = at >>> 2;
    words[index] = to.id % PEER_SLOTS;
    words[index + 1] = to.id / PEER_SLOTS;
    words[index + 2] = flags << 8 | channelId;
    words[index + 3] = length;
    this.#header[WORD_OUTBOX_FILLED] = (index + HEADER_WORDS << 2) + (length + 3 & ~3);
    return index + HEADER_WORDS;
  }

  /** Where there is room for a message, or -1 if native code can't make any. */
  #place(length: number): number {
    const header = this.#header;
    const limit = this.#bytes.length - OUTBOX_HEADER_BYTES - (length + 3 & ~3);
    if (header[WORD_OUTBOX_FILLED] > limit) this.#native.enetjs_host_push(this.#handle);
    const at = header[WORD_OUTBOX_FILLED];
    return at <= limit ? at : -1;
  }
}
