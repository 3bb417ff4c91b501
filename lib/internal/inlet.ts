import { ATTEND, LAYOUT } from "../../ffi/layout.ts";
import { surface } from "../../ffi/surface.ts";
import { Connection } from "./connection.ts";
import type { ChannelSink, Ending, EndReason } from "./connection_contract.ts";
import type { Endpoint } from "./endpoint.ts";
import { Fifo } from "./fifo.ts";
import { iteration } from "./iteration.ts";
import { formatIPv4 } from "../address.ts";
import type { ConnectAttempt } from "../admission.ts";
import { ENetError } from "../errors.ts";
import { unreachableOf } from "./no_answer.ts";
import type { DisconnectReason, PeerEnd } from "../disconnect.ts";
import type { HostEvent, HostHandlers } from "../events.ts";
import { NativePacket, sweepLingering } from "./native_packet.ts";
import type { Transport } from "./transport.ts";
import {
  allowed,
  beginTask,
  beginTurn,
  beginWakeUp,
  endTask,
  Later,
  returnUnused,
  spent,
  spentNow,
} from "./turn.ts";
import { type Packet, packets } from "../packet.ts";
import { BORROWED } from "./borrowing.ts";
import { peers } from "../peer.ts";

/** Limits of what a host keeps while it has no consumer. */
const UNCLAIMED_EVENTS = 4096;
const UNCLAIMED_BYTES = 16 * 1024 * 1024;

const REASONS: readonly EndReason[] = [
  "remote",
  "local",
  "timeout",
  "reset",
  "refused",
  "limit",
];

/**
 * Takes events from the ring to handlers, to iterators or to `host.service`.
 *
 * A host whose only consumer is its own iterator (or `service`) leaves events in the ring until that consumer
 * takes them, so that their bytes can be borrowed. When a single peer is being iterated over, or before the
 * host has a consumer, every wake-up empties the ring: messages are copied to the peer's inbox or to the
 * host's backlog. Native memory holds back a peer of which too much waits. So no consumer blocks the messages
 * of another.
 */
export class Inlet {
  readonly endpoint: Endpoint;
  #handlers: HostHandlers | undefined;
  /** Events that waited for the handlers have not all been handed out yet. */
  #handlersAreNew = false;
  readonly #connections = new Set<Connection>();
  /** Those of native code, by their ids. */
  readonly #byId = new Map<number, Connection>();
  /** By peer index, the latest of each; finds most without the map. */
  readonly #slots: (Connection | undefined)[] = [];
  readonly #backlog = new Fifo<HostEvent>();
  readonly #readers = new Fifo<PromiseWithResolvers<IteratorResult<HostEvent>>>();
  /** Borrowed by the event that was handed out last. */
  #borrowed: Packet | undefined;
  /** Whether the record of that event is still in the ring. */
  #inRing = false;
  /** The packet that a handler is looking at. */
  #handled: Packet | undefined;
  /** Bytes of messages that have been put into the backlog since it was last pruned, or were left then. */
  #keptBytes = 0;
  #pruneAt = { events: UNCLAIMED_EVENTS, bytes: UNCLAIMED_BYTES };
  #claims = 0;
  #iterating = false;
  #manual = false;
  #failure: ENetError | undefined;
  /** The program has been warned of a message that was refused for its size. */
  #hasWarnedOfSize = false;
  #attending = false;
  /** The program has not yet run the code behind a promise that must come before further events. */
  #yielding = false;
  readonly #rest: Later = new Later(() => this.#resume());
  /** Whether `settle` is running. */
  settling = false;
  /** Resolves when no peer is left after `enetjs_host_shutdown`, and at the end of the host. */
  readonly shutdown: PromiseWithResolvers<void> = Promise.withResolvers();
  /** The data that the other sides get when the host closes. */
  closeData = 0;
  /** Called with each client that wants to connect, where native code asks about them. */
  onAttempt: (
    transport: Transport,
    question: number,
    attempt: ConnectAttempt,
    ageMs: number,
  ) => void = () => {};
  /** Called to have the program decide about them, until their part of the turn is spent. Says whether some are left. */
  decide: (spent: () => boolean) => boolean = () => false;
  /** Messages have the other half. */
  readonly #halfSpent = (): boolean => spentNow(this.endpoint.turnBudgetMs / 2);
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
    return [...this.#connections].filter((c) => c.established && !c.ending);
  }

