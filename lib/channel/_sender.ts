import { CHANNEL } from "../../ffi/layout.ts";
import { Fifo } from "../internal/fifo.ts";
import type { Pins } from "../internal/pins.ts";
import { integer } from "../internal/validate.ts";
import { ENetError } from "../errors.ts";
import type { Link } from "./_link.ts";
import type { Region } from "./_region.ts";
import { type Offer, RingWriter, type Room } from "./_ring.ts";

/** Messages of this size and below are copied rather than lent: a loan costs about a microsecond. */
export const LEND_MINIMUM: number = 16 * 1024;

/** A `sendNow` that has not been settled. */
interface Direct {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** A message that waits for room in the ring. */
interface Waiting {
  readonly bytes: Uint8Array;
  readonly direct?: Direct;
}

/** A `sendNow` in the ring. */
interface Offered {
  readonly offer: Offer;
  readonly direct: Direct;
}

/** What `reserve` has given out. */
interface Reservation {
  readonly view: Uint8Array;
  readonly length: number;
  /** Where it lies in the ring; undefined for memory of JavaScript's. */
  readonly room: Room | undefined;
}

type Waiter = PromiseWithResolvers<void>;

function settleAll(waiters: Waiter[]): Waiter[] {
  return waiters.splice(0, waiters.length);
}

/**
 * The way out. A message goes straight into the ring if it has room and nothing is before it; else it waits in a
 * queue of this thread. The queue moves into the ring as the other end makes room.
 */
export class Sender {
  readonly #link: Link;
  readonly #writer: RingWriter;
  readonly #region: Region;
  readonly #queue = new Fifo<Waiting>();
  /** Bytes in the queue. */
  #queuedBytes = 0;
  /** What may be in the queue, beyond one message. */
  maximumQueuedBytes: number;
  #offered: Offered[] = [];
  #reservation: Reservation | undefined;
  readonly #drained: Waiter[] = [];
  readonly #idle: Waiter[] = [];
  /** One for every pending promise. */
  readonly #pins: Pins;

  constructor(link: Link, maximumQueuedBytes: number, pins: Pins) {
    this.maximumQueuedBytes = maximumQueuedBytes;
    this.#link = link;
    this.#region = link.outward.region;
    this.#writer = new RingWriter(link.outward);
    this.#pins = pins;
  }

  /** Largest message. */
  get capacity(): number {
    return this.#writer.capacity;
  }

  /** Queues a message. Returns whether it is in the ring already. */
  send(bytes: Uint8Array): boolean {
    this.#requireSize(bytes.length);
    if (this.#isFree && this.#writer.write(bytes) !== undefined) {
      this.#published();
      return true;
    }
    this.#wait(bytes);
    return this.#queue.size === 0;
  }

  /** Bytes that wait in this thread's memory. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Has a message wait for room in the ring, unless too much waits already. */
  #wait(bytes: Uint8Array, direct?: Direct): void {
    // The ring may have room by now.
    if (this.#queuedBytes + bytes.length > this.maximumQueuedBytes) this.progress();
    if (this.#queue.size > 0 && this.#queuedBytes + bytes.length > this.maximumQueuedBytes) {
      throw new ENetError(
        "ENETJS_ERR_LIMIT",
        `Sending ${bytes.length} bytes: ${this.#queuedBytes} bytes wait already, of at most ` +
          `${this.maximumQueuedBytes}. Wait for drain() when send() returns false`,
      );
    }
    this.#queue.push({ bytes: new Uint8Array(bytes), direct });
    this.#queuedBytes += bytes.length;
    this.progress();
  }

  #forget(waiting: Waiting[]): Waiting[] {
    for (const { bytes } of waiting) this.#queuedBytes -= bytes.length;
    return waiting;
  }

