import type { ConnectAttempt } from "../admission.ts";
import type { PeerEnd } from "../disconnect.ts";
import type { ENetError } from "../errors.ts";
import type { HostEvent, HostHandlers } from "../events.ts";
import { type Packet, packets } from "../packet.ts";
import { peers } from "../peer.ts";
import { surface } from "../../ffi/surface.ts";
import { Backlog } from "./backlog.ts";
import { Completions } from "./completions.ts";
import type { Connection } from "./connection.ts";
import type { ChannelSink } from "./connection_contract.ts";
import { Consumer } from "./consumer.ts";
import type { Endpoint, EndpointInlet } from "./endpoint.ts";
import { Handling } from "./handling.ts";
import { iteration } from "./iteration.ts";
import { type Mail, Mailbox } from "./mailbox.ts";
import { sweepLingering } from "./native_packet.ts";
import { announce, Records } from "./records.ts";
import { Roster } from "./roster.ts";
import { Servicing } from "./servicing.ts";
import type { Transport } from "./transport.ts";
import { spentNow } from "./turn.ts";

/**
 * What comes in: takes events from the ring to handlers, to iterators or to `host.service`.
 *
 * A host may have its own iterator, or `service`, as its only consumer. Events then stay in the ring until that
 * consumer takes them, so that their bytes can be borrowed. When a single peer is being iterated over, or before
 * the host has a consumer, every wake-up empties the ring: messages are copied to the peer's inbox or to the host's
 * backlog. Native memory holds back a peer of which too much waits. So no consumer blocks the messages of another.
 */
export class Inlet implements EndpointInlet, Mail<HostEvent> {
  readonly endpoint: Endpoint;
  readonly roster: Roster;
  readonly #consumer: Consumer;
  readonly #records: Records;
  readonly #completions: Completions;
  readonly #servicing: Servicing;
  readonly #backlog: Backlog;
  readonly #handling: Handling;
  readonly #mailbox: Mailbox<HostEvent>;
  /** Borrowed by the event that was handed out last. */
  #borrowed: Packet | undefined;
  /** The failure of the socket, for the next reader. */
  #failure: ENetError | undefined;
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
  /** Whether questions have had their half of the turn; messages have the other half. */
  readonly #halfSpent = (): boolean => spentNow(this.endpoint.turnBudgetMs / 2);
  /** Called when the socket has failed. */
  onFailure: () => void = () => {};

  constructor(endpoint: Endpoint, handlers: HostHandlers | undefined) {
    this.endpoint = endpoint;
    const roster = this.roster = new Roster(endpoint);
    const consumer = this.#consumer = new Consumer(handlers);
    const records = this.#records = new Records(endpoint, roster, consumer);
    this.#completions = new Completions(endpoint, roster, this);
    this.#servicing = new Servicing(endpoint, records, consumer, this);
    this.#backlog = new Backlog(endpoint.waiting, records, this.#servicing, consumer);
    this.#handling = new Handling(endpoint, records, this.#servicing, consumer, this.#backlog);
    this.#mailbox = new Mailbox(endpoint, this, this.#servicing.rest);
    endpoint.inlet = this;
    endpoint.pinFor(undefined, handlers);
    endpoint.pinFor(undefined, endpoint.settings.accept);
  }

  /** The functions that take the events, in place of iteration or `service`. */
  get handlers(): HostHandlers | undefined {
    return this.#consumer.handlers;
  }
  set handlers(handlers: HostHandlers | undefined) {
    if (this.#consumer.isIterating && handlers !== undefined) {
      throw new TypeError(
        "The host is being iterated over: leave the loop before you set handlers",
      );
    }
    this.#detachBorrowed();
    this.endpoint.pinFor(this.handlers, handlers);
    this.#consumer.handlers = handlers;
    if (handlers !== undefined) this.#consumer.isManual = false;
    this.#consumer.handlersAreBehind = handlers !== undefined;
    if (handlers === undefined) {
      for (const connection of this.roster.connected) connection.resolveConnect();
    }
    for (const connection of this.roster) connection.ignored = false;
    if (this.endpoint.pump) this.endpoint.change();
  }

  // Driving.

  /** Services the host on a wake-up. */
  wake(): void {
    this.#servicing.wake();
  }

  /** Services the host on a call of the program. */
  service(timeoutMs: number): void {
    this.#requireIdle();
    this.#servicing.service(timeoutMs);
  }