  /** Every connection that has not ended, established or not. */
  get live(): Connection[] {
    return [...this.#connections].filter((c) => !c.ending);
  }

  /** Those of them that another transport carries. */
  get others(): Connection[] {
    const { transport, transports } = this.endpoint;
    return transports.length === 1 ? [] : this.live.filter((c) => c.transport !== transport);
  }

  /** The functions that take the events, in place of iteration or `service`. */
  get handlers(): HostHandlers | undefined {
    return this.#handlers;
  }
  set handlers(handlers: HostHandlers | undefined) {
    if (this.#iterating && handlers !== undefined) {
      throw new TypeError(
        "The host is being iterated over: leave the loop before you set handlers",
      );
    }
    const { endpoint } = this;
    this.#detachBorrowed();
    if (handlers !== undefined && this.#handlers === undefined) endpoint.pin();
    if (handlers === undefined && this.#handlers !== undefined) endpoint.unpin();
    this.#handlers = handlers;
    this.#handlersAreNew = handlers !== undefined;
    if (handlers === undefined) {
      for (const connection of this.connected) connection.resolveConnect();
    }
    for (const connection of this.#connections) connection.ignored = false;
    if (endpoint.pump) endpoint.change();
  }

  /** Takes note of a connection. */
  add(connection: Connection): void {
    peers.create(connection);
    this.#connections.add(connection);
    if (connection.transport !== this.endpoint.transport) return;
    this.#byId.set(connection.id, connection);
    this.#slots[connection.id % LAYOUT.PEER_SLOTS] = connection;
  }

  // Driving.

  /**
   * Services the host on a wake-up. Events that wait for another turn must not be handed out earlier: Deno
   * may read the wake-up's socket again and again without looking at other sockets.
   */
  wake(): void {
    if (this.#rest.isWaiting) return;
    beginWakeUp(this.endpoint.handle);
    this.#service(0);
  }

  /** Services the host on a call of the program, which decides itself when its turns are. */
  service(timeoutMs: number): void {
    beginTurn();
    this.#yielding = false;
    this.#service(timeoutMs, beginTurn);
  }

  #requireIdle(): void {
    if (this.settling) throw new TypeError("service() was called within a handler of the host");
  }

  /** Services the host and hands out the records that result. */
  #service(timeoutMs: number, whenWaited?: () => void): void {
    this.#requireIdle();
    this.#native(timeoutMs);
    whenWaited?.();
    try {
      this.settle();
    } finally {
      this.#attend();
    }
  }

  /** Hands out the events that the last turn had no time for. */
  #resume(): void {
    this.#yielding = false;
    if (this.endpoint.resources.open) this.#service(0);
  }

  /** Whether the other events have to wait for another turn; then requests one. */
  #spent(): boolean {
    if (!spent(this.endpoint.turnBudgetMs)) return false;
    this.#defer();
    return true;
  }

  /**
   * Leaves further events to another turn, so that the program goes on first behind what it waits for: a
   * `host.connect()`, a `peer.receive()`, or a loop over a peer.
   */
  #yield(): void {
    // A program that polls decides that by its calls.
    if (this.#manual) return this.endpoint.change();
    this.#yielding = true;
    this.#defer();
  }

  /** Requests another turn. Without a pump, only the program's calls of service() do anything. */
  #defer(): void {
    if (this.endpoint.pump || this.#readers.size > 0) this.#rest.request();
  }

  /**
   * Stays awake for the next message, where native code has found that worth it. Not while messages wait for
   * another turn, because each look would delay that turn.
   */
  #attend(): void {
    const { library, memory, resources } = this.endpoint;
    if (this.#attending || !resources.open || memory.words[LAYOUT.WORD_ATTENDED] === 0) return;
    if (this.#rest.isWaiting) return;
    this.#attending = true;
    library.runtime.later(() => this.#attendNow());
  }

  #attendNow(): void {
    const { native, handle, resources } = this.endpoint;
    this.#attending = false;
    if (!resources.open || this.#rest.isWaiting) return;
    beginTask();
    const what = native.enetjs_host_attend(handle);
    if (what === ATTEND.DUE) this.#service(0);
    else if (what === ATTEND.AGAIN) this.#attend();
  }

  #native(timeoutMs: number): void {
    const { native, handle } = this.endpoint;
    this.#prepareArena();
    native.enetjs_host_service(handle, timeoutMs);
    this.endpoint.serviced();
  }

  /** Before each service, the only call in which native code writes to the arena. */
  #prepareArena(): void {
    const { native, handle, memory } = this.endpoint;
    if (memory.stolen) {
      const arena = memory.restore();
      native.enetjs_host_set_arena(handle, arena, arena.length);
    }
    // Bytes that are lent now must stay valid: they share a buffer with the bytes to be given back.
    if (!this.#inRing) memory.makeRoom();
  }

  /** Hands out the records of the rings. */
  settle(): void {
    if (this.settling || this.#yielding || !this.endpoint.resources.open) return;
    this.settling = true;
    try {
      this.#complete();
      if (this.#yielding) return;
      if (this.#handlers === undefined) {
        if (!this.#lazy) this.#drain((index) => this.#store(index));
      } else if (this.#handleBacklog()) {
        this.#drain((index) => this.#handle(index));
      }
      this.#feedReaders();
    } finally {
      this.settling = false;
      this.endpoint.flushIfDirty();
    }
  }

  get #lazy(): boolean {
    return this.#claims === 0 && (this.#iterating || this.#manual);
  }

  /** Consumes the records of the event ring and those that native code holds behind it, within the budget. */
  #drain(consume: (index: number) => void): void {
    const { events, memory, resources } = this.endpoint;
    for (;;) {
      while (resources.open && !events.empty) {
        if (this.#yielding && !this.#isNextConnect) return;
        const messages = allowed(this.endpoint.turnBudgetMs);
        if (messages === 0) return this.#defer();
        returnUnused(this.#consume(consume, messages));
      }
      if (!resources.open || memory.held === 0) return endTask();
      if (this.#spent()) return;
      this.#native(0);
      this.#complete();
    }
  }

  /** Consumes records of the event ring. @returns how many it did not find */
  #consume(consume: (index: number) => void, messages: number): number {
    const { events, memory, resources } = this.endpoint;
    for (; messages > 0 && resources.open && !events.empty; messages--) {
      if (this.#yielding && !this.#isNextConnect) break;
      const index = events.record;
      const tail = memory.words[index + LAYOUT.RECORD_ARENA_TAIL];
      try {
        consume(index);
      } finally {
        if (resources.open) {
          memory.consume(tail);
          events.advance();
        }
      }
    }
    return messages;
  }

  /** Whether the next record is a connect event: of many that come together, each has its promise. */
  get #isNextConnect(): boolean {
    const { events, memory } = this.endpoint;
    return (memory.words[events.record + LAYOUT.RECORD_TYPE] & 0xFF) === LAYOUT.EVENT_CONNECT;
  }

  // Completions.

  #complete(): void {
    const { completions, memory: { words }, resources } = this.endpoint;
    sweepLingering();
    let undelivered: number[] | undefined;
    while (resources.open && !completions.empty) {
      const index = completions.record;
      const type = words[index + LAYOUT.RECORD_TYPE];
      if ((type & 0xFF) === LAYOUT.COMPLETION_QUESTION) {
        this.#ask(index, type >>> 8 & 0xFF);
        continue;
      }
      const data = words[index + LAYOUT.RECORD_DATA];
      const connection = this.#connectionOf(index);
      const channels = words[index + LAYOUT.RECORD_LENGTH];
      const extra = words[index + LAYOUT.RECORD_EXTRA];
      const reason = REASONS[extra];
      completions.advance();
      if (type === LAYOUT.COMPLETION_DELIVERED) this.endpoint.deliveries.settle(data, true);
      else if (type === LAYOUT.COMPLETION_UNDELIVERED) (undelivered ??= []).push(data);
      else if (type === LAYOUT.COMPLETION_DRAIN) connection?.drain();
      else if (type === LAYOUT.COMPLETION_CONNECTED) this.#connected(connection, channels);
      else if (type === LAYOUT.COMPLETION_CLOSED) this.#closed(connection, { reason, data });
      else if (type === LAYOUT.COMPLETION_FAILED) this.#fail(data);
      else if (type === LAYOUT.COMPLETION_SHUTDOWN) this.shutdown.resolve();
      else if (type === LAYOUT.COMPLETION_TOO_LARGE) this.#tooLarge(connection, data, extra);
      else if (type === LAYOUT.COMPLETION_UNREACHABLE) this.#unreachable(connection, data);
      else if (type === LAYOUT.COMPLETION_SENT_RELIABLY) {
        this.#sentReliably(connection, data, extra);
      }
    }
    // Last, when the reason why the connection ended is known.
    for (const token of undelivered ?? []) this.endpoint.deliveries.settle(token, false);
    if (this.decide(this.#halfSpent)) this.#defer();
  }

  /** Passes a question on. */
  #ask(index: number, channels: number): void {
    const { completions, memory: { words } } = this.endpoint;
    const question = words[index + LAYOUT.RECORD_EXTRA];
    const data = words[index + LAYOUT.RECORD_DATA];
    const hostname = formatIPv4(words[index + LAYOUT.RECORD_ADDRESS]);
    const port = words[index + LAYOUT.RECORD_LENGTH];
    const ageMs = words[index + LAYOUT.RECORD_GENERATION];
    completions.advance();
    if (this.endpoint.closing) return; // native code has refused it
    this.onAttempt(this.endpoint.transport, question, {
      address: { hostname, port },
      data,
      channels,
    }, ageMs);
  }

  /** A connection that was established is forgotten with its disconnect event, which is behind its messages. */
  #closed(connection: Connection | undefined, ending: Ending): void {
    if (connection === undefined) return;
    connection.close(ending);
    if (!connection.established) this.#forget(connection);
  }

  /** With handlers, the promise of `host.connect` resolves after the connect handler. */
  #connected(connection: Connection | undefined, channels: number): void {
    connection?.connected(channels);
    if (this.#handlers === undefined && connection?.resolveConnect()) this.#yield();
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    if (connection.transport === this.endpoint.transport) this.#forgetId(connection.id);
    connection.endReaders();
  }

  #forgetId(id: number): void {
    this.#byId.delete(id);
    const slot = id % LAYOUT.PEER_SLOTS;
    if (this.#slots[slot]?.id === id) this.#slots[slot] = undefined;
  }

  /** Warns a program that is being debugged. */
  #warn(connection: Connection | undefined, what: string): void {
    if (!this.endpoint.library.debug) return;
    console.warn(`ENETJS_DEBUG: ${connection?.name ?? "A peer"}: ${what}`);
  }

  /** The code of an ICMP message about an attempt to connect. */
  #unreachable(connection: Connection | undefined, code: number): void {
    if (connection !== undefined) connection.unreachable = unreachableOf(code);
  }

  /** Comes once for each host. */
  #sentReliably(connection: Connection | undefined, length: number, largest: number): void {
    this.#warn(
      connection,
      `ENet sends an unreliable message of ${length} bytes reliably, because a datagram holds ${largest}: ` +
        "send it with PacketFlag.UNRELIABLE_FRAGMENT, or make it smaller. " +
        "peer.stats.unreliableSentReliably counts such messages.",
    );
  }

