import { LAYOUT } from "../ffi/layout.ts";

/** Sizes of a host's shared block. */
export interface MemorySizes {
  events: number;
  completions: number;
  arena: number;
  scratch: number;
}

/** One of the two rings, as its consumer sees it. */
export class Ring {
  /** Records end here; written by native code. */
  readonly headWord: number;
  /** Records are consumed up to here; written by us. */
  readonly tailWord: number;
  readonly #first: number;
  readonly #mask: number;
  readonly #words: Uint32Array;

  constructor(words: Uint32Array, headWord: number, byteOffset: number, capacity: number) {
    this.headWord = headWord;
    this.tailWord = headWord + 1;
    this.#first = byteOffset / 4;
    this.#mask = capacity - 1;
    this.#words = words;
  }

  /** Whether there is nothing to consume. */
  get empty(): boolean {
    return this.#words[this.headWord] === this.#words[this.tailWord];
  }

  /** Word index of the next record to consume. */
  get record(): number {
    return this.#first + (this.#words[this.tailWord] & this.#mask) * (LAYOUT.RECORD_BYTES / 4);
  }

  /** Consumes a record. */
  advance(): void {
    this.#words[this.tailWord]++;
  }
}

/**
 * The block that a host shares with native code: see "Shared memory" in
 * `native/include/enetjs.h`. Native code writes to it only inside calls of this thread, so it is
 * read and written plainly.
 */
export class Memory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly scratch: Uint8Array;
  readonly #sizes: MemorySizes;

  constructor(sizes: MemorySizes) {
    const size = LAYOUT.HEADER_BYTES + LAYOUT.STATS_COUNT * 8 +
      (sizes.events + sizes.completions) * LAYOUT.RECORD_BYTES + sizes.arena + sizes.scratch;
    const buffer = new SharedArrayBuffer(size);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer, 0, (size - sizes.scratch) / 4);
    this.scratch = this.bytes.subarray(size - sizes.scratch);
    this.#sizes = sizes;
  }

  /** Views that need the offsets native code has written. */
  rings(): { events: Ring; completions: Ring; stats: Float64Array } {
    const { words } = this;
    const ring = (head: number, offset: number, capacity: number) =>
      new Ring(words, head, words[offset], capacity);
    return {
      events: ring(LAYOUT.WORD_EVENT_HEAD, LAYOUT.WORD_EVENT_OFFSET, this.#sizes.events),
      completions: ring(
        LAYOUT.WORD_COMPLETION_HEAD,
        LAYOUT.WORD_COMPLETION_OFFSET,
        this.#sizes.completions,
      ),
      stats: new Float64Array(
        this.bytes.buffer,
        words[LAYOUT.WORD_STATS_OFFSET],
        LAYOUT.STATS_COUNT,
      ),
    };
  }

  /** Position in the block of a payload at an arena position. */
  arenaOffset(position: number): number {
    return this.words[LAYOUT.WORD_ARENA_OFFSET] + (position & (this.#sizes.arena - 1));
  }

  /** Gives arena bytes back, up to where a consumed record says. */
  releaseArena(tail: number): void {
    this.words[LAYOUT.WORD_ARENA_TAIL] = tail;
  }

  /** How many records wait in native memory for room. */
  get held(): number {
    return this.words[LAYOUT.WORD_HELD];
  }
}
