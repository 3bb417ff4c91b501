import { Fifo } from "./fifo.ts";
import { endTask, Later, spent } from "./turn.ts";

/** Where a mailbox gets its values. */
export interface Mail<T> {
  /**
   * The next value for a reader; undefined when the reader has to wait, or when there is nothing more.
   *
   * @param areOverlapping other reads get theirs before this reader has seen it
   */
  nextValue(areOverlapping: boolean): T | undefined;
  /**
   * What a reader gets behind the last value; undefined while there are values or may be more.
   *
   * @throws the failure that a reader gets instead
   */
  lastResult(): IteratorResult<T> | undefined;
}

/** Whose mailbox it is. */
export interface Keeper {
  /** Milliseconds of a turn of the event loop that consumers may use. */
  readonly turnBudgetMs: number;
  /** Sends what the program has queued, before a reader waits for an answer. */
  flushIfDirty(): void;
  /** Keeps the owner from being collected while a reader waits. */
  pin(): void;
  /** Undoes one `pin`. */
  unpin(): void;
}

/**
 * The reads of one consumer, of a host, a peer or a channel. A read gets the next value at once when there is
 * one and the turn has time left. Else it waits: until its owner calls `feed`, or for the next turn.
 */
export class Mailbox<T> {
  readonly #keeper: Keeper;
  readonly #mail: Mail<T>;
  readonly #readers = new Fifo<PromiseWithResolvers<IteratorResult<T>>>();
  /** What is done in the next turn. */
  readonly #rest: Later;

  constructor(keeper: Keeper, mail: Mail<T>, rest?: Later) {
    this.#keeper = keeper;
    this.#mail = mail;
    this.#rest = rest ?? new Later(() => this.feed());
  }

  /** How many reads wait. */
  get readers(): number {
    return this.#readers.size;
  }

  /**
   * The next value, or the end.
   *
   * @param isHeldUp the owner can't give out a value now, and calls `feed` when it can
   */
  read(isHeldUp = false): Promise<IteratorResult<T>> {
    const isSpent = !isHeldUp && spent(this.#keeper.turnBudgetMs);
    if (!isHeldUp && !isSpent && this.#readers.size === 0) {
      const value = this.#mail.nextValue(false);
      if (value !== undefined) return Promise.resolve({ value, done: false });
      endTask();
    }
    try {
      const last = this.#mail.lastResult();
      if (last !== undefined) return Promise.resolve(last);
    } catch (failure) {
      return Promise.reject(failure);
    }
    this.#keeper.flushIfDirty();
    const reader = Promise.withResolvers<IteratorResult<T>>();
    this.#readers.push(reader);
    this.#keeper.pin();
    if (isSpent) this.#rest.request();
    return reader.promise;
  }

  /** Gives a value to the read that waits longest. @returns whether there was one */
  deliver(value: T): boolean {
    const reader = this.#take();
    reader?.resolve({ value, done: false });
    return reader !== undefined;
  }

  /** Gives the reads that wait what there is, in this turn or the next one. */
  feed(): void {
    const areOverlapping = this.#readers.size > 1;
    while (this.#readers.size > 0 && !this.#end()) {
      if (spent(this.#keeper.turnBudgetMs)) return this.#rest.request();
      const value = this.#mail.nextValue(areOverlapping);
      if (value === undefined) {
        this.#end(); // which may have come with the look
        return endTask();
      }
      this.deliver(value);
    }
  }

  /** Ends the reads that wait, if nothing will come. @returns whether it is so */
  #end(): boolean {
    while (this.#readers.size > 0) {
      try {
        const end = this.#mail.lastResult();
        if (end === undefined) return false;
        this.#take()?.resolve(end);
      } catch (failure) {
        this.#take()?.reject(failure);
      }
    }
    return true;
  }

  /** Ends the reads that wait, because the consumer has left. */
  dismiss(): void {
    for (let reader = this.#take(); reader; reader = this.#take()) {
      reader.resolve({ value: undefined, done: true });
    }
  }

  #take(): PromiseWithResolvers<IteratorResult<T>> | undefined {
    const reader = this.#readers.shift();
    if (reader !== undefined) this.#keeper.unpin();
    return reader;
  }
}
