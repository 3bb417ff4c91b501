import { Fifo } from "../internal/fifo.ts";
import { iteration } from "../internal/iteration.ts";
import { endTask, Later, spent, TURN_BUDGET_MS } from "../internal/turn.ts";
import type { ReceivedPayload } from "./payload.ts";
import type { Incoming } from "./types.ts";

/** What a message costs beside its bytes. */
const ITEM_BYTES = 128;

/** A message or request that waits. */
export type Item = Incoming & { readonly data: ReceivedPayload };

const costOf = (item: Item): number => item.data.length + ITEM_BYTES;

/** What has arrived on a connection and waits for an iteration, or for handlers to be set. */
export class Inbox {
  /** Called when less waits. */
  readonly #onTaken: () => void;
  readonly #items = new Fifo<Item>();
  readonly #readers = new Fifo<PromiseWithResolvers<IteratorResult<Item>>>();
  readonly #rest: Later = new Later(() => this.#feed());
  #bytes = 0;
  #lent: Item | undefined;
  #isIterating = false;
  #isOver = false;

  constructor(onTaken: () => void) {
    this.#onTaken = onTaken;
  }

  /** Bytes that wait, with what keeping them costs. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#items.size === 0;
  }

  get isIterating(): boolean {
    return this.#isIterating;
  }

  /** Whether an item would fit, if so many bytes may wait. */
  fits(item: Item, limit: number): boolean {
    return this.#bytes + costOf(item) <= limit;
  }

  /** Adds what has arrived. */
  push(item: Item): void {
    item.data.keep();
    const reader = this.isEmpty ? this.#readers.shift() : undefined;
    if (reader !== undefined) return reader.resolve(this.#lend(item));
    this.#bytes += costOf(item);
    this.#items.push(item);
  }

  /** Removes and returns what has waited longest. */
  shift(): Item | undefined {
    const item = this.#items.shift();
    if (item !== undefined) this.#bytes -= costOf(item);
    return item;
  }

  /** Nothing more will come: iterations end after what waits. */
  end(): void {
    this.#isOver = true;
    this.#feed();
  }

  /** Drops what waits, and ends. */
  drop(): void {
    for (let item = this.shift(); item; item = this.shift()) item.data.release();
    this.end();
  }

  /** An iteration over what arrives, for one consumer. */
  iterate(): AsyncIterableIterator<Item> {
    this.#isIterating = true;
    return iteration(() => this.#read(), () => this.#stop());
  }

  #stop(): void {
    this.#isIterating = false;
    this.#giveBack();
    this.#dismiss();
    this.#onTaken();
  }

  #read(): Promise<IteratorResult<Item>> {
    this.#giveBack();
    const isSpent = spent(TURN_BUDGET_MS);
    if (!isSpent && this.#readers.size === 0) {
      const item = this.shift();
      if (item !== undefined) {
        this.#onTaken();
        return Promise.resolve(this.#lend(item));
      }
      if (this.#isOver) return Promise.resolve({ value: undefined, done: true });
      endTask();
    }
    const reader = Promise.withResolvers<IteratorResult<Item>>();
    this.#readers.push(reader);
    if (isSpent) this.#rest.request();
    return reader.promise;
  }

  #feed(): void {
    while (this.#readers.size > 0 && !this.isEmpty) {
      if (spent(TURN_BUDGET_MS)) return this.#rest.request();
      this.#readers.shift()?.resolve(this.#lend(this.shift() as Item));
      this.#onTaken();
    }
    if (this.#isOver && this.isEmpty) this.#dismiss();
  }

  #dismiss(): void {
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      reader.resolve({ value: undefined, done: true });
    }
  }

  #lend(item: Item): IteratorResult<Item> {
    // Two reads may overlap. Data that the first has yielded must outlast the second.
    if (this.#lent !== undefined) {
      this.#lent.data.retain();
      item.data.retain();
    }
    this.#lent = item;
    return { value: item, done: false };
  }

  #giveBack(): void {
    this.#lent?.data.release();
    this.#lent = undefined;
  }
}
