import { surface } from "../../ffi/surface.ts";
import { count, makeInspectable } from "../internal/inspect.ts";
import { iteration } from "../internal/iteration.ts";
import { Fifo } from "../internal/fifo.ts";
import { formatAddress } from "./address.ts";
import { MessengerConnection } from "./connection.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Link, type LinkOwner } from "./link.ts";
import type { ListenPlan } from "./options.ts";
import type { Place } from "./place.ts";
import type { Connection, Listener, MessengerAddress, MessengerHandlers } from "./types.ts";

/** A listener as the library sees it; programs get it as a {@linkcode MessengerListener}. */
export class Hub implements LinkOwner {
  place!: Place;
  /** Connections that are ready and have not ended. */
  readonly links: Set<Link> = new Set();
  readonly #plan: ListenPlan;
  readonly #handlers: MessengerHandlers;
  readonly #dispatcher = new Dispatcher();
  /** Ready connections that no iteration has yielded yet. */
  readonly #waiting: Set<Link> = new Set();
  readonly #readers = new Fifo<PromiseWithResolvers<IteratorResult<Connection>>>();
  #isIterating = false;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;
  #isOver = false;
  #emptied: (() => void) | undefined;

  constructor(plan: ListenPlan, handlers: MessengerHandlers) {
    this.#plan = plan;
    this.#handlers = handlers;
  }

  /** Makes the link of a client. */
  open(handshake: boolean): Link {
    const link = new Link(this.#plan, handshake, this.#handlers, this.#dispatcher, this);
    link.connection = new MessengerConnection(link, undefined);
    return link;
  }

  ready(link: Link): void {
    this.links.add(link);
    if (this.#closing !== undefined) return void link.close();
    if (this.#handlers.ready !== undefined) {
      try {
        return this.#handlers.ready(link.connection);
      } catch (error) {
        return surface(error);
      }
    }
    const reader = this.#readers.shift();
    if (reader === undefined) this.#waiting.add(link);
    else reader.resolve({ value: link.connection, done: false });
  }

  failed(): void {}

  ended(link: Link): void {
    this.links.delete(link);
    this.#waiting.delete(link);
    if (this.links.size === 0) this.#emptied?.();
  }

  /** The socket has failed. */
  fail(error: Error): void {
    if (this.#isIterating) this.#failure = error;
    else surface(error);
    this.#dismiss();
    void this.close();
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.place.stop();
    if (this.links.size > 0) {
      const emptied = Promise.withResolvers<void>();
      this.#emptied = emptied.resolve;
      for (const link of this.links) void link.close();
      await emptied.promise;
    }
    await this.place.close();
    this.#isOver = true;
    this.#dismiss();
  }

  iterate(): AsyncIterableIterator<Connection> {
    if (this.#handlers.ready !== undefined) {
      throw new TypeError("The listener has a ready handler, which takes its connections");
    }
    if (this.#isIterating) throw new TypeError("The listener is being iterated over already");
    this.#isIterating = true;
    return iteration(() => this.#read(), () => {
      this.#isIterating = false;
      this.#dismiss();
    });
  }

  #read(): Promise<IteratorResult<Connection>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    for (const link of this.#waiting) {
      this.#waiting.delete(link);
      return Promise.resolve({ value: link.connection, done: false });
    }
    const reader = Promise.withResolvers<IteratorResult<Connection>>();
    if (this.#isOver) reader.resolve({ value: undefined, done: true });
    else this.#readers.push(reader);
    return reader.promise;
  }

  #dismiss(): void {
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      if (this.#failure === undefined) reader.resolve({ value: undefined, done: true });
      else reader.reject(this.#failure);
    }
  }
}

/** A hub as programs get it. */
export class MessengerListener implements Listener {
  readonly #hub: Hub;

  constructor(hub: Hub) {
    this.#hub = hub;
    Object.preventExtensions(this); // a misspelt property is a TypeError
  }

  get address(): MessengerAddress {
    return { ...this.#hub.place.address };
  }

  get connections(): Connection[] {
    return [...this.#hub.links].map(({ connection }) => connection);
  }

  get closed(): boolean {
    return this.#hub.isClosed;
  }

  close(): Promise<void> {
    return this.#hub.close();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Connection> {
    return this.#hub.iterate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  static {
    makeInspectable(this.prototype, "Listener", ({ address, connections, closed }) => {
      const state = closed ? ", closed" : "";
      return `${formatAddress(address)}, ${count(connections.length, "connection")}${state}`;
    });
  }
}