  /** Whether nothing is before a new message. */
  get #isFree(): boolean {
    return this.#queue.size === 0 && this.#reservation?.room === undefined;
  }

  #requireSize(length: number): void {
    if (length > this.capacity) {
      throw new RangeError(
        `data of ${length} bytes is larger than the channel's capacity, ${this.capacity}`,
      );
    }
  }

  #published(): void {
    if (this.#writer.takeWakeRequest()) this.#link.wake();
  }

  /** Sends a message that the other end takes in time, or not at all. */
  sendNow(bytes: Uint8Array, timeoutMs: number): Promise<void> {
    this.#requireSize(bytes.length);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const direct: Direct = { resolve, reject, timer: undefined };
    const { length } = bytes;
    direct.timer = setTimeout(() => this.#expire(direct, length, timeoutMs), timeoutMs);
    this.#pins.add();
    try {
      this.#wait(bytes, direct);
    } catch (error) {
      this.#settle(direct, error as Error);
    }
    return promise;
  }

  #expire(direct: Direct, length: number, timeoutMs: number): void {
    const inRing = this.#offered.find((offered) => offered.direct === direct);
    if (inRing === undefined) {
      this.#forget(this.#queue.extract((waiting) => waiting.direct === direct));
    } else {
      this.#offered = this.#offered.filter((offered) => offered !== inRing);
      if (!this.#writer.withdraw(inRing.offer)) return this.#settle(direct);
    }
    this.#settle(
      direct,
      new ENetError(
        "ENETJS_ERR_TIMEOUT",
        `Sending ${length} bytes: the other side did not take them within ${timeoutMs} ms`,
      ),
    );
    this.progress();
  }

  #settle({ resolve, reject, timer }: Direct, error?: Error): void {
    clearTimeout(timer);
    this.#pins.remove();
    if (error === undefined) resolve();
    else reject(error);
  }

  /** Reserves memory for a message. */
  reserve(length: number): Uint8Array {
    integer(length, "length", 0, this.capacity);
    if (this.#reservation !== undefined) {
      throw new TypeError("reserve() was called again before commit() or abort()");
    }
    const room = length >= LEND_MINIMUM && this.#isFree ? this.#writer.find(length) : undefined;
    const view = room === undefined
      ? new Uint8Array(length)
      : this.#region.lend(room.offset, length);
    this.#reservation = { view, length, room };
    return view;
  }

  #endReservation(what: string): Reservation {
    const reservation = this.#reservation;
    if (reservation === undefined) throw new TypeError(`${what}() was called without reserve()`);
    this.#reservation = undefined;
    if (reservation.room !== undefined) this.#region.takeBack(reservation.view);
    return reservation;
  }

  /** Sends what has been reserved. */
  commit(length: number | undefined): boolean {
    const reserved = this.#reservation?.length ?? 0;
    const used = length === undefined ? reserved : integer(length, "length", 0, reserved);
    if (this.#reservation !== undefined && this.#reservation.room === undefined) {
      const sent = this.send(this.#reservation.view.subarray(0, used));
      this.#reservation = undefined;
      return sent;
    }
    const { room } = this.#endReservation("commit") as Reservation & { room: Room };
    this.#writer.publish(room, used);
    this.#published();
    if (this.#queue.size > 0) this.progress();
    return true;
  }

  /** Gives a reservation back. */
  abort(): void {
    this.#endReservation("abort");
    if (this.#queue.size > 0) this.progress();
  }

  /** Resolves when everything is in the ring. */
  drained(): Promise<void> {
    return this.#queue.size === 0 ? Promise.resolve() : this.#waitIn(this.#drained);
  }

  /** Resolves when the other end has taken everything. */
  idle(): Promise<void> {
    return this.#isIdle ? Promise.resolve() : this.#waitIn(this.#idle);
  }

  get #isIdle(): boolean {
    return this.#queue.size === 0 && this.#writer.used === 0;
  }

  #waitIn(waiters: Waiter[]): Promise<void> {
    const waiter = Promise.withResolvers<void>();
    waiters.push(waiter);
    this.#pins.add();
    this.progress();
    return waiter.promise;
  }

  /** Moves queued messages into the ring as far as there is room, and requests a wake-up for the others. */
  progress(): void {
    do {
      while (this.#advance());
      const condition = this.#wakeCondition();
      if (condition === 0) return;
      this.#writer.want(condition);
    } while (this.#advance());
  }

  /** Returns whether anything has changed. */
  #advance(): boolean {
    const settled = this.#settleTaken();
    const flushed = this.#flush();
    if (this.#queue.size === 0) this.#resolve(this.#drained);
    if (this.#idle.length > 0 && this.#isIdle) this.#resolve(this.#idle);
    return settled || flushed;
  }

  #resolve(waiters: Waiter[]): void {
    for (const { resolve } of settleAll(waiters)) {
      this.#pins.remove();
      resolve();
    }
  }

  #settleTaken(): boolean {
    // They are taken in order.
    let taken = 0;
    while (taken < this.#offered.length && this.#writer.isTaken(this.#offered[taken].offer)) {
      taken++;
    }
    for (const { direct } of this.#offered.splice(0, taken)) this.#settle(direct);
    return taken > 0;
  }

  /** Moves messages from the queue to the ring. */
  #flush(): boolean {
    if (this.#reservation?.room !== undefined) return false;
    let flushed = false;
    for (let next = this.#queue.peek(); next !== undefined; next = this.#queue.peek()) {
      const { bytes, direct } = next;
      const kind = direct === undefined ? CHANNEL.KIND_PLAIN : CHANNEL.KIND_OFFERED;
      const offer = this.#writer.write(bytes, kind);
      if (offer === undefined) break;
      this.#queue.shift();
      this.#queuedBytes -= bytes.length;
      if (direct !== undefined) this.#offered.push({ offer, direct });
      flushed = true;
    }
    if (flushed) this.#published();
    return flushed;
  }

  /** What to be woken for. */
  #wakeCondition(): number {
    if (this.#offered.length > 0) return CHANNEL.WAIT_ANY;
    if (this.#queue.size > 0) {
      return this.#writer.isHalfFree ? CHANNEL.WAIT_EMPTY : CHANNEL.WAIT_HALF;
    }
    return this.#idle.length > 0 ? CHANNEL.WAIT_EMPTY : 0;
  }

  /** The end: nothing will be taken any more. */
  close(error: Error): void {
    if (this.#reservation !== undefined) this.#endReservation("close");
    this.#settleTaken();
    const unsent = this.#forget(this.#queue.extract(() => true)).flatMap(({ direct }) =>
      direct ?? []
    );
    for (const direct of [...this.#offered.splice(0).map(({ direct }) => direct), ...unsent]) {
      this.#settle(direct, error);
    }
    for (const { reject } of [...settleAll(this.#drained), ...settleAll(this.#idle)]) {
      this.#pins.remove();
      reject(error);
    }
  }
}
