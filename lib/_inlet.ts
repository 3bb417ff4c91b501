import { setImmediate } from "node:timers";
import { LAYOUT } from "../ffi/layout.ts";
import { Connection, type Ending } from "./_connection.ts";
import type { Endpoint } from "./_endpoint.ts";
import { Fifo } from "./_fifo.ts";
import { formatIPv4 } from "./address.ts";
import { ENetError } from "./errors.ts";
import type { DisconnectReason, HostEvent, HostHandlers } from "./events.ts";
import { createPacket, type Packet, releasePacket } from "./packet.ts";
import { connectionOf, createPeer } from "./peer.ts";

/** How often one turn refills the rings from native memory before others get theirs. */
const REFILLS_PER_TURN = 16;

/** What a host keeps for a consumer that has never come. */
const UNCLAIMED_EVENTS = 4096;

const REASONS: readonly DisconnectReason[] = ["remote", "local", "timeout", "reset", "refused"];

/**
 * The way in: takes events from the ring to handlers, to iterators or to `host.service`.
 *
 * A host whose only consumer is its own iterator (or `service`) leaves events in the ring until they
 * are asked for, so that they can be borrowed. As soon as somebody iterates over a single peer, or
 * nobody has asked for the host's events yet, the ring is emptied on every wake-up: messages are
 * copied to the peer's inbox or to the host's backlog, and a peer that has too much waiting is held
 * back in native memory. So no consumer keeps another from its messages.
 */
export class Inlet {
  readonly endpoint: Endpoint;
  readonly #handlers: HostHandlers | undefined;
  readonly #connections = new Map<number, Connection>();
  /** By peer index, the latest of each; finds most without the map. */
  readonly #slots: (Connection | undefined)[] = [];
  readonly #backlog = new Fifo<HostEvent>();
  readonly #readers = new Fifo<PromiseWithResolvers<IteratorResult<HostEvent>>>();
  /** Borrowed by the event that was handed out last. */
  #borrowed: Packet | undefined;
  #claims = 0;
  #iterating = false;
  #manual = false;
  #consumed = false;
  #settling = false;
  #failure: ENetError | undefined;
  /** Called when the socket has failed. */
  onFailure: () => void = () => {};

  constructor(endpoint: Endpoint, handlers: HostHandlers | undefined) {
    this.endpoint = endpoint;
    this.#handlers = handlers;
    endpoint.inlet = this;
    if (handlers !== undefined) endpoint.pin();
  }

