import { DISCONNECT, LAYOUT, PEER_OPTION, PEER_STAT } from "../../ffi/layout.ts";
import type { Address } from "../address.ts";
import type { PeerEnd } from "../disconnect.ts";
import { type ENetError, NATIVE_ERROR, type Unreachable } from "../errors.ts";
import type { PeerMessage } from "../message.ts";
import { type Data, type Packet, packets } from "../packet.ts";
import { type ClientFacts, PLAIN_CLIENT } from "./client_facts.ts";
import type { ChannelSink, ConnectionOwner, Ending, Membership } from "./connection_contract.ts";
import { connectError, connectionError, undeliveredError } from "./connection_error.ts";
import { hostAndPort } from "./ip.ts";
import { iteration } from "./iteration.ts";
import { requireSendable } from "./payload.ts";
import { PeerInbox } from "./peer_inbox.ts";
import { PinnedPromise } from "./pinned_promise.ts";
import type { Carried, Transport } from "./transport.ts";
import { forgetWith, Kept } from "./waiting.ts";

/**
 * A connection as the library sees it; `Peer` is its public face.
 *
 * They are two objects. Consumers and transports read and write the fields of this one for each message, so these
 * cannot be private. A program must not see them.
 */
export class Connection implements Carried {
  readonly endpoint: ConnectionOwner<Connection>;
  readonly transport: Transport;
  readonly id: number;
  /** Its number among all connections of its host, from 1. */
  readonly number: number;
  address: Readonly<Address>;
  /** Channels, once connected; before, what was asked for. */
  channels: number;
  /** Opened by `host.connect`. */
  readonly outgoing: boolean;
  /** The public face, a `Peer`; `peers.of` gives it its type. */
  peer: unknown;
  established = false;
  /** The program has been given its connect event. */
  announced = false;
  /** The program has been given its disconnect event: no message of it may come behind that. */
  gone = false;
  queuedAtMost = 0;
  full = false;
  ending: Ending | undefined;
  /** Another attempt has been faster. The program is not told of this one, which ends by itself. */
  abandoned = false;
  /** Called when the attempt has succeeded, before the program is told. */
  onEstablished: (() => void) | undefined;
  /** Called when ICMP says that the address is unreachable. */
  onUnreachable: (() => void) | undefined;
  /** What ICMP has said about the attempt, which goes on. */
  unreachable: Unreachable | undefined;
  /** What is known about the other side. Of an encrypted attempt: plain until the server has shown its key. */
  facts: ClientFacts = PLAIN_CLIENT;
  /** Native code drops what the other side sends; see `deny`. */
  denied = false;
  /** Called once when a message of so many bytes was refused for its size. The other side is not told. */
  onTooLarge: ((length: number) => void) | undefined;
  /** What `host.connect` waits for: the peer. */
  readonly connecting: PinnedPromise<unknown>;
  /** The error of `host.connect` when nothing answers within a time. */
  unanswered: ((limit: string) => ENetError) | undefined;
  /** This side has begun to end it, so the host reports nothing of it but its end. See `leave`. */
  #closing = false;
  #iterating = false;
  /** The consumers of single channels. */
  readonly sinks: Map<number, ChannelSink> = new Map();
  /** Called when the connection has ended, before messages that still wait are given out. */
  readonly closeListeners: Set<() => void> = new Set();
  /** The groups that it is in. */
  readonly memberships: Set<Membership<Connection>> = new Set();
  /** The error of the host's socket, if that has ended the connection. */
  failure: ENetError | undefined;
  /** Its messages for an iteration over the peer. */
  readonly inbox: PeerInbox;
  readonly #closed: PinnedPromise<PeerEnd>;
  readonly #drained: PinnedPromise<void>;
  /** Its messages that wait in JavaScript. */
  readonly #kept: Kept;
  #paused = false;
  #ignored = false;
  /** Whether messages go anywhere else than to the host. */
  #diverted = false;

  constructor(
    endpoint: ConnectionOwner<Connection>,
    transport: Transport,
    id: number,
    address: Readonly<Address>,
    channels: number,
    outgoing: boolean,
  ) {
    this.endpoint = endpoint;
    this.transport = transport;
    this.id = id;
    this.number = ++endpoint.connections;
    this.address = address;
    this.channels = channels;
    this.outgoing = outgoing;
    this.#kept = new Kept(endpoint.waiting);
    this.inbox = new PeerInbox(endpoint, this);
    this.connecting = new PinnedPromise(endpoint);
    this.#closed = new PinnedPromise(endpoint);
    this.#drained = new PinnedPromise(endpoint);
  }

