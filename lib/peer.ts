import { DISCONNECT, LAYOUT, PEER_OPTION, PEER_STAT, type PeerOption } from "../ffi/layout.ts";
import type { Connection } from "./internal/connection.ts";
import { validateFlags } from "./internal/flags.ts";
import { makeInspectable } from "./internal/inspect.ts";
import { hostAndPort } from "./internal/ip.ts";
import { receiveOne } from "./internal/receive_one.ts";
import { refuseUnknown } from "./internal/strict.ts";
import { integer, show, U32 } from "./internal/validate.ts";
import type { Address } from "./address.ts";
import type { DisconnectReason, PeerEnd } from "./disconnect.ts";
import type { PeerMessage, ReceiveOptions } from "./message.ts";
import type { Cipher } from "./encryption.ts";
import { type Data, PacketFlag } from "./packet.ts";
import type { PeerHost } from "./peer_host.ts";
import { PEER_STATES, type PeerState } from "./peer_state.ts";
import { type PeerStats, readPeerStats, statsAfterTheEnd } from "./peer_stats.ts";
import { readableOf, type StreamChunk, writableOf, type WritableOptions } from "./streams.ts";
import type { ConnectToken } from "./security/token.ts";
import { planThrottle, planTimeout, type ThrottleOptions, type TimeoutOptions } from "./tuning.ts";

/** What the rest of the library may do with peers, and users may not. */
interface PeerInside {
  /** Gives a connection its public face. */
  create(connection: Connection): void;
  /** The connection behind a public face. */
  connectionOf(peer: Peer): Connection;
  /** The public face of a connection. */
  of(connection: Connection): Peer;
}

let inside: PeerInside;

/**
 * A connection: the same object from its connect event to its disconnect event. A later connection of the
 * same client is another object.
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 *
 * await using server = await Host.listen({ hostname: "127.0.0.1" }, {
 *   receive: (peer, channelId, packet) => peer.send(channelId, packet),
 * });
 * await using client = await Host.create();
 * const peer = await client.connect(server.address);
 * peer.send(0, "hello");
 * for await (const { packet } of peer) {
 *   console.log(packet.text()); // hello
 *   break;
 * }
 * ```
 */
