import { iteration } from "../internal/iteration.ts";
import { type Mail, Mailbox } from "../internal/mailbox.ts";
import type { Pins } from "../internal/pins.ts";
import { surface } from "../../ffi/surface.ts";
import { endTask, Later, spent } from "../internal/turn.ts";
import type { ENetError } from "../errors.ts";
import type { Link } from "./_link.ts";
import type { Region } from "./_region.ts";
import { LEND_MINIMUM } from "./_sender.ts";
import { type Found, RingReader } from "./_ring.ts";
import { copyForHandler } from "./_slab.ts";
import type { ChannelHandlers, EndPlan } from "./options.ts";

/** The way in: takes messages from the ring to a handler, to an iteration or to `receive`. */
export class Receiver implements Mail<Uint8Array<ArrayBuffer>> {
  readonly #link: Link;
  readonly #reader: RingReader;
  readonly #region: Region;
  readonly #turnBudgetMs: number;
  readonly #mailbox: Mailbox<Uint8Array<ArrayBuffer>>;
  /** Called when nothing will come any more: all has been taken, or the ring is damaged. */
  readonly #over: (error?: ENetError) => void;
  #handlers: ChannelHandlers | undefined;
  #minIntervalMs: number;
  #lent: Uint8Array | undefined;
  #open = true;
  #ending = false;
  #failure: ENetError | undefined;
  /** Whether a reader has got the failure. */
  #thrown = false;
  #iterating = false;
  #delivering = false;
  readonly #rest: Later = new Later(() => this.#resume());
  /** A round that is due later. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastRound = -Infinity;

  constructor(
    link: Link,
    plan: EndPlan,
    pins: Pins,
    over: (error?: ENetError) => void,
  ) {
    this.#link = link;
    this.#region = link.inward.region;
    this.#reader = new RingReader(link.inward);
    this.#turnBudgetMs = plan.turnBudgetMs;
    this.#handlers = plan.handlers;
    this.#minIntervalMs = plan.minIntervalMs;
    this.#over = over;
    this.#mailbox = new Mailbox(
      {
        turnBudgetMs: plan.turnBudgetMs,
        flushIfDirty: () => {},
        pin: () => pins.add(),
        unpin: () => pins.remove(),
      },
      this,
      this.#rest,
    );
  }

  /** Largest message. */
  get capacity(): number {
    return this.#reader.capacity;
  }