  /** Comes once for each connection. */
  #tooLarge(connection: Connection | undefined, length: number, largest: number): void {
    connection?.onTooLarge?.(length);
    if (this.#hasWarnedOfSize) return;
    this.#hasWarnedOfSize = true;
    this.#warn(
      connection,
      `its message of ${length} bytes is refused, because maximumPacketSize is ${largest} here. ` +
        "It is never acknowledged, so the connection will time out: raise maximumPacketSize, or send less " +
        "at a time.",
    );
  }

  #fail(errno: number): void {
    const error = new ENetError(
      "ENETJS_ERR_SOCKET",
      `The host's socket failed with error ${errno}`,
    );
    for (const connection of this.#connections) connection.failure = error;
    if (this.#handlers === undefined) this.#failure = error;
    else if (this.#handlers.error === undefined) surface(error);
    else {
      try {
        this.#handlers.error(error);
      } catch (thrown) {
        surface(thrown);
      }
    }
    this.onFailure();
  }

  // Records.

  #connectionOf(index: number): Connection | undefined {
    const { words } = this.endpoint.memory;
    const slot = words[index + LAYOUT.RECORD_PEER];
    const id = words[index + LAYOUT.RECORD_GENERATION] * LAYOUT.PEER_SLOTS + slot;
    const latest = this.#slots[slot];
    return latest !== undefined && latest.id === id ? latest : this.#byId.get(id);
  }

  /** The connection of a connect record: an existing object if this host opened it, else a new one. */
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
      connection = new Connection(
        this.endpoint,
        this.endpoint.transport,
        id,
        address,
        channels,
        false,
      );
      this.add(connection);
      connection.established = true;
    }
    return connection;
  }

  #disconnect(connection: Connection, ending: Ending): void {
    connection.close(ending);
    this.#forget(connection);
  }

  /** The packet of a record, or undefined if its bytes are lost. */
  #packet(index: number, until = this.#until): Packet | undefined {
    const { library, memory } = this.endpoint;
    const { words } = memory;
    const type = words[index + LAYOUT.RECORD_TYPE];
    const data = words[index + LAYOUT.RECORD_DATA];
    const length = words[index + LAYOUT.RECORD_LENGTH];
    const flags = type >>> 16;
    if ((type & 0xFF) === LAYOUT.EVENT_PACKET) {
      const handle = words[index + LAYOUT.RECORD_EXTRA] * 2 ** 32 + data;
      return packets.fromNative(NativePacket.received(library, handle, length), flags, until);
    }
    if (this.#lost(data, length)) return undefined;
    return packets.fromArena(memory, memory.offsetOf(data), length, flags, until);
  }

  /** How a packet of this host's consumer ends. */
  get #until() {
    if (this.#handlers !== undefined) return BORROWED.BY_HANDLER;
    return this.#manual ? BORROWED.BY_SERVICE : BORROWED.BY_ITERATION;
  }

  /** Whether the program has transferred the bytes at an arena position away; reports that as an error. */
  #lost(position: number, length: number): boolean {
    const { memory } = this.endpoint;
    if (!memory.stolen && !memory.isLost(position)) return false;
    surface(
      new TypeError(
        "The buffer of a borrowed view was transferred away, and with it a message of " +
          `${length} bytes that had not been taken yet: transfer view.slice().buffer instead`,
      ),
    );
    return true;
  }

  /** The event of a record, with a borrowed packet; undefined where there is none for the host. */
  #event(index: number): HostEvent | undefined {
    const { words } = this.endpoint.memory;
    const type = words[index + LAYOUT.RECORD_TYPE];
    const data = words[index + LAYOUT.RECORD_DATA];
    switch (type & 0xFF) {
      case LAYOUT.EVENT_CONNECT:
        return { type: "connect", peer: peers.of(this.#connect(index)), data };
      case LAYOUT.EVENT_DISCONNECT: {
        const connection = this.#connectionOf(index) as Connection;
        // Only a connection that was never established can be refused.
        const reason = REASONS[words[index + LAYOUT.RECORD_EXTRA]] as DisconnectReason;
        this.#disconnect(connection, { reason, data });
        return { type: "disconnect", peer: peers.of(connection), reason, data };
      }
      case LAYOUT.EVENT_DATAGRAM: {
        const address = {
          hostname: formatIPv4(words[index + LAYOUT.RECORD_ADDRESS]),
          port: words[index + LAYOUT.RECORD_EXTRA],
        };
        const packet = this.#packet(index);
        return packet && { type: "datagram", address, packet };
      }
      default: {
        const connection = this.#connectionOf(index) as Connection;
        const channelId = type >>> 8 & 0xFF;
        connection.heard = true;
        const taken = connection.takes(channelId);
        const packet = this.#packet(index, taken ? BORROWED.BY_ITERATION : undefined);
        if (packet === undefined) return undefined;
        if (!taken) {
          return { type: "receive", peer: peers.of(connection), channelId, packet };
        }
        if (connection.drops(channelId)) {
          packets.release(packet);
          return undefined;
        }
        packets.own(packet);
        connection.receive({ channelId, packet });
      }
    }
  }

  // What transports report that have no ring. It waits in the backlog for its consumer.

  reportConnect(connection: Connection, data: number): void {
    this.add(connection);
    connection.connected(connection.channels);
    this.#report({ type: "connect", peer: peers.of(connection), data });
  }

  reportMessage(connection: Connection, channelId: number, packet: Packet): void {
    connection.heard = true;
    if (connection.drops(channelId)) return packet.dispose();
    if (connection.takes(channelId)) return connection.receive({ channelId, packet });
    this.#report({ type: "receive", peer: peers.of(connection), channelId, packet });
  }

  reportEnd(connection: Connection, end: PeerEnd): void {
    this.#disconnect(connection, end);
    this.#report({ type: "disconnect", peer: peers.of(connection), ...end });
  }

  #report(event: HostEvent): void {
    if (!this.endpoint.resources.open) return;
    this.#handlersAreNew = this.#handlers !== undefined;
    this.#keep(event);
    this.endpoint.change();
  }

  // Handlers.

  #handle(index: number): void {
    const handlers = this.#handlers;
    // As one of them has asked for, by taking them away or by putting others in their place: these first get
    // what waits.
    if (handlers === undefined || (this.#handlersAreNew && this.#backlog.size > 0)) {
      return this.#store(index);
    }
    const type = this.endpoint.memory.words[index + LAYOUT.RECORD_TYPE];
    const kind = type & 0xFF;
    if (kind === LAYOUT.EVENT_RECEIVE || kind === LAYOUT.EVENT_PACKET) {
      const connection = this.#connectionOf(index) as Connection;
      const channelId = type >>> 8 & 0xFF;
      if (!connection.takes(channelId)) {
        if (handlers.receive === undefined) return this.#storeUnheard(index, connection);
        return this.#receive(index, handlers, connection, channelId);
      }
    }
    const event = this.#event(index);
    if (event === undefined) return;
    if (this.#isDelayed(event)) return this.#delay(event);
    this.#give(event);
  }

  /** The fast path: a packet without an event object. */
  #receive(index: number, handlers: HostHandlers, connection: Connection, channelId: number): void {
    connection.heard = true;
    const packet = this.#packet(index, BORROWED.BY_HANDLER);
    if (packet === undefined) return;
    this.#handled = packet;
    try {
      handlers.receive?.(peers.of(connection), channelId, packet);
    } catch (error) {
      surface(error);
    } finally {
      this.#handled = undefined;
      packets.release(packet);
    }
  }

  /**
   * Hands out events that have waited for the handlers, and those that an iteration over a peer has left. Messages
   * stay while the handlers take none. Each event stays in the backlog until its turn, because a handler may close
   * the host, take the handlers away, or put others in their place.
   *
   * @returns whether the ring is next
   */
  #handleBacklog(): boolean {
    const { resources } = this.endpoint;
    while (resources.open && this.#handlers !== undefined && this.#backlog.size > 0) {
      const takesMessages = this.#handlers.receive !== undefined;
      if (!takesMessages && !this.#handlersAreNew) return true;
      if (this.#yielding || this.#spent()) return false;
      const event = takesMessages
        ? this.#backlog.shift()
        : this.#backlog.take(({ type }) => type !== "receive");
      if (event === undefined) break;
      this.#giveKept(event);
    }
    this.#handlersAreNew = false;
    return true;
  }

  #giveKept(event: HostEvent): void {
    if (this.#isDelayed(event)) return this.#delay(event);
    this.#release(event);
    if ("packet" in event) packets.lend(event.packet, BORROWED.BY_HANDLER);
    this.#give(event);
  }

  /** Whether it is the end of a peer whose last messages the program has yet to go on with. */
  #isDelayed(event: HostEvent): boolean {
    // A program that polls decides by its calls when it goes on.
    return event.type === "disconnect" && !this.#manual &&
      peers.connectionOf(event.peer).delaysEnd();
  }

  /** Keeps an event for another turn. */
  #delay(event: HostEvent): void {
    this.#handlersAreNew = this.#handlers !== undefined;
    this.#keep(event);
    this.#yield();
  }

  /** Gives an event to its handler, with its packet until that returns. */
  #give(event: HostEvent): void {
    announce(event);
    if ("packet" in event) this.#handled = event.packet;
    try {
      this.#call(this.#handlers as HostHandlers, event);
    } catch (error) {
      surface(error);
    } finally {
      this.#handled = undefined;
      if ("packet" in event) packets.release(event.packet);
    }
    if (event.type === "connect" && peers.connectionOf(event.peer).resolveConnect()) this.#yield();
  }

  #call(handlers: HostHandlers, event: HostEvent): void {
    switch (event.type) {
      case "connect":
        return handlers.connect?.(event.peer, event.data);
      case "disconnect":
        return handlers.disconnect?.(event.peer, event.reason, event.data);
      case "receive":
        return handlers.receive?.(event.peer, event.channelId, event.packet);
      case "datagram":
        return handlers.datagram?.(event.address, event.packet);
    }
  }

  // Iterating and polling.

  /**
   * Keeps a message without a handler for an iteration over its peer that may begin soon. When the limit is
   * reached, no such iteration is expected, and all kept messages of the peer are dropped.
   */
  #storeUnheard(index: number, connection: Connection): void {
    const { words } = this.endpoint.memory;
    if (!connection.exceeds(words[index + LAYOUT.RECORD_LENGTH])) return this.#store(index);
    connection.ignored = true;
    this.silence();
    this.#event(index);
    this.#warn(
      connection,
      "its messages are dropped, because the host's handlers have no receive() and nobody iterates over " +
        "the peer.",
    );
  }

  /** Moves a record into the backlog. */
  #store(index: number): void {
    const event = this.#event(index);
    if (event === undefined) return;
    if ("packet" in event) packets.own(event.packet);
    if (this.#isDelayed(event)) return this.#delay(event);
    this.#keep(event);
  }

  #keep(event: HostEvent): void {
    const { waiting } = this.endpoint;
    if (event.type === "receive") {
      peers.connectionOf(event.peer).hold(event.packet);
    } else if (event.type === "datagram") {
      if (this.#backlog.size >= UNCLAIMED_EVENTS || waiting.full) return; // as a full socket buffer would
      waiting.add(event.packet.length, false);
    }
    if (event.type === "receive") this.#keptBytes += event.packet.length;
    const { events, bytes } = this.#pruneAt;
    const isUnclaimed = !this.#iterating && !this.#manual && this.#handlers === undefined;
    if (isUnclaimed && (this.#backlog.size >= events || this.#keptBytes >= bytes)) this.#prune();
    this.#backlog.push(event);
  }

  /** Counts an event that has left the backlog no more. */
  #release(event: HostEvent): void {
    if (event.type === "receive") peers.connectionOf(event.peer).release(event.packet);
    else if (event.type === "datagram") this.endpoint.waiting.remove(event.packet.length, false);
  }

  /** Drops events of the backlog, with their packets. */
  #drop(which: (event: HostEvent) => boolean): void {
    for (const event of this.#backlog.extract(which)) {
      this.#release(event);
      if ("packet" in event) packets.release(event.packet);
    }
  }

  /**
   * Prunes the backlog of a host without a consumer, as in a program that uses only promises and peers, or
   * has left its loop. Connections that have come and gone unseen leave nothing. The number of peers bounds
   * the rest.
   */
  #prune(): void {
    const unseen = new Set<unknown>();
    for (const event of this.#backlog) {
      if (event.type === "disconnect" && !peers.connectionOf(event.peer).announced) {
        unseen.add(event.peer);
      }
    }
    this.#drop((kept) => "peer" in kept && unseen.has(kept.peer));
    this.#keptBytes = 0;
    for (const event of this.#backlog) {
      if ("packet" in event) this.#keptBytes += event.packet.length;
    }
    // Prune again only when it pays.
    this.#pruneAt = {
      events: Math.max(UNCLAIMED_EVENTS, 2 * this.#backlog.size),
      bytes: Math.max(UNCLAIMED_BYTES, 2 * this.#keptBytes),
    };
  }

  /** The next event for the host's own consumer, or undefined if it has to wait. */
  #next(): HostEvent | undefined {
    this.#giveBack();
    const event = this.#backlog.shift();
    if (event === undefined) return this.#lazy ? this.#borrowNext() : undefined;
    this.#release(event);
    if ("packet" in event) packets.lend(this.#borrowed = event.packet, this.#until);
    announce(event);
    return event;
  }

  /** Ends the borrowing of the event that was handed out last. */
  #giveBack(): void {
    if (this.#borrowed !== undefined) packets.release(this.#borrowed);
    this.#borrowed = undefined;
    this.#leaveRing();
  }

  /** Copies lent bytes out of the ring, which now moves on without its consumer. */
  #detachBorrowed(): void {
    if (this.#borrowed !== undefined) packets.own(this.#borrowed);
    this.#leaveRing();
  }

  /** Lets the ring go on behind the event that was handed out last. */
  #leaveRing(): void {
    if (this.#inRing) this.#releaseRecord();
    this.#inRing = false;
  }

  #borrowNext(): HostEvent | undefined {
    const { events, memory, resources } = this.endpoint;
    for (;;) {
      if (events.empty && memory.held > 0) {
        this.#native(0);
        this.#complete();
      }
      if (!resources.open || events.empty) return undefined;
      const event = this.#event(events.record);
      if (event !== undefined && "packet" in event) {
        this.#borrowed = event.packet;
        this.#inRing = true;
      } else {
        this.#releaseRecord();
      }
      if (event !== undefined) {
        announce(event);
        return event;
      }
      // There may be many behind it of a peer that this side has ended.
      if (this.#spent()) return undefined;
    }
  }

  #releaseRecord(): void {
    const { events, memory } = this.endpoint;
    memory.consume(memory.words[events.record + LAYOUT.RECORD_ARENA_TAIL]);
    events.advance();
  }

  #feedReaders(): void {
    const overlapping = this.#readers.size > 1;
    while (this.#readers.size > 0 && !this.#yielding && !this.#spent()) {
      const event = this.#next();
      if (event === undefined) return endTask();
      // The next round, or the next read of another reader, would take back what this reader has not seen yet.
      if (overlapping && "packet" in event) event.packet.retain();
      this.endpoint.unpin();
      this.#readers.shift()?.resolve({ value: event, done: false });
    }
  }

  /** One event by polling. */
  poll(timeoutMs: number): HostEvent | undefined {
    if (this.#iterating) {
      throw new TypeError("The host is being iterated over: service() would take its events");
    }
    this.#requireIdle();
    if (!this.endpoint.resources.open) return this.#pollLast();
    this.#manual = true;
    const ready = this.#next();
    if (ready !== undefined) return ready;
    this.service(timeoutMs);
    return this.#next();
  }

  /** Events that a closed host still has to report. */
  #pollLast(): HostEvent | undefined {
    const failure = this.#failure;
    const event = this.#backlog.shift();
    if (event !== undefined || failure === undefined) return event;
    this.#failure = undefined;
    throw failure;
  }

  /** Begins the iteration of the host's events. */
  iterate(): AsyncIterableIterator<HostEvent> {
    if (this.#iterating) throw new TypeError("The host is being iterated over already");
    if (this.#handlers !== undefined) {
      throw new TypeError("The host has handlers, which take its events");
    }
    this.#iterating = true;
    return iteration(() => this.#read(), () => {
      this.#iterating = false;
      this.#giveBack();
      this.#dismissReaders();
      if (this.endpoint.resources.open) this.endpoint.change();
    });
  }

  /** Ends the reads of an iteration that is over. */
  #dismissReaders(): void {
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      this.endpoint.unpin();
      reader.resolve({ value: undefined, done: true });
    }
  }

  #read(): Promise<IteratorResult<HostEvent>> {
    if (!this.endpoint.resources.open) return this.#end();
    const isSpent = spent(this.endpoint.turnBudgetMs);
    // While a handler runs, its event is still in the ring.
    if (!isSpent && this.#readers.size === 0 && !this.settling && !this.#yielding) {
      const event = this.#next();
      if (event !== undefined) return Promise.resolve({ value: event, done: false });
      endTask();
    }
    this.#giveBack();
    this.endpoint.flushIfDirty();
    const reader = Promise.withResolvers<IteratorResult<HostEvent>>();
    this.#readers.push(reader);
    this.endpoint.pin();
    if (isSpent) this.#rest.request();
    return reader.promise;
  }

  /** The last results of an iteration: the ends of peers, then the failure of the socket once, else the end. */
  #end(): Promise<IteratorResult<HostEvent>> {
    const event = this.#backlog.shift();
    if (event !== undefined) return Promise.resolve({ value: event, done: false });
    const failure = this.#failure;
    this.#failure = undefined;
    this.#iterating = false;
    return failure === undefined
      ? Promise.resolve({ value: undefined, done: true })
      : Promise.reject(failure);
  }

  // Single peers.

  claim(connection: Connection): void {
    connection.iterating = true;
    this.#claim(connection, () => true);
  }

  /** Moves messages of a connection that the host has kept to their new consumer. */
  #claim(connection: Connection, claimed: (channelId: number) => boolean): void {
    this.#claims++;
    this.#detachBorrowed();
    const mine = (event: HostEvent) =>
      event.type === "receive" && event.peer === connection.peer && claimed(event.channelId);
    for (const event of this.#backlog.extract(mine)) {
      if (event.type !== "receive") continue;
      connection.release(event.packet);
      connection.receive(event);
    }
    this.endpoint.change();
  }

  claimChannel(connection: Connection, channelId: number, sink: ChannelSink): void {
    connection.sinks.set(channelId, sink);
    connection.divert();
    this.#claim(connection, (id) => id === channelId);
    connection.sort(channelId);
  }

  unclaimChannel(connection: Connection, channelId: number): void {
    if (!connection.sinks.delete(channelId)) return;
    connection.divert();
    this.#claims--;
    this.endpoint.change();
  }

  unclaim(connection: Connection): void {
    if (!connection.iterating) return;
    connection.iterating = false;
    connection.dismissReaders();
    this.#claims--;
    const ended = this.#backlog.extract((event) =>
      event.type === "disconnect" && event.peer === connection.peer
    );
    // The messages that are left belong before the disconnect event; after that event they are dropped.
    const late = connection.over && ended.length === 0;
    for (let message = connection.take(); message; message = connection.take()) {
      if (late) packets.release(message.packet);
      else this.#keep({ type: "receive", peer: peers.of(connection), ...message });
    }
    for (const event of ended) this.#keep(event);
    this.#yield();
  }

  // The end.

  silence(): void {
    this.#drop((kept) =>
      kept.type === "receive" && peers.connectionOf(kept.peer).drops(kept.channelId)
    );
  }

  /** Before the native host goes: takes note of how connections have ended. */
  learnEnds(): void {
    this.#complete();
  }

  /** After the native host is gone: settles everything that waits. */
  close(): void {
    this.#keepEnds();
    this.shutdown.resolve();
    this.endpoint.deliveries.abandon();
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      this.#end().then(reader.resolve, reader.reject);
    }
    sweepLingering();
    this.endpoint.unpinAll();
    if (this.#handlers !== undefined) queueMicrotask(() => this.#giveEnds());
  }

  /** Leaves in the backlog only one disconnect event for each connect event that was reported. */
  #keepEnds(): void {
    for (const event of this.#backlog.extract(() => true)) {
      if ("packet" in event) packets.release(event.packet);
      if (event.type !== "disconnect" || !peers.connectionOf(event.peer).announced) continue;
      this.#backlog.push(event);
    }
    const data = this.closeData;
    for (const connection of [...this.#connections]) {
      const { failure, announced } = connection;
      const peer = peers.of(connection);
      connection.close(
        failure === undefined ? { reason: "local", data } : { reason: "reset", data: 0 },
      );
      this.#forget(connection);
      if (announced) this.#backlog.push({ type: "disconnect", peer, ...connection.end as PeerEnd });
    }
  }

  #giveEnds(): void {
    while (this.#handlers !== undefined && this.#backlog.size > 0) {
      this.#give(this.#backlog.shift() as HostEvent);
    }
  }

  /** Before the native host and its memory go: ends what is borrowed from it. */
  releaseBorrowed(): void {
    if (this.#borrowed !== undefined) packets.close(this.#borrowed);
    if (this.#handled !== undefined) packets.close(this.#handled);
    this.#borrowed = this.#handled = undefined;
    this.#inRing = false;
  }
}

/** Notes that a connection was reported to the program, so that its end must be, too. */
function announce(event: HostEvent): void {
  if (event.type === "connect") peers.connectionOf(event.peer).announced = true;
}
