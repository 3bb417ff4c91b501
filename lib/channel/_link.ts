import type { ENetError } from "../errors.ts";
import type { Direction } from "./_region.ts";

/** Notifications of the other end of a channel. */
export interface LinkListener {
  /** What this end asked to be woken for has happened: there is a message, or room. */
  wake(): void;
  /** The other end is gone, or has failed. Its messages can still be read. */
  end(error: ENetError | undefined): void;
}

/** How an end of a channel reaches the other one. It must not keep its listener from being collected. */
export interface Link {
  /** The direction in which this end sends. */
  readonly outward: Direction;
  /** The direction in which this end receives. */
  readonly inward: Direction;
  /** Begins to tell a listener. */
  listen(listener: LinkListener): void;
  /** Wakes the other end. */
  wake(): void;
  /** Keeps the event loop alive; so it is from the start. */
  ref(): void;
  /** Lets the event loop end. */
  unref(): void;
  /** Frees the memory, which must no longer be used; resolves when everything is freed. */
  close(): Promise<void>;
}

/** Calls a listener as long as it lives. */
export class WeakListener implements LinkListener {
  readonly #listener: WeakRef<LinkListener>;

  constructor(listener: LinkListener) {
    this.#listener = new WeakRef(listener);
  }

  wake(): void {
    this.#listener.deref()?.wake();
  }

  end(error: ENetError | undefined): void {
    this.#listener.deref()?.end(error);
  }
}
