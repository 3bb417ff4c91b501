/**
 * The two ends of a channel's ring; `native/src/channel/ring.c` is the same in C, and "Memory of a
 * channel" in `native/include/enetjs_layout.h` describes the protocol.
 *
 * What the other end has written is checked before it is used.
 *
 * @module
 */
import { CHANNEL } from "../../ffi/layout.ts";
import { ENetError } from "../errors.ts";
import type { Direction, Region } from "./_region.ts";

const {
  UNIT_BYTES: UNIT,
  RECORD_HEADER: HEADER,
  WORD_HEAD: HEAD,
  WORD_TAIL: TAIL,
  WORD_WRAP: WRAP,
  WORD_PRODUCER_WAITS: PRODUCER_WAITS,
  WORD_CONSUMER_WAITS: CONSUMER_WAITS,
} = CHANNEL;

function recordBytes(length: number): number {
  return HEADER + Math.ceil(length / UNIT) * UNIT;
}

/** What a ring is found to be after its other end has broken the rules. */
function damaged(what: string): ENetError {
  return new ENetError(
    "ENETJS_ERR_FAULT",
    `The other side of the channel broke its rules: ${what}`,
  );
}

/** Both ends: a position in a ring. */
class End {
  protected readonly words: Int32Array;
  protected readonly region: Region;
  protected readonly size: number;
  /** Largest message. */
  readonly capacity: number;
  /** Our HEAD or TAIL. */
  protected count = 0;
  /** Its offset in the ring. */
  protected at = 0;

  constructor({ words, region, capacity }: Direction) {
    this.words = words;
    this.region = region;
    this.size = region.bytes.length;
    this.capacity = capacity;
  }

  /** Bytes that have been written and not freed, from HEAD and TAIL. */
  protected usedOf(head: number, tail: number): number {
    const used = ((head - tail) >>> 0) * UNIT;
    if (used > 2 * this.size) throw damaged("its position in the ring is wrong");
    return used;
  }

  protected advance(bytes: number): void {
    this.at = (this.at + bytes) % this.size;
    this.count = (this.count + bytes / UNIT) | 0;
  }
}

/** Room for a message in a ring. */
export interface Room {
  /** Offset of the message in the ring. */
  readonly offset: number;
  /** Bytes to be skipped before it. */
  readonly skip: number;
}

/** A message in the ring that can be withdrawn until it is taken. */
export interface Offer {
  /** Word index of its kind. */
  readonly kind: number;
  /** HEAD behind it. */
  readonly end: number;
}

/** The end that sends. */
export class RingWriter extends End {
  /** Bytes not freed by the other end. */
  get used(): number {
    return this.usedOf(this.count, Atomics.load(this.words, TAIL));
  }

  /** Whether half of the ring is free. */
  get isHalfFree(): boolean {
    return this.used * 2 <= this.size;
  }

  /** Finds room for a message, if there is some now. */
  find(length: number): Room | undefined {
    const { used } = this;
    const need = recordBytes(length);
    const rest = this.size - this.at;
    const skip = need > rest ? rest : 0;
    if (used > 0 && used + skip + need > this.size) return undefined;
    return { offset: (skip > 0 ? 0 : this.at) + HEADER, skip };
  }

  /** Publishes the message that has been written to the room found last. */
  publish({ offset, skip }: Room, length: number, kind: number = CHANNEL.KIND_PLAIN): Offer {
    if (offset === HEADER) Atomics.store(this.words, WRAP, this.count);
    this.advance(skip);
    const offer = this.#record(length, kind);
    this.advance(recordBytes(length));
    Atomics.store(this.words, HEAD, this.count);
    return { kind: offer, end: this.count };
  }

