import { LAYOUT } from "../../ffi/layout.ts";
import { surface } from "../../ffi/surface.ts";
import type { HostEvent, HostHandlers } from "../events.ts";
import { type Packet, packets } from "../packet.ts";
import { peers } from "../peer.ts";
import type { Backlog } from "./backlog.ts";
import { BORROWED } from "./borrowing.ts";
import type { Connection } from "./connection.ts";
import type { Consumer } from "./consumer.ts";
import type { Endpoint } from "./endpoint.ts";
import { announce, type Records } from "./records.ts";
import type { Servicing } from "./servicing.ts";

// Compilers take these for constants, but not the properties of an object that is imported.
const { EVENT_RECEIVE, RECORD_ARENA_TAIL, RECORD_DATA, RECORD_LENGTH, RECORD_TYPE } = LAYOUT;

/** Gives the events of a host to the program's handlers. */
export class Handling {
  readonly #endpoint: Endpoint;
  readonly #records: Records;
  readonly #servicing: Servicing;
  readonly #consumer: Consumer;
  readonly #backlog: Backlog;
  /** The packet that a handler is looking at. */
  #handled: Packet | undefined;

  constructor(
    endpoint: Endpoint,
    records: Records,
    servicing: Servicing,
    consumer: Consumer,
    backlog: Backlog,
  ) {
    this.#endpoint = endpoint;
    this.#records = records;
    this.#servicing = servicing;
    this.#consumer = consumer;
    this.#backlog = backlog;
  }

  /** Gives them what waits, first that of the backlog. */
  settle(): void {
    if (this.#giveBacklog()) this.#servicing.drain((messages) => this.#consume(messages));
  }

  /** Whether events of the backlog have to come first: a handler has just put others in its place. */
  get #isBehind(): boolean {
    return this.#consumer.handlersAreBehind && this.#backlog.size > 0;
  }

  /** Consumes records of the event ring. @returns how many it did not find */
  #consume(messages: number): number {
    for (;;) {
      const left = this.#giveMessages(messages);
      // What comes next is no plain message, or there is nothing more.
      const unfound = left > 0 ? this.#servicing.each(1, (index) => this.#give(index)) : 1;
      if (unfound > 0) return left;
      messages = left - 1;
    }
  }

  /**
   * The fast path: gives out plain messages for as long as nothing else comes. One loop, without an event object,
   * and without a call where it can be avoided: this is what limits how many messages a host can receive.
   *
   * @returns how many of them it did not find
   */
  #giveMessages(messages: number): number {
    const { events, memory, resources } = this.#endpoint;
    const { words } = memory;
    const consumer = this.#consumer;
    const servicing = this.#servicing;
    const records = this.#records;
    for (; messages > 0 && resources.open && !events.empty; messages--) {
      const { handlers } = consumer;
      if (handlers?.receive === undefined || servicing.isYielding) break;
      if (consumer.handlersAreBehind && this.#isBehind) break; // the first half spares a call
      const index = events.record;
      const type = words[index + RECORD_TYPE];
      if ((type & 0xFF) !== EVENT_RECEIVE) break;
      const channelId = type >>> 8 & 0xFF;
      const connection = records.connectionOf(index) as Connection;
      const position = words[index + RECORD_DATA];
      if (connection.takes(channelId) || memory.stolen || memory.isLost(position)) break;
      const tail = words[index + RECORD_ARENA_TAIL];
      const length = words[index + RECORD_LENGTH];
      const offset = memory.offsetOf(position);
      const packet = packets.fromArena(memory, offset, length, type >>> 16, BORROWED.BY_HANDLER);
      try {
        handlers.receive(peers.of(connection), channelId, packet);
      } catch (error) {
        surface(error);
      }
      if (!resources.open) {
        packets.close(packet);
        continue;
      }
      packets.release(packet);
      memory.consume(tail);
      events.advance();
    }
    return messages;
  }

  /** Gives out the event of a record. */
  #give(index: number): void {
    const { handlers } = this.#consumer;
    if (handlers === undefined || this.#isBehind) return this.#backlog.store(index);
    if (handlers.receive === undefined && this.#records.isMessage(index)) {
      const connection = this.#records.connectionOf(index) as Connection;
      if (!connection.takes(this.#records.channelOf(index))) {
        return this.#storeUnheard(index, connection);
      }
    }
    const event = this.#records.event(index);
    if (event !== undefined && !this.#backlog.delays(event)) this.#call(event);
  }

  /**
   * Keeps a message without a handler for an iteration over its peer that may begin soon. When the limit is
   * reached, no such iteration is expected, and all kept messages of the peer are dropped.
   */
  #storeUnheard(index: number, connection: Connection): void {
    if (!connection.exceeds(this.#records.lengthOf(index))) return this.#backlog.store(index);
    connection.ignored = true;
    this.#backlog.silence();
    this.#records.event(index);
    this.#endpoint.warn(
      connection,
      "its messages are dropped, because the host's handlers have no receive() and nobody iterates over " +
        "the peer.",
    );
  }

  /**
   * Hands out events that have waited for the handlers, and messages that an iteration over a peer has left.
   * Messages stay while the handlers take none. Each event stays in the backlog until its turn, because a handler
   * may close the host or replace the handlers.
   *
   * @returns whether the ring is next
   */
  #giveBacklog(): boolean {
    const { resources } = this.#endpoint;
    while (resources.open && this.#consumer.handlers !== undefined && this.#backlog.size > 0) {
      const takesMessages = this.#consumer.handlers.receive !== undefined;
      if (!takesMessages && !this.#consumer.handlersAreBehind) return true;
      if (this.#servicing.isYielding || this.#servicing.spent()) return false;
      const event = takesMessages ? this.#backlog.shift() : this.#backlog.shiftOther();
      if (event === undefined) break;
      if (this.#backlog.delays(event)) continue;
      if ("packet" in event) packets.lend(event.packet, BORROWED.BY_HANDLER);
      this.#call(event);
    }
    this.#consumer.handlersAreBehind = false;
    return true;
  }

  /** Gives an event to its handler, with its packet until that returns. */
  #call(event: HostEvent): void {
    announce(event);
    if ("packet" in event) this.#handled = event.packet;
    try {
      callHandler(this.#consumer.handlers as HostHandlers, event);
    } catch (error) {
      surface(error);
    } finally {
      this.#handled = undefined;
      if ("packet" in event) packets.release(event.packet);
    }
    if (event.type === "connect" && peers.connectionOf(event.peer).resolveConnect()) {
      this.#servicing.yield();
    }
  }

  /** Gives out the ends of peers that a closed host has to report. */
  giveEnds(): void {
    while (this.#consumer.handlers !== undefined && this.#backlog.size > 0) {
      this.#call(this.#backlog.shift() as HostEvent);
    }
  }

  /** Before the native host and its memory go: ends what is borrowed from it. */
  releaseBorrowed(): void {
    if (this.#handled !== undefined) packets.close(this.#handled);
    this.#handled = undefined;
  }
}

function callHandler(handlers: HostHandlers, event: HostEvent): void {
  switch (event.type) {
    case "connect":
      return handlers.connect?.(event.peer, event.data);
    case "disconnect":
      return handlers.disconnect?.(event.peer, event.reason, event.data);
    case "receive":
      return handlers.receive?.(event.peer, event.channelId, event.packet);
    case "datagram":
      return handlers.datagram?.(event.address, event.packet);
    case "moved":
      return handlers.moved?.(event.peer, event.address);
    default:
      event satisfies never;
  }
}