  /** Established connections. */
  get connected(): Connection[] {
    return [...this.#connections.values()].filter((c) => c.established && !c.ending);
  }

  /** Every connection that has not ended, established or not. */
  get live(): Connection[] {
    return [...this.#connections.values()].filter((c) => !c.ending);
  }

  /** Whether handlers take the events. */
  get handled(): boolean {
    return this.#handlers !== undefined;
  }

  /** Takes note of a connection that this host opens. */
  add(connection: Connection): void {
    createPeer(connection);
    this.#connections.set(connection.id, connection);
    this.#slots[connection.id % LAYOUT.PEER_SLOTS] = connection;
  }

  // Driving.

  /** Services the host and takes what came of it to where it belongs. */
  service(timeoutMs: number): void {
    this.#native(timeoutMs);
    this.settle();
  }

  #native(timeoutMs: number): void {
    const { native, handle } = this.endpoint;
    native.enetjs_host_service(handle, timeoutMs);
    this.endpoint.serviced();
  }

  /** Takes what is in the rings to where it belongs. */
  settle(): void {
    if (this.#settling || !this.endpoint.resources.open) return;
    this.#settling = true;
    try {
      this.#complete();
      if (this.#handlers !== undefined) this.#drain((index) => this.#handle(index));
      else if (!this.#lazy) this.#drain((index) => this.#store(index));
      this.#feedReaders();
    } finally {
      this.#settling = false;
    }
    this.endpoint.flushIfDirty();
  }

  get #lazy(): boolean {
    return this.#claims === 0 && (this.#iterating || this.#manual);
  }

  /** Consumes every record of the event ring and what native code holds behind it. */
  #drain(consume: (index: number) => void): void {
    const { events, memory, resources } = this.endpoint;
    for (let refills = 0;; refills++) {
      while (resources.open && !events.empty) {
        const index = events.record;
        const tail = memory.words[index + LAYOUT.RECORD_ARENA_TAIL];
        try {
          consume(index);
        } finally {
          memory.releaseArena(tail);
          events.advance();
        }
      }
      if (!resources.open || memory.held === 0) return;
      if (refills === REFILLS_PER_TURN) {
        setImmediate(() => this.settle());
        return;
      }
      this.#native(0);
      this.#complete();
    }
  }

  // Completions.

  #complete(): void {
    const { completions, memory: { words }, resources } = this.endpoint;
    while (resources.open && !completions.empty) {
      const index = completions.record;
      const type = words[index + LAYOUT.RECORD_TYPE];
      const data = words[index + LAYOUT.RECORD_DATA];
      const connection = this.#connectionOf(index);
      const channels = words[index + LAYOUT.RECORD_LENGTH];
      const reason = REASONS[words[index + LAYOUT.RECORD_EXTRA]];
      completions.advance();
      if (type === LAYOUT.COMPLETION_DELIVERED) this.endpoint.settleDelivery(data, true);
      else if (type === LAYOUT.COMPLETION_UNDELIVERED) this.endpoint.settleDelivery(data, false);
      else if (type === LAYOUT.COMPLETION_DRAIN) connection?.drain();
      else if (type === LAYOUT.COMPLETION_CONNECTED) connection?.connected(channels);
      else if (type === LAYOUT.COMPLETION_CLOSED) this.#closed(connection, { reason, data });
      else if (type === LAYOUT.COMPLETION_FAILED) this.#fail(data);
    }
  }

  /** A connection that was established is forgotten with its disconnect event, which is behind its messages. */
  #closed(connection: Connection | undefined, ending: Ending): void {
    if (connection === undefined) return;
    connection.close(ending);
    if (!connection.established) this.#forget(connection);
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection.id);
    const slot = connection.id % LAYOUT.PEER_SLOTS;
    if (this.#slots[slot] === connection) this.#slots[slot] = undefined;
    connection.endReaders();
  }

  #fail(errno: number): void {
    const error = new ENetError(
      "ENETJS_ERR_SOCKET",
      `The host's socket failed with error ${errno}`,
    );
    if (this.#handlers === undefined) this.#failure = error;
    else if (this.#handlers.error === undefined) surface(error);
    else this.#handlers.error(error);
    this.onFailure();
  }

  // Records.

  #connectionOf(index: number): Connection | undefined {
    const { words } = this.endpoint.memory;
    const slot = words[index + LAYOUT.RECORD_PEER];
    const id = words[index + LAYOUT.RECORD_GENERATION] * LAYOUT.PEER_SLOTS + slot;
    const latest = this.#slots[slot];
    return latest !== undefined && latest.id === id ? latest : this.#connections.get(id);
  }

