/**
 * The public types of messaging: what a program gets and gives.
 *
 * @module
 */
import type { ENetError } from "../errors.ts";
import type { PacketFlag } from "../packet.ts";

/** How messages travel: over an ENet connection, or over a stream of frames. */
export type Protocol = "udp" | "tcp";

/** An address in its parts. */
export interface MessengerAddress {
  /** The scheme. */
  readonly protocol: Protocol;
  /** A host name, an IPv4 address, or an IPv6 address without its brackets. Of `*` it is `"0.0.0.0"`. */
  readonly hostname: string;
  /** The port, 0–65535. */
  readonly port: number;
}

/** Turns values into bytes and back. Both sides need the same one. */
export interface Codec {
  /** The bytes of a value, or their text. */
  encode(value: unknown): string | Uint8Array;
  /** The value of these bytes, which are borrowed until the function returns. */
  decode(bytes: Uint8Array): unknown;
}

/**
 * Data that has arrived.
 *
 * The data of a message or request is borrowed until its handler returns, or until the next iteration. The
 * data of a reply stays valid.
 */
export interface Payload {
  /** Its size in bytes. */
  readonly length: number;
  /**
   * A copy that belongs to the program and stays valid. The first access copies; later ones return the same
   * array.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the data is gone
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * The bytes without a copy where that is possible. Valid as long as the data is. Its `buffer` may hold more.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the data is gone
   */
  readonly view: Uint8Array<ArrayBuffer>;
  /**
   * What the other side has sent: a string, an array of bytes, a value that its codec encoded, or undefined
   * where it sent nothing. Each access decodes again.
   *
   * @throws {TypeError} for a value of a codec, where this side has no codec; or what the codec throws
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the data is gone
   */
  readonly value: unknown;
  /**
   * The bytes as UTF-8 text; malformed sequences become U+FFFD.
   *
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the data is gone
   */
  text(): string;
  /**
   * Keeps the data after its event, until it is disposed of or garbage-collected.
   *
   * @returns this
   * @throws {ENetError} `ENETJS_ERR_RELEASED` if the data is gone
   */
  retain(): this;
  /** Frees the data now. A second call does nothing. */
  dispose(): void;
  /** Does what {@linkcode Payload.dispose} does. */
  [Symbol.dispose](): void;
}

/** A one-way message, as an iteration over a connection yields it. */
export interface IncomingMessage {
  /** Which kind this is. */
  readonly type: "message";
  /** Its data. */
  readonly data: Payload;
}

/**
 * A request of the other side. It ends once: by a reply, a refusal, a cancellation by the other side, or the end
 * of the connection.
 */
export interface IncomingRequest<Context = unknown> {
  /** Which kind this is. */
  readonly type: "request";
  /** Who asks. */
  readonly connection: Connection<Context>;
  /** What is asked. Borrowed, see {@linkcode Payload}. */
  readonly data: Payload;
  /** Whether the asking side says that doing it twice does no harm. */
  readonly idempotent: boolean;
  /** Whether the other side still waits for an answer. */
  readonly open: boolean;
  /**
   * Aborts when the other side has cancelled, its time has run out, or the connection has ended. The signal is
   * made when it is first read.
   */
  readonly signal: AbortSignal;
  /**
   * Answers, now or at any later time.
   *
   * @param data as for {@linkcode Connection.send}
   * @returns false when nobody waits for the reply any more, and while the queue is above the high-water mark
   * @throws {TypeError} if `data` is nothing that can be sent
   * @throws {ENetError} `ENETJS_ERR_ALREADY_REPLIED`, `ENETJS_ERR_TOO_LARGE`
   */
  reply(data?: unknown): boolean;
  /**
   * Answers with an error; the other side's `get` rejects with `ENETJS_ERR_REQUEST_REFUSED`.
   *
   * @param code a 32-bit number, which is `error.data` there
   * @param text says why, at most 65,536 bytes
   * @returns as {@linkcode IncomingRequest.reply}
   * @throws {TypeError} if `code` is no number or `text` no string
   * @throws {RangeError} if `code` is no unsigned 32-bit integer, or `text` is too long
   * @throws {ENetError} `ENETJS_ERR_ALREADY_REPLIED`
   */
  refuse(code: number, text?: string): boolean;
}

