import type { HostHandlers } from "../events.ts";
import { BORROWED, type Gone } from "./borrowing.ts";

/**
 * Who takes the events of a host: handlers, an iteration or `host.service`. Consumers of single peers and
 * channels may take messages away from it.
 */
export class Consumer {
  handlers: HostHandlers | undefined;
  /** The backlog may have events that these handlers have to get before those of the ring. */
  handlersAreBehind = false;
  isIterating = false;
  /** The program calls `host.service`, and has not gone on to handlers or an iteration since. */
  isManual = false;
  /** How many consumers of single peers and channels there are. */
  claims = 0;

  constructor(handlers: HostHandlers | undefined) {
    this.handlers = handlers;
  }

  /** Whether events stay in the ring until the consumer takes them, so that their bytes can be borrowed. */
  get isLazy(): boolean {
    return this.claims === 0 && (this.isIterating || this.isManual);
  }

  /** Whether there is none. */
  get isMissing(): boolean {
    return !this.isIterating && !this.isManual && this.handlers === undefined;
  }

  /** Whether nobody takes messages, except those of single peers and channels. */
  get isDeaf(): boolean {
    return this.handlers === undefined ? this.isMissing : this.handlers.receive === undefined;
  }

  /** What becomes of a packet when the consumer has had it. */
  get until(): Gone {
    if (this.handlers !== undefined) return BORROWED.BY_HANDLER;
    return this.isManual ? BORROWED.BY_SERVICE : BORROWED.BY_ITERATION;
  }
}