  /** The connection of a connect record: known if this host opened it, new if the other side did. */
  #connect(index: number): Connection {
    const { words } = this.endpoint.memory;
    let connection = this.#connectionOf(index);
    if (connection === undefined) {
      const id = words[index + LAYOUT.RECORD_GENERATION] * LAYOUT.PEER_SLOTS +
        words[index + LAYOUT.RECORD_PEER];
      const address = {
        hostname: formatIPv4(words[index + LAYOUT.RECORD_ADDRESS]),
        port: words[index + LAYOUT.RECORD_EXTRA],
      };
      const channels = words[index + LAYOUT.RECORD_LENGTH];
      connection = new Connection(this.endpoint, id, address, channels, false);
      this.add(connection);
      connection.established = true;
    }
    return connection;
  }

  #disconnect(connection: Connection, ending: Ending): void {
    connection.close(ending);
    this.#forget(connection);
  }

  #packet(index: number): Packet {
    const { memory, native } = this.endpoint;
    const { words } = memory;
    const type = words[index + LAYOUT.RECORD_TYPE];
    const data = words[index + LAYOUT.RECORD_DATA];
    const length = words[index + LAYOUT.RECORD_LENGTH];
    const flags = type >>> 16;
    if ((type & 0xFF) === LAYOUT.EVENT_PACKET) {
      const handle = words[index + LAYOUT.RECORD_EXTRA] * 2 ** 32 + data;
      return createPacket({ kind: "native", native, handle }, length, flags);
    }
    return createPacket(
      { kind: "arena", memory, offset: memory.arenaOffset(data) },
      length,
      flags,
    );
  }

  /** The event of a record, with a borrowed packet; undefined where a single peer takes it. */
  #event(index: number): HostEvent | undefined {
    const { words } = this.endpoint.memory;
    const type = words[index + LAYOUT.RECORD_TYPE];
    const data = words[index + LAYOUT.RECORD_DATA];
    switch (type & 0xFF) {
      case LAYOUT.EVENT_CONNECT:
        return { type: "connect", peer: this.#connect(index).peer, data };
      case LAYOUT.EVENT_DISCONNECT: {
        const connection = this.#connectionOf(index) as Connection;
        const reason = REASONS[words[index + LAYOUT.RECORD_EXTRA]];
        this.#disconnect(connection, { reason, data });
        return { type: "disconnect", peer: connection.peer, reason, data };
      }
      case LAYOUT.EVENT_DATAGRAM: {
        const address = {
          hostname: formatIPv4(words[index + LAYOUT.RECORD_ADDRESS]),
          port: words[index + LAYOUT.RECORD_EXTRA],
        };
        return { type: "datagram", address, packet: this.#packet(index) };
      }
      default: {
        const connection = this.#connectionOf(index) as Connection;
        const channelId = type >>> 8 & 0xFF;
        const packet = this.#packet(index);
        if (!connection.iterating) {
          return { type: "receive", peer: connection.peer, channelId, packet };
        }
        own(packet);
        connection.receive({ channelId, packet });
      }
    }
  }

  // Handlers.

  #handle(index: number): void {
    const { words } = this.endpoint.memory;
    const handlers = this.#handlers as HostHandlers;
    const type = words[index + LAYOUT.RECORD_TYPE];
    if ((type & 0xFF) === LAYOUT.EVENT_RECEIVE) {
      const connection = this.#connectionOf(index) as Connection;
      if (!connection.iterating) {
        if (handlers.receive === undefined) return this.#store(index);
        const { memory } = this.endpoint;
        const offset = memory.arenaOffset(words[index + LAYOUT.RECORD_DATA]);
        const view = memory.bytes.subarray(offset, offset + words[index + LAYOUT.RECORD_LENGTH]);
        try {
          handlers.receive(connection.peer, type >>> 8 & 0xFF, view);
        } catch (error) {
          surface(error);
        }
        return;
      }
    }
    if (handlers.receive === undefined && (type & 0xFF) === LAYOUT.EVENT_PACKET) {
      return this.#store(index);
    }
    const event = this.#event(index);
    if (event === undefined) return;
    try {
      this.#call(handlers, event);
    } catch (error) {
      surface(error);
    } finally {
      if ("packet" in event) releasePacket(event.packet);
    }
  }

  #call(handlers: HostHandlers, event: HostEvent): void {
    switch (event.type) {
      case "connect":
        return handlers.connect?.(event.peer, event.data);
      case "disconnect":
        return handlers.disconnect?.(event.peer, event.reason, event.data);
      case "receive":
        return handlers.receive?.(event.peer, event.channelId, event.packet.view);
      case "datagram":
        return handlers.datagram?.(event.address, event.packet.view);
    }
  }

  // Iterating and polling.

  /** Moves a record into the backlog. */
  #store(index: number): void {
    const event = this.#event(index);
    if (event === undefined) return;
    if ("packet" in event) own(event.packet);
    this.#keep(event);
  }

  #keep(event: HostEvent): void {
    if (event.type === "receive") {
      connectionOf(event.peer).hold(event.packet.length);
    } else if (event.type === "datagram" && this.#backlog.size >= UNCLAIMED_EVENTS) {
      return; // as a full socket buffer would
    } else if (this.#backlog.size >= UNCLAIMED_EVENTS && !this.#consumed) {
      // Nobody has ever asked for this host's events: without a bound, a client that only uses
      // promises and peers would gather them for ever.
      this.#backlog.extract((kept) => kept.type !== "receive");
    }
    this.#backlog.push(event);
  }

  /** The next event for the host's own consumer, or undefined if it has to wait. */
  #next(): HostEvent | undefined {
    this.#giveBack();
    const kept = this.#backlog.shift();
    if (kept !== undefined) {
      if (kept.type === "receive") connectionOf(kept.peer).release(kept.packet.length);
      return kept;
    }
    return this.#lazy ? this.#borrowNext() : undefined;
  }

  /** Ends the borrowing of the event that was handed out last. */
  #giveBack(): void {
    if (this.#borrowed === undefined) return;
    releasePacket(this.#borrowed);
    this.#borrowed = undefined;
    this.#releaseRecord();
  }

  #borrowNext(): HostEvent | undefined {
    const { events, memory, resources } = this.endpoint;
    if (events.empty && memory.held > 0) {
      this.#native(0);
      this.#complete();
    }
    if (!resources.open || events.empty) return undefined;
    const event = this.#event(events.record) as HostEvent;
    if ("packet" in event) this.#borrowed = event.packet;
    else this.#releaseRecord();
    return event;
  }

  #releaseRecord(): void {
    const { events, memory } = this.endpoint;
    memory.releaseArena(memory.words[events.record + LAYOUT.RECORD_ARENA_TAIL]);
    events.advance();
  }

  #feedReaders(): void {
    while (this.#readers.size > 0) {
      const event = this.#next();
      if (event === undefined) return;
      this.endpoint.unpin();
      this.#readers.shift()?.resolve({ value: event, done: false });
    }
  }

  /** One event by polling. */
  poll(timeoutMs: number): HostEvent | undefined {
    if (this.#iterating) {
      throw new TypeError("The host is being iterated over: service() would take its events");
    }
    if (this.#failure !== undefined) throw this.#failure;
    this.#manual = this.#consumed = true;
    const ready = this.#next();
    if (ready !== undefined) return ready;
    this.service(timeoutMs);
    return this.#next();
  }

  /** Begins the iteration of the host's events. */
  iterate(): AsyncIterableIterator<HostEvent> {
    if (this.#iterating) throw new TypeError("The host is being iterated over already");
    if (this.#handlers !== undefined) {
      throw new TypeError("The host has handlers, which take its events");
    }
    this.#iterating = this.#consumed = true;
    const read = () => this.#read();
    const stop = () => {
      this.#iterating = false;
      this.#giveBack();
      if (this.endpoint.resources.open) this.endpoint.change();
    };
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: read,
      return() {
        stop();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  #read(): Promise<IteratorResult<HostEvent>> {
    if (this.#failure !== undefined || !this.endpoint.resources.open) return this.#end();
    const event = this.#next();
    if (event !== undefined) return Promise.resolve({ value: event, done: false });
    this.endpoint.flushIfDirty();
    const reader = Promise.withResolvers<IteratorResult<HostEvent>>();
    this.#readers.push(reader);
    this.endpoint.pin();
    return reader.promise;
  }

  /** The last result of an iteration: the failure of the socket once, else the end. */
  #end(): Promise<IteratorResult<HostEvent>> {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure === undefined
      ? Promise.resolve({ value: undefined, done: true })
      : Promise.reject(failure);
  }

  // Single peers.

  claim(connection: Connection): void {
    connection.iterating = true;
    this.#claims++;
    // What has been lent becomes a copy, for the ring now moves on without its consumer.
    if (this.#borrowed !== undefined) own(this.#borrowed);
    this.#giveBack();
    const mine = (event: HostEvent) => event.type === "receive" && event.peer === connection.peer;
    for (const event of this.#backlog.extract(mine)) {
      if (event.type !== "receive") continue;
      connection.release(event.packet.length);
      connection.receive(event);
    }
    this.endpoint.change();
  }

  unclaim(connection: Connection): void {
    if (!connection.iterating) return;
    connection.iterating = false;
    this.#claims--;
    for (let message = connection.take(); message; message = connection.take()) {
      this.#keep({ type: "receive", peer: connection.peer, ...message });
    }
    this.endpoint.change();
  }

  // The end.

  /** After the native host is gone: everybody who waits learns it. */
  close(): void {
    for (const connection of [...this.#connections.values()]) {
      connection.close({ reason: "local", data: 0 });
      this.#forget(connection);
    }
    this.endpoint.abandonDeliveries();
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      this.#end().then(reader.resolve, reader.reject);
    }
    if (this.#borrowed !== undefined) releasePacket(this.#borrowed);
    this.endpoint.unpinAll();
  }
}

/** Makes a borrowed packet's bytes its own. */
function own(packet: Packet): void {
  void packet.bytes;
}

/** Hands an error of the program's own code to the runtime, as uncaught. */
function surface(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
