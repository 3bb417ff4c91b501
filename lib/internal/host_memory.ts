import { LAYOUT } from "../../ffi/layout.ts";
import { CLOSED } from "./borrowing.ts";

// Compilers take it for a constant, but not the property of an object that is imported.
const RECORD_WORDS = LAYOUT.RECORD_BYTES / 4;

/** Sizes of a host's shared block. */
export interface MemorySizes {
  events: number;
  completions: number;
  arena: number;
  scratch: number;
  outbox: number;
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
    return this.#first + (this.#words[this.tailWord] & this.#mask) * RECORD_WORDS;
  }

  /** Consumes a record. */
  advance(): void {
    this.#words[this.tailWord]++;
  }
}

/** What closed hosts keep for later ones. */
const MAXIMUM_SPARES = 8;
const MAXIMUM_SPARE_BYTES = 4 * 1024 * 1024;

/**
 * Blocks that closed hosts leave to later ones. Left to the collectors, which know little of what lies
 * outside their heap, gigabytes can gather before they run.
 */
class Spares<T extends ArrayBufferLike> {
  readonly #blocks: T[] = [];
  readonly #create: (size: number) => T;

  constructor(create: (size: number) => T) {
    this.#create = create;
  }

  take(size: number): T {
    const index = this.#blocks.findIndex(({ byteLength }) => byteLength === size);
    return index < 0 ? this.#create(size) : this.#blocks.splice(index, 1)[0];
  }

  leave(block: T): void {
    const { byteLength } = block;
    if (this.#blocks.length < MAXIMUM_SPARES && byteLength <= MAXIMUM_SPARE_BYTES) {
      this.#blocks.push(block);
    }
  }
}

const spareBlocks = new Spares((size) => new SharedArrayBuffer(size));
const spareArenas = new Spares((size) => new ArrayBuffer(size));

/** The byte that fills released memory in debug mode. */
const POISON = 0xDD;

/**
 * The memory that a host shares with native code: see "Shared memory" in
 * `native/include/enetjs_layout.h`. Native code writes to it only inside calls of this thread, so it is
 * read and written plainly.
 *
 * The arena is a buffer of its own. Views of it are lent. Before lent bytes go back to native code, the buffer is
 * detached from all of its views: they become empty, and never show another message. Its memory stays where it is.
 */
export class HostMemory {
  /** Tells it from other sources of a packet's bytes. */
  readonly kind = "arena";
  /** Whether borrowing is traced, and what has been given back is overwritten. */
  readonly debug: boolean;
  readonly block: Uint8Array;
  readonly words: Uint32Array;
  /** Messages for `Outbox`. */
  readonly outbox: Uint8Array;
  /** What one call takes. */
  readonly scratch: Uint8Array;
  arena: Uint8Array<ArrayBuffer>;
  /** The same in words; payloads begin at multiples of eight bytes. */
  arenaWords: Uint32Array;
  /** That of the arena. */
  #buffer: ArrayBuffer;
  readonly #sizes: MemorySizes;
  readonly #copiesUpTo: number;
  /** A view of the arena has been lent since the last detachment. */
  #lent = false;
  /** Arena position up to which records have been consumed. */
  #consumed = 0;
  /** Arena position before which payloads are lost, see `restore`. */
  #lostUntil: number | undefined;
  /** Why the bytes of a packet are no longer in the arena, once it is stolen. */
  theft: string = "its buffer was transferred away";

  /** @param copiesUpTo bytes up to which a copy is cheaper than a view */
  constructor(sizes: MemorySizes, copiesUpTo: number, debug: boolean) {
    const size = LAYOUT.HEADER_BYTES + LAYOUT.STATS_COUNT * 8 +
      (sizes.events + sizes.completions) * LAYOUT.RECORD_BYTES + sizes.outbox + sizes.scratch;
    const buffer = spareBlocks.take(size);
    this.block = new Uint8Array(buffer);
    const outbox = size - sizes.scratch - sizes.outbox;
    this.words = new Uint32Array(buffer, 0, outbox / 4);
    this.outbox = this.block.subarray(outbox, outbox + sizes.outbox);
    this.scratch = this.block.subarray(outbox + sizes.outbox);
    this.#buffer = spareArenas.take(sizes.arena);
    this.arena = new Uint8Array(this.#buffer);
    this.arenaWords = new Uint32Array(this.#buffer);
    this.#sizes = sizes;
    this.#copiesUpTo = debug ? -1 : copiesUpTo;
    this.debug = debug;
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
        this.block.buffer,
        words[LAYOUT.WORD_STATS_OFFSET],
        LAYOUT.STATS_COUNT,
      ),
    };
  }