/** What an iteration over a connection yields. */
export type Incoming<Context = unknown> = IncomingMessage | IncomingRequest<Context>;

/**
 * How a connection has ended. `"local"`: this side has closed it. `"remote"`: the other side has. `"lost"`: it
 * broke, or the other side was silent for too long. `"protocol"`: one side sent what the wire does not allow.
 */
export type EndReason = "local" | "remote" | "lost" | "protocol";

/** How a connection has ended. */
export interface ConnectionEnd {
  /** Why. */
  readonly reason: EndReason;
  /** The details of `"lost"` (`ENETJS_ERR_STALE`) and `"protocol"` (`ENETJS_ERR_PROTOCOL`). */
  readonly error?: ENetError;
}

/** Options of `connection.send`. */
export interface SendOptions {
  /**
   * How ENet sends the message; on tcp every message is reliable. Messages with other flags than
   * `PacketFlag.RELIABLE` may overtake reliable ones. Default `PacketFlag.RELIABLE`.
   */
  flags?: PacketFlag;
}

/** Options of `connection.get`. */
export interface GetOptions {
  /** Milliseconds to wait for the reply, 0–2,147,483,647; 0 waits without limit. Default `getTimeoutMs`. */
  timeoutMs?: number;
  /** Cancels the request when it aborts. */
  signal?: AbortSignal;
  /**
   * Says that the request may be carried out twice. The handler reads it as `request.idempotent`, and a failed
   * request of which the result is unknown then is `retryable`. Default false.
   */
  idempotent?: boolean;
}

/** What a connection has done since it was ready. */
export interface ConnectionStats {
  /** One-way messages sent. */
  readonly sentMessages: number;
  /** One-way messages received. */
  readonly receivedMessages: number;
  /** Requests sent. */
  readonly sentRequests: number;
  /** Requests received. */
  readonly receivedRequests: number;
  /** Replies and refusals sent. */
  readonly sentReplies: number;
  /** Replies and refusals received for a request that waited for one. */
  readonly receivedReplies: number;
  /** Replies dropped, because their request was cancelled or had timed out. */
  readonly lateReplies: number;
  /** Requests of the other side that were refused because `maximumRequests` were open. */
  readonly refusedRequests: number;
  /** Messages dropped, because nobody takes messages. */
  readonly droppedMessages: number;
  /** Requests of this side that wait for an answer now. */
  readonly pendingGets: number;
  /** Requests of the other side that wait for an answer now. */
  readonly openRequests: number;
  /** Bytes that are queued and not yet sent, on udp not yet acknowledged. */
  readonly queuedBytes: number;
  /** Bytes of data that have arrived and wait for the iteration. */
  readonly waitingBytes: number;
}

/** Functions that a connection calls. */
export interface ConnectionHandlers<Context = unknown> {
  /** A one-way message has arrived; `data` is borrowed until this function returns. */
  message?(connection: Connection<Context>, data: Payload): void;
  /**
   * A request has arrived; its data is borrowed until this function returns, which an `async` one does at its
   * first `await`. What the function returns, or its promise resolves with, is the reply, unless it is
   * undefined: then the program answers with `request.reply`, now or later. What it throws refuses the request
   * with `RefusalCode.FAILED` and the error's message, without its stack.
   */
  request?(request: IncomingRequest<Context>): unknown;
  /** The connection has ended. Its pending gets have settled before. */
  closed?(connection: Connection<Context>, end: ConnectionEnd): void;
}

/** Functions that a listener calls, and `Messenger.connect` for its connection. */
export interface MessengerHandlers<Context = unknown> extends ConnectionHandlers<Context> {
  /** A connection is ready; nothing of it has been told before. */
  ready?(connection: Connection<Context>): void;
}

/**
 * A connection, the same on both sides. It ends once, by {@linkcode Connection.close} of either side or by being
 * lost.
 *
 * Messages and requests go to {@linkcode Connection.handlers} if these have a `message` or a `request` function.
 * Otherwise they wait for an iteration. While there is none, messages and requests that would exceed
 * `maximumWaitingData` are dropped and refused. So a program that takes nothing still gets its replies.
 */