export class Peer<PeerData = unknown> implements AsyncIterable<PeerMessage> {
  /**
   * The program's own data; the library never reads it. `Host.listen<Player>()` gives it a type. It is
   * `undefined` until the program sets it: write `Player | undefined` where it may be read before that.
   */
  data: PeerData = undefined as PeerData;
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
    Object.preventExtensions(this); // a misspelt property is a TypeError
  }

  /** A number from 1 that names the connection: no other connection of its host ever has the same. */
  get id(): number {
    return this.#connection.number;
  }

  /** The host that the connection belongs to. */
  get host(): PeerHost<Peer<PeerData>> {
    return this.#connection.endpoint.host as PeerHost<Peer<PeerData>>;
  }

  /**
   * Mean time from sending a reliable packet to its acknowledgement, in milliseconds; 0 once the
   * connection has ended. Cheaper than {@linkcode Peer.stats}.
   */
  get roundTripTime(): number {
    return this.#stat(PEER_STAT.ROUND_TRIP_TIME);
  }

  /**
   * Bytes sent by the program that are queued or not yet acknowledged. 0 once the connection has ended.
   * Cheaper than {@linkcode Peer.stats}.
   */
  get queuedBytes(): number {
    return this.#stat(PEER_STAT.QUEUED_BYTES);
  }

  #stat(index: number): number {
    return this.#connection.transport.stats(this.#connection)?.[index] ?? 0;
  }

  /** The other side's address. That of an encrypted connection can change, see {@linkcode MovedEvent}. */
  get address(): Address {
    return { ...this.#connection.address };
  }

  /** Whether the connection is encrypted. */
  get encrypted(): boolean {
    return this.#connection.facts.encrypted;
  }

  /** What encrypts the datagrams; `undefined` on a plain connection, and on one of a gateway. */
  get cipher(): Cipher | undefined {
    return this.#connection.facts.cipher;
  }

  /** What the connect token of the client says, on a server with `security.tokens`. */
  get token(): ConnectToken | undefined {
    return this.#connection.facts.token;
  }

  /** The client's public key, `host_public_…`, on a server that it connected to with a `keyPair`. */
  get clientKey(): string | undefined {
    return this.#connection.facts.clientKey;
  }

  /** Channels of the connection; while it is connecting, what was asked for. */
  get channelCount(): number {
    return this.#connection.channels;
  }

  /** Where the connection is in its life; `"disconnected"` once it has ended or the host is closed. */
  get state(): PeerState {
    return PEER_STATES[Math.max(0, this.#connection.transport.state(this.#connection))];
  }

  /**
   * A promise of how the connection ends. It never rejects. It resolves when this side knows of the end,
   * which may be before the program has taken the last messages.
   */
  get closed(): Promise<PeerEnd> {
    return this.#connection.closed();
  }

  /** Why the connection has ended; undefined before. */
  get reason(): DisconnectReason | undefined {
    return this.#connection.end?.reason;
  }

  /** ENet's values of the connection now; once it has ended, `"disconnected"` and zeros. */
  get stats(): PeerStats {
    const connection = this.#connection;
    return readPeerStats(
      connection.transport.stats(connection) ?? statsAfterTheEnd(connection.channels),
    );
  }

  /**
   * Queues a message, however long the queue is.
   *
   * The bytes are copied, so they may be changed afterwards. A packet that is being received is sent on
   * without a copy in JavaScript.
   *
   * When the connection is ending or has ended, or its host is closed, this does nothing and returns false. A
   * program need not check first.
   *
   * @param channelId the channel, from 0. How many there are is what the client asked for when it connected: a
   *   server refuses in `accept` those with too few
   * @param data text (sent as UTF-8), a buffer, a view of one, or a packet
   * @param flags how it is sent. Default reliable
   * @returns false while the queue to this peer is above the host's high-water mark, else true.
   *   {@linkcode Peer.drain} resolves when the queue has fallen to half of the mark. Also false after the end of the
   *   connection; `drain` rejects then
   * @throws {TypeError} if `data` is nothing that can be sent
   * @throws {RangeError} if the channel, the flags or the size are out of range
   * @throws {ENetError} `ENETJS_ERR_MEMORY`, and `ENETJS_ERR_RELEASED` for a packet that is no longer valid
   */
  send(channelId: number, data: Data, flags: PacketFlag = PacketFlag.RELIABLE): boolean {
    const connection = this.#connection;
    validateFlags(flags);
    if (connection.transport.post(connection, channelId, flags, data)) return true;
    const result = this.#send(channelId, data, flags, 0);
    if (result >= 0) return result === 0;
    if (connection.isEnd(result)) return false;
    throw connection.error(result);
  }

  /**
   * Sends a reliable message and waits for its acknowledgement.
   *
   * @param channelId the channel, from 0
   * @param data as for {@linkcode Peer.send}
   * @returns a promise that resolves when the other side has acknowledged all of the message. It rejects with
   *   `ENETJS_ERR_UNDELIVERED` when the connection ends first. When the connection was ending or had ended
   *   before the call, nothing is sent, and it rejects with `ENETJS_ERR_STALE`, or with `ENETJS_ERR_CLOSED`
   *   when the host is closed. For wrong arguments it rejects with what {@linkcode Peer.send} throws
   */
  async deliver(channelId: number, data: Data): Promise<void> {
    const connection = this.#connection;
    const { deliveries } = connection.endpoint;
    const token = deliveries.token();
    const result = this.#send(channelId, data, PacketFlag.RELIABLE, token);
    if (result >= 0) return await deliveries.acknowledged(token, connection);
    throw connection.isEnd(result) ? await connection.refusal() : connection.error(result);
  }

  /**
   * Waits for the queue to this peer to fall to half the host's high-water mark.
   *
   * @returns a promise that resolves then, or at once if the queue has not been above the mark. It rejects
   *   with `ENETJS_ERR_STALE` when either side ends the connection, and with `ENETJS_ERR_CLOSED` when the
   *   host is closed. Catch that in an `async` handler: an unhandled rejection ends the process
   */
  drain(): Promise<void> {
    return this.#connection.drained();
  }

  /**
   * Ends the connection and drops what is queued in either direction.
   *
   * After this side has ended a connection in any way, the host reports only its disconnect event. Messages that
   * have arrived and were not taken are dropped, and iterations over the peer end.
   *
   * @param data a 32-bit value that the other side reads with its disconnect event
   * @returns a promise that resolves when the other side has acknowledged or has timed out; at once, when the
   *   connection has ended before
   * @throws {RangeError} if `data` is not an unsigned 32-bit integer
   */
  disconnect(data: number = 0): Promise<void> {
    return this.#disconnect(integer(data, "data", 0, U32), DISCONNECT.NORMAL);
  }

  /**
   * Ends the connection after everything queued has been delivered. No more messages can be sent.
   *
   * @param data as for {@linkcode Peer.disconnect}
   * @returns a promise that resolves as for {@linkcode Peer.disconnect}
   */
  disconnectLater(data: number = 0): Promise<void> {
    return this.#disconnect(integer(data, "data", 0, U32), DISCONNECT.LATER);
  }

  /**
   * Ends the connection at once, with one notice to the other side that may be lost.
   *
   * @param data as for {@linkcode Peer.disconnect}
   */
  disconnectNow(data: number = 0): void {
    void this.#disconnect(integer(data, "data", 0, U32), DISCONNECT.NOW);
  }

  /**
   * Forgets the connection without a notice; the other side times out. Does nothing when the connection has
   * ended.
   */
  reset(): void {
    const connection = this.#connection;
    if (connection.transport.reset(connection) >= 0) {
      connection.close({ reason: "reset", data: 0 });
    }
    this.#leave();
  }

  /**
   * Sends a ping now, in addition to those that ENet sends by itself. Does nothing when the connection is
   * ending or has ended.
   */
  ping(): void {
    this.#check(this.#connection.transport.ping(this.#connection));
  }

  /**
   * Sets how long a connection may be silent before ENet sends a ping. A ping may be late by a sixteenth of
   * that time, so that many leave together.
   *
   * Does nothing where the connection has ended.
   *
   * @param intervalMs milliseconds; 0 restores ENet's default, 500
   * @throws {RangeError} if it is no unsigned 32-bit integer
   */
  pingInterval(intervalMs: number): void {
    this.#set(PEER_OPTION.PING_INTERVAL, integer(intervalMs, "intervalMs", 0, U32), 0, 0);
  }

  /**
   * Sets after which time without acknowledgements the connection ends. Does nothing when it has ended.
   *
   * @param timeouts what to change; what is absent or 0 gets its default
   * @throws {RangeError} if a value is no unsigned 32-bit integer, or `minimumMs` above `maximumMs`
   */
  timeout(timeouts: TimeoutOptions): void {
    this.#set(PEER_OPTION.TIMEOUT, ...planTimeout(timeouts));
  }

  /**
   * Turns on, or changes, how ENet drops unreliable packets as the round trip gets worse, whatever
   * {@linkcode HostSettings.throttle} is. Asks the other side to do the same. Does nothing where the
   * connection is ending or has ended.
   *
   * @param throttle what to change; what is absent gets ENet's default
   * @throws {RangeError} if a value is out of range
   */
  throttle(throttle: ThrottleOptions): void {
    this.#set(PEER_OPTION.THROTTLE, ...planThrottle(throttle));
  }

  /**
   * Sets the share of a channel in what is sent to this peer, while messages wait on several channels. A channel of
   * priority 4 sends four times as many bytes as one of priority 1, which is the default. A channel that sends
   * little does not need it: its messages overtake those that wait on other channels. The order within a channel
   * stays. See docs/real-networks.md.
   *
   * Does nothing where the connection is ending or has ended.
   *
   * @param channelId the channel, from 0
   * @param priority an integer from 1 to 100
   * @throws {RangeError} if `channelId` or `priority` is out of range
   */
  priority(channelId: number, priority: number): void {
    integer(channelId, "channelId", 0, this.channelCount - 1);
    integer(priority, "priority", 1, LAYOUT.PRIORITY_MAXIMUM);
    this.#set(PEER_OPTION.PRIORITY, channelId, priority, 0);
  }

  /**
   * Waits for one message of this peer, such as the first one of a login. While it waits, the host reports
   * none of the peer's messages. The host reports later messages as usual: to its handlers, to an iteration,
   * or to the next call of this. Your code runs from this `await` to its next one before they come.
   *
   * @param options how long to wait
   * @returns the message; its packet is retained until it is disposed of or garbage-collected
   * @throws {TypeError} if this peer is being iterated over, if another call waits for its message, or for an
   *   option of the wrong type
   * @throws {RangeError} if `timeoutMs` is out of range
   * @throws {ENetError} `ENETJS_ERR_TIMEOUT` when no message comes in time, `ENETJS_ERR_STALE` or
   *   `ENETJS_ERR_CLOSED` when the connection or the host ends first; or the reason of the signal
   */
  receive(options: ReceiveOptions = {}): Promise<PeerMessage> {
    return receiveOne(this.#connection, options);
  }

  /**
   * The messages of this peer, until the connection ends. During the iteration the host reports none of them.
   * A packet above 64 KiB is borrowed until the next iteration; the bytes of smaller ones are copies and stay
   * valid. Channels that are read as streams are left out.
   *
   * @throws {TypeError} if this peer is being iterated over already
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<PeerMessage> {
    return this.#connection.iterate();
  }

  /**
   * The messages of one channel as a stream of bytes; each chunk is a message, a copy that stays valid as
   * `packet.bytes` does. Until the stream is over, neither the host nor an iteration over this peer reports
   * the channel's messages. Those that the host has kept go to the stream first.
   *
   * A reader that stops reading slows the sender down. When 2 MiB of the peer wait, or its share of what the host
   * may hold, the library pauses all of its channels. After the host's `maximumWaitingData` the host accepts no
   * more, and the sender keeps the rest. The sender does not time out, because its pings and a message now and then
   * are acknowledged.
   *
   * The stream closes after the last message when either side has disconnected. It fails with
   * `ENETJS_ERR_STALE` when the connection was lost (timeout, reset), and with `ENETJS_ERR_SOCKET` when the
   * host's socket has failed. Cancelling the stream drops what waits. The host reports later messages of the
   * channel again.
   *
   * @param channelId the channel, from 0
   * @returns the stream; a closed one when the connection has ended
   * @throws {TypeError} if the channel is being read already
   * @throws {RangeError} if the connection has no such channel
   */
  readable(channelId: number): ReadableStream<Uint8Array<ArrayBuffer>> {
    return readableOf(this.#connection, this.#channel(channelId));
  }

  /**
   * A stream of bytes to one channel. Each chunk is sent as one reliable message, or as several if it is
   * longer than `chunkSize`. An empty chunk is not sent.
   *
   * A writer waits while the queue to this peer is above the host's high-water mark. Closing the stream waits
   * until everything has been acknowledged. It does not end the connection, and sends nothing. When the
   * connection ends, the stream fails with `ENETJS_ERR_STALE`, or with `ENETJS_ERR_UNDELIVERED` if something
   * had not been acknowledged.
   *
   * @param channelId the channel, from 0
   * @param options how chunks are cut
   * @returns the stream
   * @throws {TypeError} for an unknown option
   * @throws {RangeError} if the connection has no such channel, or if `chunkSize` is out of range
   */
  writable(channelId: number, options: WritableOptions = {}): WritableStream<StreamChunk> {
    return writableOf(this.#connection, this.#channel(channelId), options);
  }

  /** Refuses a channel that the connection does not have. */
  #channel(channelId: number): number {
    const { channels } = this.#connection;
    const name = `channelId of a connection with ${channels} channels`;
    if (Number.isInteger(channelId) && channelId >= channels) {
      throw new RangeError(
        `${name} must be an integer from 0 to ${
          channels - 1
        }, not ${channelId}: the client asks for ` +
          "more with `channels` of connect, and a server refuses those with fewer in `accept`",
      );
    }
    return integer(channelId, name, 0, channels - 1);
  }

  #send(channelId: number, data: Data, flags: number, token: number): number {
    const connection = this.#connection;
    if (!Number.isInteger(channelId) || channelId < 0 || channelId >= connection.channels) {
      if (typeof channelId !== "number" && data === undefined) {
        throw new TypeError(
          `The channel comes first, as in send(0, data): channelId must be a number, not ${
            show(channelId)
          }`,
        );
      }
      this.#channel(channelId);
    }
    return connection.send(channelId, flags, data, token);
  }

  #set(option: PeerOption, a: number, b: number, c: number): void {
    this.#check(this.#connection.transport.set(this.#connection, option, a, b, c));
  }

  /** Passes over the end of the connection, which is no fault of the program. */
  #check(result: number): void {
    if (result < 0 && !this.#connection.isEnd(result)) throw this.#connection.error(result);
  }

  async #disconnect(data: number, mode: number): Promise<void> {
    const connection = this.#connection;
    const result = connection.transport.disconnect(connection, data, mode);
    this.#leave();
    if (result >= 0) await connection.closed();
  }

  /** This side has ended the connection. */
  #leave(): void {
    const { endpoint } = this.#connection;
    this.#connection.leave();
    if (this.#connection.waits) endpoint.inlet.silence();
    endpoint.change();
  }

  #describe(): string {
    const { address, ending } = this.#connection;
    const where = hostAndPort(address);
    if (ending !== undefined) return `${where}, ended: ${ending.reason}, data ${ending.data}`;
    const stats = this.#connection.transport.stats(this.#connection);
    if (stats === undefined) return `${where}, ${this.state}`;
    const { state, roundTripTimeMs, queuedBytes } = readPeerStats(stats);
    return `${where}, ${state}, ${roundTripTimeMs} ms, queued ${queuedBytes} B`;
  }

  static {
    makeInspectable(this.prototype, "Peer", (peer) => peer.#describe());
    refuseUnknown(this.prototype, "The peer", ["data"]);
    inside = {
      create: (connection) => void (connection.peer = new Peer(connection)),
      connectionOf: (peer) => peer.#connection,
      of: (connection) => connection.peer as Peer,
    };
  }
}

export const peers: PeerInside = inside;