  get #handled(): boolean {
    return this.#handlers?.receive !== undefined;
  }

  get handlers(): ChannelHandlers | undefined {
    return this.#handlers;
  }
  set handlers(handlers: ChannelHandlers | undefined) {
    if (handlers?.receive !== undefined && this.#iterating) {
      throw new TypeError("The channel is being iterated over, which takes its messages");
    }
    this.#handlers = handlers;
    // What waits goes to them in a turn of its own.
    if (this.#handled) this.#rest.request();
  }

  get minIntervalMs(): number {
    return this.#minIntervalMs;
  }
  set minIntervalMs(ms: number) {
    this.#minIntervalMs = ms;
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#handled) this.#round();
  }

  /** Looks for messages for the readers that wait. */
  wake(): void {
    if (this.#handled) this.#round();
    else this.#mailbox.feed();
  }

  /** Hands out the messages that the last turn had no time for. */
  #resume(): void {
    if (!this.#open) return;
    if (!this.#handled) this.#mailbox.feed();
    else if (!this.#delivering) this.#deliver();
  }

  /** Wakes the other end if that waits for the room that is now free. */
  #released(): void {
    if (this.#reader.takeWakeDue()) this.#link.wake();
  }

  /** The next message, if there is one and the ring is sound. */
  #peek(): Found | undefined {
    if (!this.#open) return undefined;
    try {
      return this.#reader.peek();
    } catch (error) {
      this.#over(error as ENetError);
    }
  }

  /** The same, and otherwise the other end will wake this one. */
  #next(): Found | undefined {
    const found = this.#peek();
    if (found !== undefined || !this.#open) return found;
    this.#reader.want(true);
    const late = this.#peek();
    if (late !== undefined) this.#reader.want(false);
    return late;
  }

  // Handlers.

  /** Gives the handler what there is, if it is time to. */
  #round(): void {
    if (this.#delivering || this.#timer !== undefined) return;
    const rest = this.#lastRound + this.#minIntervalMs - performance.now();
    if (rest <= 0) return this.#deliver();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#open && this.#handled) this.#deliver();
    }, Math.ceil(rest));
  }

  #deliver(): void {
    this.#delivering = true;
    this.#lastRound = performance.now();
    const complete = this.#deliverSome();
    this.#delivering = false;
    if (!this.#open) return;
    this.#released();
    if (!complete) this.#rest.request();
    else if (this.#ending && this.#reader.isEmpty) this.#over();
  }

  /** Returns whether there is nothing left, and the other end will wake this one. */
  #deliverSome(): boolean {
    while (!spent(this.#turnBudgetMs)) {
      if (!this.#handled) return true;
      const found = this.#next();
      if (found === undefined) {
        endTask();
        return true;
      }
      this.#give(found);
      if (!this.#open) return true;
    }
    return false;
  }

  #give(found: Found): void {
    const { offset, length } = found;
    const isLent = length >= LEND_MINIMUM;
    const view = isLent
      ? this.#region.lend(offset, length)
      : copyForHandler(this.#region.bytes.subarray(offset, offset + length));
    if (isLent) this.#lent = view;
    try {
      this.#handlers?.receive?.(view);
    } catch (error) {
      surface(error);
    }
    if (!this.#open) return;
    this.#takeBack();
    this.#reader.release(found);
    this.#released();
  }

  #takeBack(): void {
    if (this.#lent !== undefined) this.#region.takeBack(this.#lent);
    this.#lent = undefined;
  }

  // Iterating and reading by hand.

  #take(found: Found): Uint8Array<ArrayBuffer> {
    const { offset, length } = found;
    const bytes = new Uint8Array(this.#region.bytes.subarray(offset, offset + length));
    this.#reader.release(found);
    this.#released();
    return bytes;
  }

  #requireNoHandlers(): void {
    if (this.#handled) {
      throw new TypeError("The channel has handlers, which take its messages");
    }
    if (this.#iterating) throw new TypeError("The channel is being iterated over already");
  }

  /** The next message, if there is one. */
  receive(): Uint8Array<ArrayBuffer> | null {
    this.#requireNoHandlers();
    const found = this.#peek();
    if (found !== undefined) return this.#take(found);
    if (this.#open) {
      this.#released();
      if (this.#ending) this.#over();
    }
    const failure = this.#takeFailure();
    if (failure !== undefined) throw failure;
    return null;
  }

  /** The error that ended the channel, for the first reader. */
  #takeFailure(): ENetError | undefined {
    if (this.#open || this.#thrown) return undefined;
    this.#thrown = true;
    return this.#failure;
  }

  /** Begins an iteration. */
  iterate(): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    this.#requireNoHandlers();
    this.#iterating = true;
    return iteration(() => this.#mailbox.read(), () => {
      this.#iterating = false;
      this.#mailbox.dismiss();
    });
  }

  nextValue(): Uint8Array<ArrayBuffer> | undefined {
    const found = this.#next();
    if (found !== undefined) return this.#take(found);
    if (!this.#open) return undefined;
    this.#released();
    if (this.#ending) this.#over();
  }

  lastResult(): IteratorResult<Uint8Array<ArrayBuffer>> | undefined {
    if (this.#open) return undefined;
    const failure = this.#takeFailure();
    if (failure !== undefined) throw failure;
    return { value: undefined, done: true };
  }

  // The end.

  /** The other end is gone; its messages can still be taken. */
  end(error: ENetError | undefined): void {
    this.#ending = true;
    this.#failure ??= error;
    this.wake();
    if (this.#open && !this.#delivering && this.#reader.isEmpty) this.#over();
  }

  /** This end lets go of the ring. */
  close(error: ENetError | undefined): void {
    this.#open = false;
    this.#failure ??= error;
    clearTimeout(this.#timer);
    this.#takeBack();
    this.#mailbox.feed();
    this.#tell();
  }

  #tell(): void {
    const handlers = this.#handlers;
    if (handlers === undefined) return;
    try {
      if (this.#failure === undefined) handlers.close?.();
      else if (handlers.error !== undefined) handlers.error(this.#failure);
      else surface(this.#failure);
    } catch (thrown) {
      surface(thrown);
    }
  }
}
