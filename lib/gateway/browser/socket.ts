import { iteration } from "../../internal/iteration.ts";
import { PacketFlag } from "../../packet_flag.ts";
import { Link, type LinkOwner } from "../link/link.ts";
import { CLOSE, closeReason, encodeMessage, endOf, type Welcome } from "../link/wire.ts";
import { EnetSocketError } from "./errors.ts";
import { greet, WINDOW } from "./greeting.ts";
import {
  type ConnectPlan,
  type EnetConnectOptions,
  type EnetSessionOptions,
  integer,
  planConnect,
} from "./options.ts";
import { bytesOf, type EnetMessage, type EnetPacket } from "./packet.ts";
import { Reader } from "./reader.ts";
import { RtcOffer } from "./rtc.ts";
import { sessions } from "./sessions.ts";

/** How a connection of an {@linkcode EnetSocket} has ended. */
export interface EnetEnd {
  /**
   * `"remote"`: the other side disconnected. `"local"`: this side disconnected. `"timeout"`: the connection was lost.
   * `"reset"`: what came was not of the protocol.
   */
  readonly reason: "remote" | "local" | "timeout" | "reset";
  /** The 32-bit value that the disconnecting side gave, or 0. */
  readonly data: number;
}

/** Bytes of the largest message from the gateway. */
const LARGEST = 32 * 1024 * 1024;
/** How often a link is looked at, and how long a close may take. */
const TICK_MS = 250;
const CLOSE_MS = 3000;
const FLAGS: readonly number[] = Object.values(PacketFlag);

/**
 * A browser's connection to an ENet host, through a gateway. It has the shape of a `Peer` of `@enetjs/enet`, and needs
 * only what a page has. The messages go over a WebSocket, so unreliable ones are not lost; while the network is slow,
 * newer ones replace those of their channel that still wait. With the option `webrtc`, and a gateway that has it, too,
 * unreliable messages go over a data channel and are as fast, and as unreliable, as ENet's.
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 * import { EnetSocket } from "@enetjs/enet/browser";
 * import { Gateway } from "@enetjs/enet/gateway";
 *
 * await using host = await Host.listen({ hostname: "127.0.0.1" }, {
 *   receive: (peer, channelId, packet) => void peer.send(channelId, packet),
 * });
 * await using gateway = await Gateway.listen({ host, hostname: "127.0.0.1" });
 *
 * // In a page:
 * await using socket = await EnetSocket.connect(gateway.url);
 * socket.send(0, "hello");
 * for await (const { packet } of socket) {
 *   console.log(packet.text()); // hello
 *   break;
 * }
 * ```
 */
export class EnetSocket implements AsyncIterable<EnetMessage>, AsyncDisposable {
  /** Channels of the connection. */
  readonly channelCount: number;
  /** A promise of how the connection ends. It never rejects. */
  readonly closed: Promise<EnetEnd>;
  readonly #socket: WebSocket;
  readonly #link: Link;
  readonly #largest: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #resolveClosed!: (end: EnetEnd) => void;
  #end: EnetEnd | undefined;
  /** This side has begun to end it: the reason that will be reported. */
  #leaving: EnetEnd | undefined;
  /** To be closed when everything has been given to the socket. */
  #later = false;
  #touched = false;
  #iterating = false;
  readonly #reader: Reader;
  #token = 0;
  readonly #deliveries = new Map<number, PromiseWithResolvers<void>>();
  #drained: PromiseWithResolvers<void> | undefined;
  #rtc: RtcOffer | undefined;

