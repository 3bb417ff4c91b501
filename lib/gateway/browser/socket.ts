import { DisconnectCode } from "../../disconnect.ts";
import { iteration } from "../../internal/iteration.ts";
import { PacketFlag } from "../../packet_flag.ts";
import { Link, type LinkOwner } from "../link.ts";
import {
  CLOSE,
  closeReason,
  decodeWelcome,
  encodeHello,
  encodeMessage,
  endOf,
  PROTOCOL,
  type Welcome,
} from "../wire.ts";
import { EnetSocketError } from "./errors.ts";
import {
  type ConnectPlan,
  type EnetConnectOptions,
  type EnetSessionOptions,
  integer,
  planConnect,
  planRetry,
} from "./options.ts";
import { type EnetMessage, EnetPacket } from "./packet.ts";
import { RtcOffer } from "./rtc.ts";

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

/** Cost of the messages that wait here for the program. */
const WINDOW = 128 * 1024;
/** Bytes of the largest message from the gateway. */
const LARGEST = 32 * 1024 * 1024;
/** How often a link is looked at, and how long a close may take. */
const TICK_MS = 250;
const CLOSE_MS = 3000;
const FLAGS: readonly number[] = Object.values(PacketFlag);
/** Refusals that say nothing about the browser. */
const PASSING: readonly number[] = [
  DisconnectCode.FULL,
  DisconnectCode.LIMIT,
  DisconnectCode.UNDECIDED,
  DisconnectCode.DUPLICATE,
  DisconnectCode.CLOSING,
];

const encoder = new TextEncoder();

function bytesOf(data: unknown): Uint8Array {
  if (typeof data === "string") return encoder.encode(data);
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (data instanceof EnetPacket) return data.bytes;
  throw new TypeError(`data must be text, a buffer, a view or a packet, not ${data}`);
}

