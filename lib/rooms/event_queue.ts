/**
 * Gives events to the program: to its handlers, or to an iteration. Never within a call of the program.
 *
 * @module
 */
import { surface } from "../../ffi/surface.ts";
import { ENetError } from "../errors.ts";
import { Fifo } from "../internal/fifo.ts";
import { iteration } from "../internal/iteration.ts";
import { handlers as checkHandlers } from "../internal/validate.ts";
import type {
  ClusterHostEvent,
  DroppedEvent,
  JoinedEvent,
  LeftEvent,
  LinkEvent,
  RoomsEvent,
  UpdatedEvent,
} from "./member.ts";

/**
 * Functions that `Rooms` calls. An error that one of them throws is an uncaught error of the runtime; the rooms go
 * on.
 */
export interface RoomsHandlers<Presence = unknown> {
  /** A member has joined a room, on any host. */
  joined?(event: JoinedEvent<Presence>): void;
  /** A member has left a room. */
  left?(event: LeftEvent<Presence>): void;
  /** The presence or the user of a member has changed. */
  updated?(event: UpdatedEvent<Presence>): void;
  /** Another host has come or gone. */
  host?(event: ClusterHostEvent): void;
  /** The link to the backplane is down, or up again. */
  link?(event: LinkEvent): void;
  /** Messages were dropped. */
  dropped?(event: DroppedEvent): void;
}

const HANDLERS: readonly string[] = Object.keys(
  {
    joined: true,
    left: true,
    updated: true,
    host: true,
    link: true,
    dropped: true,
  } satisfies Record<RoomsEvent["type"], true>,
);

/** Events that may wait for an iteration. */
const MOST_WAITING = 65_536;

/** The events of one `Rooms`. */
export class EventQueue {
  readonly #handlers: RoomsHandlers;
  readonly #waiting = new Fifo<RoomsEvent>();
  #draining = false;
  #iterating = false;
  #over = false;
  #overflowed = false;
  /** The `next` of the iteration that waits. */
  #reader: (() => void) | undefined;

  constructor(handlers: RoomsHandlers) {
    checkHandlers(handlers, HANDLERS);
    this.#handlers = handlers;
  }

  push(event: RoomsEvent): void {
    if (this.#over || (!this.#iterating && this.#handlers[event.type] === undefined)) return;
    if (this.#iterating && this.#waiting.size >= MOST_WAITING) this.#overflowed = true;
    if (this.#overflowed) return;
    this.#waiting.push(event);
    if (this.#draining) return;
    this.#draining = true;
    queueMicrotask(() => this.#drain());
  }

  #drain(): void {
    this.#draining = false;
    if (this.#iterating) return this.#reader?.();
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
      try {
        (this.#handlers[event.type] as ((event: RoomsEvent) => void) | undefined)?.(event);
      } catch (error) {
        surface(error);
      }
    }
  }

  /** An iteration over the events from now on, in place of the handlers. */
  iterate(): AsyncIterableIterator<RoomsEvent> {
    if (this.#iterating) throw new TypeError("The rooms are being iterated over already");
    if (Object.keys(this.#handlers).length > 0) {
      throw new TypeError(
        "The rooms have handlers, which take the events: iterate, or pass handlers",
      );
    }
    this.#iterating = true;
    this.#overflowed = false;
    return iteration((stop) => this.#next(stop), () => {
      this.#iterating = false;
      while (this.#waiting.shift() !== undefined);
      this.#reader?.();
    });
  }

  async #next(stop: () => void): Promise<IteratorResult<RoomsEvent>> {
    while (this.#waiting.size === 0 && this.#iterating && !this.#over && !this.#overflowed) {
      const more = Promise.withResolvers<void>();
      this.#reader = more.resolve;
      await more.promise;
    }
    this.#reader = undefined;
    const value = this.#waiting.shift();
    if (value !== undefined) return { value, done: false };
    const overflowed = this.#overflowed;
    stop();
    if (!overflowed) return { value: undefined, done: true };
    throw new ENetError(
      "ENETJS_ERR_OVERFLOW",
      `the loop over the rooms is too slow: more than ${MOST_WAITING} events waited; read members() and ` +
        "begin another loop",
    );
  }

  /** There will be no more events. Those that wait are given out. */
  end(): void {
    queueMicrotask(() => {
      this.#over = true;
      this.#reader?.();
    });
  }
}
