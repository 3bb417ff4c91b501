import type { HostEvent } from "../events.ts";
import { packets } from "../packet.ts";
import { peers } from "../peer.ts";
import type { Consumer } from "./consumer.ts";
import { Fifo } from "./fifo.ts";
import type { Records } from "./records.ts";
import type { Servicing } from "./servicing.ts";
import type { Waiting } from "./waiting.ts";

/** Limits of what a host keeps while it has no consumer. */
const UNCLAIMED_EVENTS = 4096;
const UNCLAIMED_BYTES = 16 * 1024 * 1024;

/** Events that have left the ring and wait for the host's consumer, with what they count. */
export class Backlog {
  readonly #events = new Fifo<HostEvent>();
  readonly #waiting: Waiting;
  readonly #records: Records;
  readonly #servicing: Servicing;
  readonly #consumer: Consumer;
  /** Bytes of messages that have come since it was last pruned, or were left then. */
  #keptBytes = 0;
  #pruneAt = { events: UNCLAIMED_EVENTS, bytes: UNCLAIMED_BYTES };

  constructor(waiting: Waiting, records: Records, servicing: Servicing, consumer: Consumer) {
    this.#waiting = waiting;
    this.#records = records;
    this.#servicing = servicing;
    this.#consumer = consumer;
  }

  /** How many events wait. */
  get size(): number {
    return this.#events.size;
  }

  /** Moves a record of the event ring here, if it is an event of the host. */
  store(index: number): void {
    const event = this.#records.event(index);
    if (event === undefined) return;
    if ("packet" in event) packets.own(event.packet);
    if (!this.delays(event)) this.push(event);
  }

  /**
   * Whether an event is the end of a peer whose last messages the program has yet to go on with. Then it is kept
   * for another turn. A program that polls decides by its calls when it goes on.
   */
  delays(event: HostEvent): boolean {
    if (event.type !== "disconnect" || this.#consumer.isManual) return false;
    if (!peers.connectionOf(event.peer).inbox.delaysEnd()) return false;
    this.add(event);
    this.#servicing.yield();
    return true;
  }

  /** Adds an event that the consumer gets before those of the ring. */
  add(event: HostEvent): void {
    this.#consumer.handlersAreBehind = this.#consumer.handlers !== undefined;
    this.push(event);
  }

  /** Adds an event, whose packet no longer needs the ring. */
  push(event: HostEvent): void {
    if (event.type === "receive") {
      peers.connectionOf(event.peer).hold(event.packet);
      this.#keptBytes += event.packet.length;
    } else if (event.type === "datagram") {
      // As a full socket buffer would.
      if (this.size >= UNCLAIMED_EVENTS || this.#waiting.full) return;
      this.#waiting.add(event.packet.length, false);
    }
    const { events, bytes } = this.#pruneAt;
    const isFull = this.size >= events || this.#keptBytes >= bytes;
    if (isFull && this.#consumer.isDeaf) this.#prune();
    this.#events.push(event);
  }

  /** Drops messages of connections that this side has ended. */
  silence(): void {
    this.drop((kept) =>
      kept.type === "receive" && peers.connectionOf(kept.peer).drops(kept.channelId)
    );
  }

  /** Takes the first event. Messages whose time is over are dropped: others were given the end of their peer. */
  shift(): HostEvent | undefined {
    for (;;) {
      const event = this.#released(this.#events.shift());
      if (event?.type !== "receive" || !peers.connectionOf(event.peer).gone) return event;
      packets.release(event.packet);
    }
  }

  /** Takes the first event that is no message. */
  shiftOther(): HostEvent | undefined {
    return this.#released(this.#events.take(({ type }) => type !== "receive"));
  }

  #released(event: HostEvent | undefined): HostEvent | undefined {
    if (event !== undefined) this.#release(event);
    return event;
  }

  #release(event: HostEvent): void {
    if (event.type === "receive") peers.connectionOf(event.peer).release(event.packet);
    else if (event.type === "datagram") this.#waiting.remove(event.packet.length, false);
  }

  /** Takes the events that are chosen, in order. */
  extract(chosen: (event: HostEvent) => boolean): HostEvent[] {
    const events = this.#events.extract(chosen);
    for (const event of events) this.#release(event);
    return events;
  }

  /** Drops the events that are chosen, with their packets. */
  drop(chosen: (event: HostEvent) => boolean): void {
    for (const event of this.extract(chosen)) {
      if ("packet" in event) packets.release(event.packet);
    }
  }

  /**
   * Prunes the backlog of a host without a consumer. Such a program uses only promises and peers, or has left its
   * loop, or has handlers that take no messages. Connections that have come and gone unseen leave nothing, nor do
   * those whose end the handlers have had. The number of peers bounds the rest.
   */
  #prune(): void {
    const over = new Set<unknown>();
    for (const event of this.#events) {
      if (!("peer" in event)) continue;
      const { announced, gone } = peers.connectionOf(event.peer);
      const isUnseen = event.type === "disconnect" && !announced && this.#consumer.isMissing;
      if (gone || isUnseen) over.add(event.peer);
    }
    this.drop((kept) => "peer" in kept && over.has(kept.peer));
    this.#keptBytes = 0;
    for (const event of this.#events) {
      if ("packet" in event) this.#keptBytes += event.packet.length;
    }
    // Prune again only when it pays.
    this.#pruneAt = {
      events: Math.max(UNCLAIMED_EVENTS, 2 * this.size),
      bytes: Math.max(UNCLAIMED_BYTES, 2 * this.#keptBytes),
    };
  }

  /** After the host: leaves only the disconnect events of connections whose connect event was reported. */
  keepEnds(): void {
    for (const event of this.#events.extract(() => true)) {
      if ("packet" in event) packets.release(event.packet);
      if (event.type === "disconnect" && peers.connectionOf(event.peer).announced) {
        this.#events.push(event);
      }
    }
  }
}
