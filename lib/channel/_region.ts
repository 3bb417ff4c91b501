import { CHANNEL } from "../../ffi/layout.ts";

/** A ring's bytes, as its own end sees them and as it lends parts of them. */
export interface Region {
  /** All of them; never lent. */
  readonly bytes: Uint8Array;
  /** The same as words. */
  readonly words: Int32Array;
  /** A view of some of them, for the program. */
  lend(offset: number, length: number): Uint8Array;
  /** Ends a loan. */
  takeBack(view: Uint8Array): void;
}

/** One direction of a channel's memory. */
export interface Direction {
  /** Its words; see "Memory of a channel" in `native/include/enetjs_layout.h`. */
  readonly words: Int32Array;
  readonly region: Region;
  /** Largest message. */
  readonly capacity: number;
}

/** Native memory, mapped; what is lent becomes empty when it is taken back. */
export class NativeRegion implements Region {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Whether the program has transferred a loan away, so that the memory can never be reused. */
  stolen = false;
  readonly #map: (address: number, length: number) => ArrayBuffer;
  readonly #address: number;

  constructor(
    map: (address: number, length: number) => ArrayBuffer,
    address: number,
    length: number,
  ) {
    const buffer = map(address, length);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.#map = map;
    this.#address = address;
  }

  // A buffer for each loan: taking it back costs Bun as much time as copying the buffer would.
  lend(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.#map(this.#address + offset, length));
  }

  takeBack({ buffer }: Uint8Array): void {
    if ((buffer as ArrayBuffer).detached) this.stolen = true;
    else (buffer as ArrayBuffer).transfer(0);
  }
}

/** Memory that JavaScript threads share; nothing can empty its views. */
class SharedRegion implements Region {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;

  constructor(memory: SharedArrayBuffer, offset: number, length: number) {
    this.bytes = new Uint8Array(memory, offset, length);
    this.words = new Int32Array(memory, offset, length / 4);
  }

  lend(offset: number, length: number): Uint8Array {
    return this.bytes.subarray(offset, offset + length);
  }

  takeBack(): void {}
}

function ringBytes(capacity: number): number {
  const { UNIT_BYTES, RECORD_HEADER, RING_ALIGNMENT } = CHANNEL;
  const record = RECORD_HEADER +
    Math.ceil(capacity / UNIT_BYTES) * UNIT_BYTES;
  return Math.ceil(record / RING_ALIGNMENT) * RING_ALIGNMENT;
}

/** The words of a direction in a block. */
function wordsOf(block: ArrayBufferLike, direction: number): Int32Array {
  const { DIRECTION_BYTES } = CHANNEL;
  return new Int32Array(block, direction * DIRECTION_BYTES, DIRECTION_BYTES / 4);
}

/** Bytes of a block before its first ring and guard. */
export const WORDS_BYTES: number = 2 * CHANNEL.DIRECTION_BYTES;

/** Lays out the memory of a channel between JavaScript threads. */
export function allocateShared(capacities: readonly [number, number]): SharedArrayBuffer {
  const [first, second] = capacities.map(ringBytes);
  const guard = CHANNEL.GUARD_BYTES;
  const offsets = [WORDS_BYTES + guard, WORDS_BYTES + 2 * guard + first];
  const block = new SharedArrayBuffer(WORDS_BYTES + 3 * guard + first + second);
  for (const direction of [0, 1]) {
    const words = wordsOf(block, direction);
    words[CHANNEL.WORD_OFFSET] = offsets[direction];
    words[CHANNEL.WORD_RING_BYTES] = ringBytes(capacities[direction]);
    words[CHANNEL.WORD_CAPACITY] = capacities[direction];
  }
  return block;
}

/** Both directions of a block, whose words are in `head`. */
export function directions(
  head: ArrayBufferLike,
  region: (offset: number, length: number) => Region,
): [Direction, Direction] {
  const direction = (index: number): Direction => {
    const words = wordsOf(head, index);
    return {
      words,
      region: region(
        words[CHANNEL.WORD_OFFSET],
        words[CHANNEL.WORD_RING_BYTES],
      ),
      capacity: words[CHANNEL.WORD_CAPACITY],
    };
  };
  return [direction(0), direction(1)];
}

/** Both directions of shared memory, or undefined if it is none of a channel. */
export function sharedDirections(block: SharedArrayBuffer): [Direction, Direction] | undefined {
  if (block.byteLength < WORDS_BYTES) return undefined;
  for (const index of [0, 1]) {
    const words = wordsOf(block, index);
    const offset = words[CHANNEL.WORD_OFFSET];
    const size = words[CHANNEL.WORD_RING_BYTES];
    const capacity = words[CHANNEL.WORD_CAPACITY];
    if (
      capacity < 1 || size !== ringBytes(capacity) || offset < WORDS_BYTES || offset % 8 !== 0 ||
      offset + size > block.byteLength
    ) {
      return undefined;
    }
  }
  return directions(block, (offset, length) => new SharedRegion(block, offset, length));
}