  private constructor(socket: WebSocket, welcome: Welcome, plan: ConnectPlan) {
    const { channels, window, largest } = welcome;
    this.channelCount = channels;
    this.#socket = socket;
    this.#largest = largest;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
    const owner: LinkOwner<Uint8Array> = {
      transmit: (frame) => socket.send(frame as Uint8Array<ArrayBuffer>),
      buffered: () => socket.bufferedAmount,
      message: (channelId, flags, bytes) => this.#reader.message(channelId, flags, bytes),
      delivered: (token) => {
        this.#deliveries.get(token)?.resolve();
        this.#deliveries.delete(token);
      },
      drained: () => {
        this.#drained?.resolve();
        this.#drained = undefined;
      },
      touched: () => this.#touch(),
      signal: (frame) => this.#rtc?.answer(frame) ?? false,
      hold: () => true,
      fault: (code) => this.#fault(code),
    };
    this.#link = new Link(
      owner,
      { channels, sendWindow: window, receiveWindow: WINDOW, largest: LARGEST },
      plan.highWaterMark,
    );
    this.#reader = new Reader(this.#link.inbox);
    socket.onmessage = ({ data }: MessageEvent) => {
      if (!(data instanceof ArrayBuffer)) return this.#fault(CLOSE.FAULT);
      this.#link.receive(new Uint8Array(data));
      this.#closeIfEmpty();
    };
    socket.onclose = ({ code, reason }: CloseEvent) => {
      const end = endOf(code, reason);
      this.#close(this.#leaving ?? { ...end, reason: end.reason as EnetEnd["reason"] });
    };
    this.#timer = setInterval(() => this.#link.tick(performance.now()), TICK_MS);
    const { webrtc } = plan;
    if (webrtc === false) return;
    this.#rtc = new RtcOffer(this.#link, owner.transmit, webrtc === true ? undefined : webrtc);
  }

  /**
   * Connects to a gateway.
   *
   * @param url of the gateway, as `"wss://example.org:7890"`
   * @param options channels, data, and how long to wait
   * @returns the connection
   * @throws {TypeError} for an option of the wrong type
   * @throws {RangeError} for a value out of range
   * @throws {EnetSocketError} `ENETJS_ERR_REFUSED`, `ENETJS_ERR_TIMEOUT` or `ENETJS_ERR_SOCKET`; or the reason of the
   *   signal
   */
  static async connect(url: string | URL, options: EnetConnectOptions = {}): Promise<EnetSocket> {
    const plan = planConnect(options);
    return await greet(url, plan, (socket, welcome) => new EnetSocket(socket, welcome, plan));
  }

  /**
   * Connects again each time a connection has ended, and yields each connection. Before each comes a wait. The waits
   * start again at `minimumMs` after a connection that lasted longer than the wait before it.
   *
   * It goes on when the network fails, and when the host refuses because it is full, does not decide in time, closes,
   * or has too many connections of this address. Another refusal is thrown. The iteration ends when the signal aborts,
   * which disconnects. Leaving the loop disconnects after everything queued has been sent.
   *
   * @param url as for {@linkcode EnetSocket.connect}
   * @param options as for {@linkcode EnetSocket.connect}, and the waits
   * @returns the connections
   */
  static sessions(
    url: string | URL,
    options: EnetSessionOptions = {},
  ): AsyncGenerator<EnetSocket, void, undefined> {
    return sessions(() => EnetSocket.connect(url, options), options);
  }

  /** Mean time for a message and its acknowledgement, in milliseconds; 0 before the first. */
  get roundTripTime(): number {
    return this.#link.pace.roundTripTime;
  }

  /** Bytes sent by the program that are queued, or that the other side has not acknowledged. */
  get queuedBytes(): number {
    return this.#end === undefined ? this.#link.queuedBytes : 0;
  }

  /**
   * How unreliable messages travel now. It changes from `"websocket"` to `"webrtc"` some time after the connection was
   * made, and back while UDP does not pass.
   */
  get unreliableOver(): "webrtc" | "websocket" {
    return this.#link.path?.isOpen ? "webrtc" : "websocket";
  }

  /** Unreliable messages that newer ones have replaced while they waited. */
  get droppedMessages(): number {
    return this.#link.queue.dropped;
  }

  /** How the connection has ended; undefined before. */
  get end(): EnetEnd | undefined {
    return this.#end;
  }

  /**
   * Queues a message, however long the queue is. The bytes are copied.
   *
   * @param channelId the channel, from 0
   * @param data text (sent as UTF-8), a buffer, a view of one, or a received packet
   * @param flags how it is sent. Default reliable
   * @returns false while the queue is above `highWaterMark`, and when the connection is ending or has ended
   * @throws {TypeError} if `data` is nothing that can be sent
   * @throws {RangeError} if the channel, the flags or the size are out of range
   */
  send(
    channelId: number,
    data: string | ArrayBuffer | ArrayBufferView | EnetPacket,
    flags: PacketFlag = PacketFlag.RELIABLE,
  ): boolean {
    return this.#send(channelId, data, flags, 0);
  }

  /**
   * Sends a reliable message and waits for its acknowledgement. A gateway before a host in another process acknowledges
   * for the host.
   *
   * @param channelId the channel, from 0
   * @param data as for {@linkcode EnetSocket.send}
   * @returns a promise that resolves when the other side has all of the message. It rejects with
   *   `ENETJS_ERR_UNDELIVERED` when the connection ends first, and with `ENETJS_ERR_STALE` when it was ending before
   */
  async deliver(
    channelId: number,
    data: string | ArrayBuffer | ArrayBufferView | EnetPacket,
  ): Promise<void> {
    this.#requireOpen();
    const delivery = Promise.withResolvers<void>();
    this.#send(channelId, data, PacketFlag.RELIABLE, ++this.#token);
    this.#deliveries.set(this.#token, delivery);
    await delivery.promise;
  }

  /**
   * Waits for the queue to fall to half of `highWaterMark`.
   *
   * @returns a promise that resolves then, or at once where the queue is below the mark; it rejects with
   *   `ENETJS_ERR_STALE` when the connection ends
   */
  async drain(): Promise<void> {
    this.#requireOpen();
    if (!this.#link.isFull) return;
    this.#drained ??= Promise.withResolvers();
    await this.#drained.promise;
  }

  /**
   * Ends the connection. What is queued is dropped, and so is what has arrived and was not taken.
   *
   * @param data a 32-bit value that the other side reads
   * @returns a promise that resolves when the connection has ended
   * @throws {RangeError} if `data` is no unsigned 32-bit integer
   */
  async disconnect(data: number = 0): Promise<void> {
    this.#leave(data);
    this.#closeSocket(CLOSE.DISCONNECT, data);
    await this.closed;
  }

  /**
   * Ends the connection after everything that is queued. No more messages can be sent.
   *
   * @param data as for {@linkcode EnetSocket.disconnect}
   * @returns as for {@linkcode EnetSocket.disconnect}
   */
  async disconnectLater(data: number = 0): Promise<void> {
    if (this.#leaving === undefined) {
      this.#leave(data);
      this.#later = true;
      this.#touch();
    }
    await this.closed;
  }

  /**
   * The messages, until the connection ends. While the program takes none, they wait here up to 128 KiB, and then at
   * the other side.
   *
   * @throws {TypeError} if this socket is being iterated over already
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<EnetMessage> {
    if (this.#iterating) throw new TypeError("The socket is being iterated over already");
    this.#iterating = true;
    return iteration(async (stop) => {
      const result = await this.#reader.read();
      if (result.done) stop();
      return result;
    }, () => {
      this.#iterating = false;
      this.#reader.stop();
    });
  }

  /** Disconnects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  #requireOpen(): void {
    if (!this.#end && !this.#leaving) return;
    throw new EnetSocketError("ENETJS_ERR_STALE", "The connection is ending or has ended");
  }

  #send(channelId: number, data: unknown, flags: number, token: number): boolean {
    integer(channelId, "channelId", 0, this.channelCount - 1);
    if (!FLAGS.includes(flags)) throw new RangeError(`flags must be PacketFlag bits, not ${flags}`);
    const bytes = bytesOf(data);
    if (bytes.length > this.#largest) {
      throw new RangeError(`data of ${bytes.length} bytes is larger than ${this.#largest}`);
    }
    if (this.#end || this.#leaving) return false;
    const link = this.#link;
    if (link.sendPast(channelId, flags, bytes)) return !link.isFull;
    const frames = encodeMessage(channelId, flags, bytes);
    return !link.send(channelId, flags, frames, bytes.length, token);
  }

  #touch(): void {
    if (this.#touched) return;
    this.#touched = true;
    queueMicrotask(() => {
      this.#touched = false;
      if (this.#end) return;
      this.#link.flush();
      this.#closeIfEmpty();
    });
  }

  #closeIfEmpty(): void {
    if (!this.#later || !this.#link.queue.isEmpty) return;
    this.#later = false;
    this.#closeSocket(CLOSE.DISCONNECT, this.#leaving!.data);
  }

  /** This side begins to end the connection. */
  #leave(data: number): void {
    integer(data, "data", 0, 2 ** 32 - 1);
    if (this.#end || this.#leaving) return;
    this.#leaving = { reason: "local", data };
    this.#reader.end(true);
    this.#abandon();
  }

  #closeSocket(code: number, data: number): void {
    if (this.#end || this.#closeTimer) return;
    this.#link.close(true);
    this.#rtc?.close();
    this.#socket.close(code, closeReason(data));
    // The other side may be out of reach.
    this.#closeTimer = setTimeout(() => this.#close(this.#leaving!), CLOSE_MS);
  }

  #fault(code: number): void {
    this.#socket.close(code);
    this.#close(
      this.#leaving ?? { reason: code === CLOSE.TIMEOUT ? "timeout" : "reset", data: 0 },
    );
  }

  #abandon(): void {
    for (const { reject } of this.#deliveries.values()) {
      reject(
        new EnetSocketError(
          "ENETJS_ERR_UNDELIVERED",
          "The connection has ended before the delivery",
        ),
      );
    }
    this.#deliveries.clear();
    this.#drained?.reject(
      new EnetSocketError("ENETJS_ERR_STALE", "The connection is ending or has ended"),
    );
    this.#drained = undefined;
  }

  #close(end: EnetEnd): void {
    if (this.#end) return;
    this.#end = end;
    clearInterval(this.#timer);
    clearTimeout(this.#closeTimer);
    this.#socket.onmessage = this.#socket.onclose = null;
    const drops = this.#leaving !== undefined;
    this.#link.close(drops);
    this.#rtc?.close();
    this.#reader.end(drops);
    this.#abandon();
    this.#resolveClosed(end);
  }
}
