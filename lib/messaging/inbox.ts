import { Fifo } from "../internal/fifo.ts";
import { iteration } from "../internal/iteration.ts";
import { type Mail, Mailbox } from "../internal/mailbox.ts";
import { TURN_BUDGET_MS } from "../internal/turn.ts";
import type { ReceivedPayload } from "./payload.ts";
import type { Incoming } from "./types.ts";

/** What a message costs beside its bytes. */
const ITEM_BYTES = 128;

/** A message or request that waits. */
export type Item = Incoming & { readonly data: ReceivedPayload };

/** The socket keeps a connection from being collected, and its transport flushes what the program sends. */
const KEEPER = { turnBudgetMs: TURN_BUDGET_MS, flushIfDirty() {}, pin() {}, unpin() {} };

const costOf = (item: Item): number => item.data.length + ITEM_BYTES;

/** What has arrived on a connection and waits for an iteration, or for handlers to be set. */
export class Inbox implements Mail<Item> {
  /** Called when less waits. */
  readonly #onTaken: () => void;
  readonly #items = new Fifo<Item>();
  readonly #mailbox: Mailbox<Item> = new Mailbox(KEEPER, this);
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
    if (this.isEmpty && this.#mailbox.readers > 0) {
      this.#mailbox.deliver(this.#lend(item));
      return;
    }
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
    this.#mailbox.feed();
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
    this.#mailbox.dismiss();
    this.#onTaken();
  }

  #read(): Promise<IteratorResult<Item>> {
    this.#giveBack();
    return this.#mailbox.read();
  }

  nextValue(): Item | undefined {
    const item = this.shift();
    if (item === undefined) return undefined;
    this.#lend(item);
    this.#onTaken();
    return item;
  }

  lastResult(): IteratorResult<Item> | undefined {
    return this.#isOver && this.isEmpty ? { value: undefined, done: true } : undefined;
  }

  #lend(item: Item): Item {
    // When reads overlap, neither takes back a message that the other has not seen yet.
    if (this.#lent !== undefined) {
      this.#lent.data.retain();
      item.data.retain();
    }
    this.#lent = item;
    return item;
  }

  #giveBack(): void {
    this.#lent?.data.release();
    this.#lent = undefined;
  }
}