  #requireIdle(): void {
    if (this.settling) throw new TypeError("service() was called within a handler of the host");
  }

  /** Hands out the records of the rings. */
  settle(): void {
    const servicing = this.#servicing;
    if (this.settling || servicing.isYielding || !this.endpoint.resources.open) return;
    this.settling = true;
    try {
      this.learn();
      if (servicing.isYielding) return;
      if (this.handlers !== undefined) this.#handling.settle();
      else if (!this.#consumer.isLazy) {
        servicing.drain((messages) =>
          servicing.each(messages, (index) => this.#backlog.store(index))
        );
      }
      if (!servicing.isYielding) this.#mailbox.feed();
    } finally {
      this.settling = false;
      this.endpoint.flushIfDirty();
    }
  }

  /** Takes note of what has become of things that were begun. */
  learn(): void {
    this.#completions.read();
    if (this.decide(this.#halfSpent)) this.#servicing.defer();
  }

  /** With handlers, the promise of `host.connect` resolves after the connect handler. */
  connected(connection: Connection): void {
    if (this.handlers === undefined && connection.resolveConnect()) this.#servicing.yield();
  }

  /** No peer is left. */
  shutDown(): void {
    this.shutdown.resolve();
  }

  /** The socket has failed. */
  failed(error: ENetError): void {
    const { handlers } = this;
    if (handlers === undefined) this.#failure = error;
    else if (handlers.error === undefined) surface(error);
    else {
      try {
        handlers.error(error);
      } catch (thrown) {
        surface(thrown);
      }
    }
    this.onFailure();
  }

  // What transports report that have no ring. It waits in the backlog for its consumer.

  reportConnect(connection: Connection, data: number): void {
    this.roster.add(connection);
    connection.connected(connection.channels);
    this.#report({ type: "connect", peer: peers.of(connection), data });
  }

  reportMessage(connection: Connection, channelId: number, packet: Packet): void {
    if (connection.drops(channelId)) return packet.dispose();
    if (connection.takes(channelId)) return connection.receive({ channelId, packet });
    this.#report({ type: "receive", peer: peers.of(connection), channelId, packet });
  }

  reportEnd(connection: Connection, end: PeerEnd): void {
    connection.close(end);
    this.roster.forget(connection);
    this.#report({ type: "disconnect", peer: peers.of(connection), ...end });
  }

  #report(event: HostEvent): void {
    if (!this.endpoint.resources.open) return;
    this.#backlog.add(event);
    this.endpoint.change();
  }

  // Iterating and polling.

  /** How many reads of the iteration wait. */
  get readers(): number {
    return this.#mailbox.readers;
  }

  nextValue(areOverlapping: boolean): HostEvent | undefined {
    const event = this.#next();
    // The next read of another reader would take back what this reader has not seen yet.
    if (areOverlapping && event !== undefined && "packet" in event) event.packet.retain();
    return event;
  }

  /** Of a closed host: the ends of peers, then the failure of the socket once, else the end. */
  lastResult(): IteratorResult<HostEvent> | undefined {
    if (this.endpoint.resources.open) return undefined;
    const value = this.#last();
    if (value !== undefined) return { value, done: false };
    this.#consumer.isIterating = false;
    return { value: undefined, done: true };
  }

  /** An event that a closed host has to report. @throws the failure of the socket, once */
  #last(): HostEvent | undefined {
    const event = this.#backlog.shift();
    const failure = this.#failure;
    if (event !== undefined || failure === undefined) return event;
    this.#failure = undefined;
    this.#consumer.isIterating = false;
    throw failure;
  }

  /** The next event for the host's own consumer, or undefined if it has to wait. */
  #next(): HostEvent | undefined {
    this.#giveBack();
    const event = this.#backlog.shift();
    if (event === undefined) return this.#consumer.isLazy ? this.#borrowNext() : undefined;
    if ("packet" in event) packets.lend(this.#borrowed = event.packet, this.#consumer.until);
    announce(event);
    return event;
  }

  #borrowNext(): HostEvent | undefined {
    const { events, memory, resources } = this.endpoint;
    for (;;) {
      if (events.empty && memory.held > 0) this.#servicing.refill();
      if (!resources.open || events.empty) return undefined;
      const event = this.#records.event(events.record);
      if (event !== undefined && "packet" in event) {
        this.#borrowed = event.packet;
        this.#servicing.isLending = true;
      } else {
        this.#records.release();
      }
      if (event !== undefined) {
        announce(event);
        return event;
      }
      // There may be many behind it of a peer that this side has ended.
      if (this.#servicing.spent()) return undefined;
    }
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
    if (this.#servicing.isLending) this.#records.release();
    this.#servicing.isLending = false;
  }

  /** One event by polling. */
  poll(timeoutMs: number): HostEvent | undefined {
    if (this.#consumer.isIterating) {
      throw new TypeError("The host is being iterated over: service() would take its events");
    }
    this.#requireIdle();
    if (!this.endpoint.resources.open) return this.#last();
    this.#consumer.isManual = true;
    const ready = this.#next();
    if (ready !== undefined) return ready;
    this.service(timeoutMs);
    return this.#next();
  }

  /** Begins the iteration of the host's events. */
  iterate(): AsyncIterableIterator<HostEvent> {
    if (this.#consumer.isIterating) throw new TypeError("The host is being iterated over already");
    if (this.handlers !== undefined) {
      throw new TypeError(
        "The host has handlers, which take its events: set host.handlers = undefined before the loop",
      );
    }
    this.#consumer.isIterating = true;
    this.#consumer.isManual = false;
    return iteration(() => this.#read(), () => {
      this.#consumer.isIterating = false;
      this.#giveBack();
      this.#mailbox.dismiss();
      if (this.endpoint.resources.open) this.endpoint.change();
    });
  }

  #read(): Promise<IteratorResult<HostEvent>> {
    // While a handler runs, its event is still in the ring.
    const isHeldUp = this.settling || this.#servicing.isYielding;
    if (isHeldUp) this.#giveBack();
    return this.#mailbox.read(isHeldUp);
  }

  // Single peers.

  claim(connection: Connection): void {
    connection.iterating = true;
    this.#claim(connection, () => true);
  }

  /** Moves messages of a connection that the host has kept to their new consumer. */
  #claim(connection: Connection, claimed: (channelId: number) => boolean): void {
    this.#consumer.claims++;
    this.#detachBorrowed();
    const mine = (event: HostEvent) =>
      event.type === "receive" && event.peer === connection.peer && claimed(event.channelId);
    for (const event of this.#backlog.extract(mine)) {
      if (event.type === "receive") connection.receive(event);
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
    this.#consumer.claims--;
    this.endpoint.change();
  }

  unclaim(connection: Connection): void {
    if (!connection.iterating) return;
    connection.iterating = false;
    connection.inbox.dismiss();
    this.#consumer.claims--;
    const ended = this.#backlog.extract((event) =>
      event.type === "disconnect" && event.peer === connection.peer
    );
    // The messages that are left belong before the disconnect event; after that event they are dropped.
    const late = connection.inbox.over && ended.length === 0;
    const { inbox } = connection;
    for (let message = inbox.shift(); message; message = inbox.shift()) {
      if (late) packets.release(message.packet);
      else this.#backlog.push({ type: "receive", peer: peers.of(connection), ...message });
    }
    for (const event of ended) this.#backlog.push(event);
    this.#servicing.yield();
  }

  // The end.

  silence(): void {
    this.#backlog.silence();
  }

  /** Before the native host and its memory go: ends what is borrowed from it. */
  releaseBorrowed(): void {
    if (this.#borrowed !== undefined) packets.close(this.#borrowed);
    this.#borrowed = undefined;
    this.#servicing.isLending = false;
    this.#handling.releaseBorrowed();
  }

  /** After the native host is gone: settles everything that waits. */
  close(): void {
    this.#keepEnds();
    this.shutdown.resolve();
    this.endpoint.deliveries.abandon();
    this.#mailbox.feed();
    sweepLingering();
    this.endpoint.unpinAll();
    if (this.handlers !== undefined) queueMicrotask(() => this.#handling.giveEnds());
  }

  /** Leaves in the backlog only one disconnect event for each connect event that was reported. */
  #keepEnds(): void {
    this.#backlog.keepEnds();
    for (const connection of [...this.roster]) {
      const { failure, announced } = connection;
      const peer = peers.of(connection);
      connection.close(
        failure === undefined
          ? { reason: "local", data: this.closeData }
          : { reason: "reset", data: 0 },
      );
      this.roster.forget(connection);
      if (announced) this.#backlog.push({ type: "disconnect", peer, ...connection.end as PeerEnd });
    }
  }
}