  #record(length: number, kind: number): number {
    const index = this.at / 4;
    this.region.words[index + CHANNEL.RECORD_LENGTH] = length;
    this.region.words[index + CHANNEL.RECORD_KIND] = kind;
    return index + CHANNEL.RECORD_KIND;
  }

  /** Writes a message, if there is room. */
  write(bytes: Uint8Array, kind?: number): Offer | undefined {
    const room = this.find(bytes.length);
    if (room === undefined) return undefined;
    this.region.bytes.set(bytes, room.offset);
    return this.publish(room, bytes.length, kind);
  }

  /** Whether the other end has taken an offer. */
  isTaken({ kind, end }: Offer): boolean {
    // Behind TAIL the record is gone, and its words are others'.
    return ((end - Atomics.load(this.words, TAIL)) | 0) <= 0 ||
      Atomics.load(this.region.words, kind) === CHANNEL.KIND_TAKEN;
  }

  /** Withdraws an offer. Returns false if it has been taken. */
  withdraw(offer: Offer): boolean {
    if (this.isTaken(offer)) return false;
    const { KIND_OFFERED, KIND_WITHDRAWN } = CHANNEL;
    return Atomics.compareExchange(
      this.region.words,
      offer.kind,
      KIND_OFFERED,
      KIND_WITHDRAWN,
    ) === KIND_OFFERED;
  }

  /** Asks to be woken (`CHANNEL.WAIT_…`); look again afterwards. */
  want(condition: number): void {
    Atomics.store(this.words, PRODUCER_WAITS, condition);
  }

  /** Whether the other end must be woken after messages were published; clears its request. */
  takeWakeRequest(): boolean {
    return Atomics.load(this.words, CONSUMER_WAITS) !== 0 &&
      Atomics.exchange(this.words, CONSUMER_WAITS, 0) !== 0;
  }
}

/** A message where it lies in the ring. */
export interface Found {
  readonly offset: number;
  readonly length: number;
}

/** The end that receives. */
export class RingReader extends End {
  /** Whether what the other end waits for has happened since `takeWakeDue`. */
  #wakeDue = false;

  /** Whether the other end has written nothing more. */
  get isEmpty(): boolean {
    return Atomics.load(this.words, HEAD) === this.count;
  }

  /** The next message, if there is one; it stays in the ring until it is released. */
  peek(): Found | undefined {
    const { words } = this.region;
    for (;;) {
      const used = this.usedOf(Atomics.load(this.words, HEAD), this.count);
      if (used === 0) return undefined;
      const index = this.at / 4;
      const rest = this.size - this.at;
      const kind = words[index + CHANNEL.RECORD_KIND];
      const length = words[index + CHANNEL.RECORD_LENGTH];
      if (this.at !== 0 && Atomics.load(this.words, WRAP) === this.count) {
        if (rest >= used) throw damaged("a record of its ring is wrong");
        this.#free(rest);
        continue;
      }
      const bytes = recordBytes(length);
      if (
        kind < CHANNEL.KIND_PLAIN || kind > CHANNEL.KIND_WITHDRAWN ||
        length < 0 || length > this.capacity || bytes > rest || bytes > used
      ) {
        throw damaged("a record of its ring is wrong");
      }
      if (kind === CHANNEL.KIND_PLAIN || this.#take(index + CHANNEL.RECORD_KIND)) {
        return { offset: this.at + HEADER, length };
      }
      this.#free(bytes);
    }
  }

  /** Takes an offer, unless it has been withdrawn. */
  #take(kind: number): boolean {
    const { KIND_OFFERED, KIND_TAKEN } = CHANNEL;
    const taken = Atomics.compareExchange(this.region.words, kind, KIND_OFFERED, KIND_TAKEN) ===
      KIND_OFFERED;
    if (taken) this.#checkCondition();
    return taken;
  }

  /** Frees the message that was found last. */
  release({ length }: Found): void {
    this.#free(recordBytes(length));
  }

  #free(bytes: number): void {
    this.advance(bytes);
    Atomics.store(this.words, TAIL, this.count);
    this.#checkCondition();
  }

  /** Clears the other end's request to be woken if its condition holds. */
  #checkCondition(): void {
    const condition = Atomics.load(this.words, PRODUCER_WAITS);
    if (condition === 0) return;
    const used = this.usedOf(Atomics.load(this.words, HEAD), this.count);
    if (condition === CHANNEL.WAIT_EMPTY && used > 0) return;
    if (condition === CHANNEL.WAIT_HALF && used * 2 > this.size) return;
    if (Atomics.exchange(this.words, PRODUCER_WAITS, 0) !== 0) this.#wakeDue = true;
  }

  /** Whether the other end must be woken because there is room. */
  takeWakeDue(): boolean {
    const due = this.#wakeDue;
    this.#wakeDue = false;
    return due;
  }

  /** Asks, or no longer asks, to be woken by a message; look again afterwards. */
  want(wanted: boolean): void {
    Atomics.store(this.words, CONSUMER_WAITS, wanted ? 1 : 0);
  }
}