  /** How many records wait in native memory for room. */
  get held(): number {
    return this.words[LAYOUT.WORD_HELD];
  }

  /** Offset in the arena of a position of a record. */
  offsetOf(position: number): number {
    return position & (this.#sizes.arena - 1);
  }

  /** Offset of a payload as native code takes it: behind the end of the block. */
  nativeOffset(arenaOffset: number): number {
    return this.block.length + arenaOffset;
  }

  /** Whether so many bytes are copied where others are lent. */
  copies(length: number): boolean {
    return length <= this.#copiesUpTo;
  }

  /** Copies bytes of the arena into a buffer of their own. */
  copy(offset: number, length: number): Uint8Array<ArrayBuffer> {
    return this.arena.slice(offset, offset + length);
  }

  /** Bytes of the arena for the moment, without lending them to the program. */
  peek(offset: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.copies(length)) return this.copy(offset, length);
    return new Uint8Array(this.#buffer, offset, length);
  }

  /** Lends bytes of the arena. */
  lend(offset: number, length: number): Uint8Array<ArrayBuffer> {
    this.#lent = true;
    // Half the cost of `subarray` on V8.
    return new Uint8Array(this.#buffer, offset, length);
  }

  /** Notes that records have been consumed, up to an arena position. */
  consume(position: number): void {
    this.#consumed = position;
    if (this.debug) this.#giveBack();
  }

  /** Before native code may write: gives it room, when it has little or asks for some. */
  makeRoom(): void {
    const consumed = (this.#consumed - this.words[LAYOUT.WORD_ARENA_TAIL]) >>> 0;
    if (consumed * 2 >= this.#sizes.arena || (this.held > 0 && consumed > 0)) this.#giveBack();
  }

  #giveBack(): void {
    if (this.#lent && !this.stolen) {
      this.#lent = false;
      this.#show(this.#buffer.transfer());
    }
    if (this.debug) this.#poison(this.words[LAYOUT.WORD_ARENA_TAIL], this.#consumed);
    this.words[LAYOUT.WORD_ARENA_TAIL] = this.#consumed;
  }

  #poison(from: number, to: number): void {
    const start = this.offsetOf(from);
    const length = (to - from) >>> 0;
    this.arena.fill(POISON, start, Math.min(start + length, this.arena.length));
    this.arena.fill(POISON, 0, Math.max(0, start + length - this.arena.length));
  }

  /** Whether somebody has transferred the arena away, with the bytes of events not yet taken. */
  get stolen(): boolean {
    return this.arena.length === 0; // as a view of a detached buffer is, and an arena never
  }

  /** Puts another arena in place of one that is gone. */
  restore(): Uint8Array {
    this.#lostUntil = this.words[LAYOUT.WORD_ARENA_HEAD];
    this.#lent = false;
    this.#show(new ArrayBuffer(this.#sizes.arena));
    return this.arena;
  }

  #show(buffer: ArrayBuffer): void {
    this.#buffer = buffer;
    this.arena = new Uint8Array(buffer);
    this.arenaWords = new Uint32Array(buffer);
  }

  /** Whether the payload at a position went with an arena that is gone. */
  isLost(position: number): boolean {
    if (this.#lostUntil === undefined) return false;
    if (((this.#lostUntil - position) | 0) > 0) return true;
    this.#lostUntil = undefined;
    return false;
  }

  /** Leaves the memory to later hosts, once native code has let go of it. */
  recycle(): void {
    this.theft = CLOSED.why;
    spareBlocks.leave(this.block.buffer as SharedArrayBuffer);
    if (!this.stolen) spareArenas.leave(this.#buffer.transfer());
  }
}