  /** `Peer 127.0.0.1:7777`, for messages. */
  get name(): string {
    return `Peer ${hostAndPort(this.address)}`;
  }

  /** Whether messages can be queued, as far as JavaScript knows. */
  get sendable(): boolean {
    return this.established && !this.#closing && this.ending === undefined;
  }

  /** Whether a native result means that the connection or the host is ending or has ended. */
  isEnd(result: number): boolean {
    return result === NATIVE_ERROR.STALE || result === NATIVE_ERROR.CLOSED ||
      (result === NATIVE_ERROR.NOT_CONNECTED && this.established);
  }

  /** The error of a call that the end of the connection prevents, once the reason of the end is known. */
  async refusal(): Promise<ENetError> {
    const isKnown = this.#closing || this.ending !== undefined || !this.endpoint.resources.open;
    if (this.established && !isKnown) await this.closed();
    return this.error(this.established ? NATIVE_ERROR.STALE : NATIVE_ERROR.NOT_CONNECTED);
  }

  /** The error of a native call on this connection. */
  error(result: number): ENetError {
    return connectionError(this, result);
  }

  /** The error of a message whose acknowledgement was waited for. */
  undelivered(): ENetError {
    return undeliveredError(this);
  }

  /**
   * Queues a message; to a connection that ends, or has ended, it does nothing.
   *
   * @param token see {@linkcode Transport.send}
   */
  send(channelId: number, flags: number, data: Data, token: number): number {
    const { endpoint } = this;
    if (!endpoint.resources.open || (this.established && !this.sendable)) {
      requireSendable(data, endpoint.settings);
      return NATIVE_ERROR.STALE;
    }
    return this.transport.send(this, channelId, flags, data, token);
  }

  // Messages that wait in JavaScript, here, in a stream or in the host's backlog; see `Waiting`.

  /** Counts a message that now waits. */
  hold(packet: Packet): void {
    this.holdBytes(packet.length, packets.isNative(packet));
  }

  /** Counts a message that has been taken. */
  release(packet: Packet): void {
    this.releaseBytes(packet.length, packets.isNative(packet));
  }