export interface Connection<Context = unknown>
  extends AsyncIterable<Incoming<Context>>, AsyncDisposable {
  /** The program's own data; the library never reads it. */
  context: Context;
  /** How messages travel. */
  readonly protocol: Protocol;
  /** The other side's address. */
  readonly address: MessengerAddress;
  /**
   * The functions that take what arrives: one object, replaced as a whole. What waits goes to new handlers first.
   * Handlers without a `request` function refuse requests with `RefusalCode.UNHANDLED`, if they have a `message`
   * function. Handlers without a `message` function drop messages, if they have a `request` function.
   *
   * @throws {TypeError} for an unknown handler or one that is no function, and for handlers of messages or
   *   requests while the connection is being iterated over
   */
  handlers: ConnectionHandlers<Context>;
  /** How it has ended; undefined before. */
  readonly end: ConnectionEnd | undefined;
  /** A promise of how the connection ends. It never rejects. It resolves when the `closed` handler is called. */
  readonly closed: Promise<ConnectionEnd>;
  /** Counters of the connection. */
  readonly stats: ConnectionStats;
  /**
   * Queues a one-way message, however long the queue is. The bytes are copied. After the end of the connection,
   * or after `close`, this does nothing.
   *
   * @param data text, a buffer, a view of one, a packet, a {@linkcode Payload}; nothing; or any other value with a
   *   {@linkcode Codec}
   * @param options how it is sent
   * @returns false while the queue is above `highWaterMark`: wait for {@linkcode Connection.drain}. Also false
   *   after the end
   * @throws {TypeError} if `data` is nothing that can be sent, or for a wrong option
   * @throws {ENetError} `ENETJS_ERR_TOO_LARGE`, `ENETJS_ERR_RELEASED`
   */
  send(data?: unknown, options?: SendOptions): boolean;
  /**
   * Sends a request and waits for its reply.
   *
   * @param data as for {@linkcode Connection.send}
   * @param options how long to wait
   * @returns a promise of the reply, which rejects with a {@linkcode GetError}. Its `code` is
   *   `ENETJS_ERR_REPLY_TIMEOUT`, `ENETJS_ERR_REQUEST_REFUSED`, `ENETJS_ERR_CANCELLED`, `ENETJS_ERR_STALE` when
   *   the connection has ended, or `ENETJS_ERR_TOO_LARGE`. For wrong arguments it rejects as `send` throws
   */
  get(data?: unknown, options?: GetOptions): Promise<Payload>;
  /**
   * Waits for the queue to fall to half of `highWaterMark`.
   *
   * @returns a promise that resolves then, or at once if the queue has not been above the mark. It rejects with
   *   `ENETJS_ERR_STALE` when the connection ends
   */
  drain(): Promise<void>;
  /**
   * Ends the connection after everything queued has been sent. Pending gets reject at once; nothing that arrives
   * is reported any more. A further call returns the same promise.
   *
   * @returns a promise that resolves when the other side has seen it, or after `closeGraceMs`; never rejects
   */
  close(): Promise<ConnectionEnd>;
  /**
   * The messages and requests of the other side, until the connection ends. Data is borrowed until the next
   * iteration.
   *
   * @throws {TypeError} if the connection is being iterated over already, or has handlers that take them
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Incoming<Context>>;
  /** Closes the connection as {@linkcode Connection.close} does. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * A place where others can connect. Its connections go to the `ready` handler, or to an iteration where there is
 * none.
 */
export interface Listener<Context = unknown>
  extends AsyncIterable<Connection<Context>>, AsyncDisposable {
  /** Where it listens, with the real port. */
  readonly address: MessengerAddress;
  /** The connections that are ready. */
  readonly connections: Connection<Context>[];
  /** Whether it is closed or closing. */
  readonly closed: boolean;
  /**
   * Closes every connection, and listens no more.
   *
   * @returns a promise that resolves when all connections have ended and the address is free; never rejects
   */
  close(): Promise<void>;
  /**
   * The connections as they become ready, until the listener is closed. It throws `ENETJS_ERR_SOCKET` when the
   * socket fails.
   *
   * @throws {TypeError} if the listener is being iterated over already, or has a `ready` handler
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Connection<Context>>;
  /** Closes the listener as {@linkcode Listener.close} does. */
  [Symbol.asyncDispose](): Promise<void>;
}