/** Opens a WebSocket and says hello; resolves with the socket and the gateway's answer. */
function greet(url: string | URL, plan: ConnectPlan): Promise<[WebSocket, Welcome]> {
  const { channels, data, timeoutMs, signal } = plan;
  signal?.throwIfAborted();
  const socket = new WebSocket(url, [PROTOCOL]);
  socket.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.onopen = socket.onmessage = socket.onclose = null;
      if (error === undefined) return;
      socket.close(CLOSE.DISCONNECT);
      reject(error);
    };
    const fail = (code: EnetSocketError["code"], what: string, data?: number) =>
      settle(new EnetSocketError(code, `Connecting to ${url}: ${what}`, data));
    const onAbort = () => settle(signal!.reason);
    const timer = setTimeout(
      () => fail("ENETJS_ERR_TIMEOUT", `no answer within ${timeoutMs} ms`),
      timeoutMs,
    );
    signal?.addEventListener("abort", onAbort);
    socket.onopen = () => socket.send(encodeHello({ channels, data, window: WINDOW }));
    socket.onmessage = (event: MessageEvent) => {
      const bytes = event.data instanceof ArrayBuffer && new Uint8Array(event.data);
      const welcome = bytes ? decodeWelcome(bytes) : undefined;
      if (welcome === undefined) {
        return fail("ENETJS_ERR_SOCKET", `the answer is not of ${PROTOCOL}`);
      }
      settle();
      resolve([socket, welcome]);
    };
    socket.onclose = ({ code, reason }: CloseEvent) => {
      const end = endOf(code, reason);
      if (end.reason === "refused") {
        return fail("ENETJS_ERR_REFUSED", `refused with ${end.data}`, end.data);
      }
      fail("ENETJS_ERR_SOCKET", `the WebSocket was closed with ${code}`);
    };
  });
}

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
  /** This side has begun to end it; how that will be told. */
  #leaving: EnetEnd | undefined;
  /** To be closed when everything has been given to the socket. */
  #later = false;
  #touched = false;
  #iterating = false;
  #reader: ((result: IteratorResult<EnetMessage>) => void) | undefined;
  #token = 0;
  readonly #deliveries = new Map<number, PromiseWithResolvers<void>>();
  #rtc: RtcOffer | undefined;
  #drained: PromiseWithResolvers<void> | undefined;

  private constructor(socket: WebSocket, welcome: Welcome, plan: ConnectPlan) {
    const { channels, window, largest } = welcome;
    this.channelCount = channels;
    this.#socket = socket;
    this.#largest = largest;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
    const owner: LinkOwner<Uint8Array> = {
      transmit: (frame) => socket.send(frame as Uint8Array<ArrayBuffer>),
      buffered: () => socket.bufferedAmount,
      message: (channelId, flags, bytes) => this.#message(channelId, flags, bytes),
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
    const link = this.#link;
    link.paused = true;
    socket.onmessage = ({ data }: MessageEvent) => {
      if (!(data instanceof ArrayBuffer)) return this.#fault(CLOSE.FAULT);
      this.#link.receive(new Uint8Array(data));
      this.#closeIfEmpty();
    };
    socket.onclose = ({ code, reason }: CloseEvent) => {
      const end = endOf(code, reason);
      this.#close(this.#leaving ?? { ...end, reason: end.reason as EnetEnd["reason"] });
    };
    this.#timer = setInterval(() => link.tick(performance.now()), TICK_MS);
    const { webrtc } = plan;
    if (webrtc === false) return;
    this.#rtc = new RtcOffer(link, owner.transmit, webrtc === true ? undefined : webrtc);
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
    const [socket, welcome] = await greet(url, plan);
    return new EnetSocket(socket, welcome, plan);
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
  static async *sessions(
    url: string | URL,
    options: EnetSessionOptions = {},
  ): AsyncGenerator<EnetSocket, void, undefined> {
    const { minimumMs, maximumMs, jitter } = planRetry(options);
    const { signal, onRetry } = options;
    let waitMs = minimumMs;
    while (!signal?.aborted) {
      let error: unknown;
      try {
        const socket = await EnetSocket.connect(url, options);
        const began = performance.now();
        const leave = () => void socket.disconnect();
        signal?.addEventListener("abort", leave);
        try {
          yield socket;
          await socket.closed;
        } finally {
          signal?.removeEventListener("abort", leave);
          void socket.disconnectLater();
        }
        if (performance.now() - began > waitMs) waitMs = minimumMs;
      } catch (thrown) {
        if (signal?.aborted) return;
        if (!(thrown instanceof EnetSocketError)) throw thrown;
        const isFinal = thrown.code === "ENETJS_ERR_REFUSED" && !PASSING.includes(thrown.data);
        if (isFinal) throw thrown;
        error = thrown;
      }
      if (signal?.aborted) return;
      const ms = waitMs * (1 - jitter * Math.random());
      onRetry?.(error, ms);
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal?.addEventListener("abort", done);
      });
      waitMs = Math.min(2 * waitMs, maximumMs);
    }
  }

  /** Mean time for a message and its acknowledgement, in milliseconds; 0 before the first. */
  get roundTripTime(): number {
    return this.#link.roundTripTime;
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
    return this.#link.dropped;
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
    if (this.#link.queuedBytes <= this.#link.highWaterMark) return;
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
      const result = await this.#read();
      if (result.done) stop();
      return result;
    }, () => {
      this.#iterating = false;
      this.#finish();
    });
  }

  /** Disconnects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  #requireOpen(): void {
    if (this.#end === undefined && this.#leaving === undefined) return;
    throw new EnetSocketError("ENETJS_ERR_STALE", "The connection is ending or has ended");
  }

  #send(channelId: number, data: unknown, flags: number, token: number): boolean {
    integer(channelId, "channelId", 0, this.channelCount - 1);
    if (!FLAGS.includes(flags)) throw new RangeError(`flags must be PacketFlag bits, not ${flags}`);
    const bytes = bytesOf(data);
    if (bytes.length > this.#largest) {
      throw new RangeError(`data of ${bytes.length} bytes is larger than ${this.#largest}`);
    }
    if (this.#end !== undefined || this.#leaving !== undefined) return false;
    const link = this.#link;
    if (link.sendPast(channelId, flags, bytes)) return link.queuedBytes <= link.highWaterMark;
    const frames = encodeMessage(channelId, flags, bytes);
    return !link.send(channelId, flags, frames, bytes.length, token);
  }

  #touch(): void {
    if (this.#touched) return;
    this.#touched = true;
    queueMicrotask(() => {
      this.#touched = false;
      if (this.#end !== undefined) return;
      this.#link.flush();
      this.#closeIfEmpty();
    });
  }

  #closeIfEmpty(): void {
    if (!this.#later || !this.#link.empty) return;
    this.#later = false;
    this.#closeSocket(CLOSE.DISCONNECT, this.#leaving!.data);
  }

  #message(channelId: number, flags: number, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#leaving !== undefined) return;
    this.#link.paused = true;
    const packet = new EnetPacket(bytes, flags);
    this.#reader!({ value: { channelId, packet }, done: false });
    this.#reader = undefined;
  }

  #read(): Promise<IteratorResult<EnetMessage>> {
    return new Promise((resolve) => {
      this.#finish();
      this.#reader = resolve;
      this.#link.paused = false; // gives the first one that waits
      const isOver = this.#end !== undefined || this.#leaving !== undefined;
      if (isOver && !this.#link.waits) this.#finish();
    });
  }

  /** Ends a read that waits. */
  #finish(): void {
    this.#link.paused = true;
    this.#reader?.({ value: undefined, done: true });
    this.#reader = undefined;
  }

  /** This side begins to end the connection. */
  #leave(data: number): void {
    integer(data, "data", 0, 2 ** 32 - 1);
    if (this.#end !== undefined || this.#leaving !== undefined) return;
    this.#leaving = { reason: "local", data };
    this.#finish();
    this.#abandon();
  }

  #closeSocket(code: number, data: number): void {
    if (this.#end !== undefined) return;
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
        new EnetSocketError("ENETJS_ERR_UNDELIVERED", "The connection ended before the delivery"),
      );
    }
    this.#deliveries.clear();
    this.#drained?.reject(new EnetSocketError("ENETJS_ERR_STALE", "The connection has ended"));
    this.#drained = undefined;
  }

  #close(end: EnetEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearInterval(this.#timer);
    clearTimeout(this.#closeTimer);
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#link.close(this.#leaving !== undefined);
    this.#rtc?.close();
    this.#abandon();
    if (!this.#link.waits) this.#finish();
    this.#resolveClosed(end);
  }
}