  /** Counts bytes that now wait. */
  holdBytes(bytes: number, isNative = false): void {
    const { waiting } = this.endpoint;
    waiting.add(bytes, isNative);
    this.#kept.note(bytes, isNative, 1);
    if (!this.#paused && this.#kept.cost > waiting.share) this.#pause(true);
  }

  /** Counts bytes that have been taken. */
  releaseBytes(bytes: number, isNative = false): void {
    const { waiting } = this.endpoint;
    waiting.remove(bytes, isNative);
    this.#kept.note(bytes, isNative, -1);
    if (this.#paused && this.#kept.cost <= waiting.share / 2) this.#pause(false);
  }

  #pause(paused: boolean): void {
    this.#paused = paused;
    this.transport.set(this, PEER_OPTION.PAUSED, Number(paused), 0, 0);
    if (!paused) this.endpoint.change();
  }

  /** Drops the datagrams of the other side, as the host's filter would, or takes them again. Denied, it times out. */
  deny(denied: boolean): void {
    this.denied = denied;
    if (this.endpoint.resources.open) {
      this.transport.set(this, PEER_OPTION.DENIED, Number(denied), 0, 0);
    }
  }

  // Iteration.

  /** Takes its messages from the host, for one consumer. */
  claim(): void {
    if (this.iterating) {
      throw new TypeError(
        `${this.name} is being iterated over already, or a receive() waits: await one before the next`,
      );
    }
    this.endpoint.inlet.claim(this);
  }

  /** Its messages, for one consumer. */
  iterate(): AsyncIterableIterator<PeerMessage> {
    this.claim();
    return iteration(async (stop) => {
      const result = await this.inbox.read();
      if (result.done) stop();
      return result;
    }, () => this.unclaim());
  }

  /** Gives the messages that wait, and later ones, back to the host. */
  unclaim(): void {
    this.inbox.giveBack();
    this.endpoint.inlet.unclaim(this);
  }

  /** Whether the messages are being iterated over. */
  get iterating(): boolean {
    return this.#iterating;
  }
  set iterating(iterating: boolean) {
    this.#iterating = iterating;
    this.#ignored = false;
    this.divert();
  }

  /** Messages without a consumer are dropped, and not kept for an iteration that may begin. */
  get ignored(): boolean {
    return this.#ignored;
  }
  set ignored(ignored: boolean) {
    this.#ignored = ignored;
    this.divert();
  }

  /** Whether a message would exceed what may wait of one peer. */
  exceeds(bytes: number): boolean {
    return this.#kept.cost + bytes + LAYOUT.MESSAGE_COST > this.endpoint.waiting.share;
  }

  /** To be called when a sink has come or gone. */
  divert(): void {
    this.#diverted = this.#closing || this.#iterating || this.#ignored || this.sinks.size > 0;
  }

  /** Whether the messages of a channel are dropped. */
  drops(channelId: number): boolean {
    return this.#closing || (this.#ignored && !this.sinks.has(channelId));
  }

  /** Whether the host does not get the messages of a channel: another consumer does, or they are dropped. */
  takes(channelId: number): boolean {
    return this.#diverted &&
      (this.#closing || this.#iterating || this.#ignored || this.sinks.has(channelId));
  }

  /** Gives a message to the consumer of its channel, else to the iteration. */
  receive(message: PeerMessage): void {
    const sink = this.sinks.get(message.channelId);
    if (sink !== undefined) return sink.receive(message.packet);
    this.inbox.push(message);
  }

  /** Moves the messages of a channel from the iteration's inbox to the consumer of the channel. */
  sort(channelId: number): void {
    this.inbox.move(channelId, (message) => this.receive(message));
  }

  /** It has ended: what waits counts for as long as the program may still take it. */
  forgotten(): void {
    if (this.waits) forgetWith(this, this.#kept);
  }

  /** Whether messages of it wait in JavaScript, here or in the host's backlog. */
  get waits(): boolean {
    return this.#kept.cost > 0;
  }

  /** Whether this side has begun to end it. */
  get closing(): boolean {
    return this.#closing;
  }

  /**
   * This side ends the connection: iterations and streams end. Messages that have arrived and were not taken
   * are dropped, and so are later ones. The caller has the inlet drop those that wait there.
   */
  leave(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.divert();
    const { inbox } = this;
    for (let next = inbox.shift(); next; next = inbox.shift()) packets.release(next.packet);
    this.endReaders();
    this.#abandonDrain();
    this.#leaveGroups();
  }

  /** Gives up an attempt in favour of another one. The other side is told, when it answers. */
  abandon(): void {
    this.abandoned = true;
    this.leave();
    this.transport.disconnect(this, 0, DISCONNECT.ABANDON);
    this.connecting.reject(() => this.error(NATIVE_ERROR.STALE));
  }

  #leaveGroups(): void {
    for (const membership of [...this.memberships]) membership.delete(this);
  }

  /** There will be no more messages: reads end behind those that wait. */
  endReaders(): void {
    this.inbox.end();
    for (const sink of [...this.sinks.values()]) sink.end();
  }

  // Promises about the connection.

  /** How the connection has ended, or undefined while it has not. */
  get end(): PeerEnd | undefined {
    return this.ending && { ...this.ending as PeerEnd };
  }

  /** Resolves when the connection has ended. */
  closed(): Promise<PeerEnd> {
    if (this.end !== undefined) return Promise.resolve(this.end);
    return this.#closed.promise;
  }

  /** Resolves when the queue has fallen to half the high-water mark; rejects if the connection ends first. */
  async drained(): Promise<void> {
    const { endpoint } = this;
    const stats = this.sendable ? this.transport.stats(this) : undefined;
    if (stats === undefined) throw await this.refusal();
    const counted = stats[PEER_STAT.COUNTED_BYTES];
    if (!this.full && counted <= endpoint.settings.highWaterMark) return;
    endpoint.flushIfDirty();
    await this.#drained.promise;
  }

  /** The transport says that the queue has fallen to half the high-water mark. */
  drain(): void {
    this.full = false;
    this.#drained.resolve();
  }

  #abandonDrain(): void {
    this.#drained.reject(() => this.error(NATIVE_ERROR.STALE));
  }

  /** It has ended, or the program or its host ends it: settles all promises, except those of readers. */
  close(ending: Ending): void {
    this.ending ??= ending;
    this.#leaveGroups();
    for (const listener of [...this.closeListeners]) listener();
    this.#abandonDrain();
    this.#closed.resolve(this.end as PeerEnd);
    if (this.established) this.resolveConnect();
    this.connecting.reject(() => connectError(this, ending));
  }

  /** Its transport says that it is established. */
  connected(channels: number): void {
    this.channels = channels;
    this.established = true;
    this.onEstablished?.();
  }

  /**
   * Resolves the promise of the program that has opened the connection.
   *
   * @returns whether there was one
   */
  resolveConnect(): boolean {
    return this.connecting.resolve(this.peer);
  }
}
