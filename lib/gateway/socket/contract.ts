/**
 * The WebSocket server below the gateway, as types: what `listenSockets(options, handlers)` of `server.ts` takes
 * and returns. What works on clients imports this file; only what listens imports the implementation.
 *
 * A client is handshaking, then open, then closing, then closed. `open` is called exactly once. `close` is called
 * exactly once, and only for a client whose `open` was called; no handler of a client is called after its `close`. No
 * handler is called within a call of the program, such as `send`, `close` or `broadcast`.
 *
 * @module
 */

/** How a server treats a client whose queue has reached `queueLimitBytes`. */
export type SlowPolicy = "drop" | "close" | "wait";

/** Certificate and key of a TLS server, as PEM. */
export interface SocketTls {
  /** The certificate, followed by those between it and the root. */
  readonly certificate: string | Uint8Array;
  /** The private key of the certificate, not encrypted. */
  readonly key: string | Uint8Array;
}

/** The request of a client, as it came. It has passed no check but that it is an HTTP request. */
export interface SocketRequest {
  /** The client's IP address, which `proxies` may have named; empty on a Unix socket without them. */
  readonly address: string;
  /** The client's port; 0 on a Unix socket, and where a proxy has named the address. */
  readonly port: number;
  /** `GET`, or what a refused client wrote. */
  readonly method: string;
  /** The path with its query, as it came: `"/chat?room=1"`. */
  readonly url: string;
  /** The path without its query: `"/chat"`. */
  readonly path: string;
  /** The headers. Names are in lower case; values of headers that came several times are joined by `", "`. */
  readonly headers: ReadonlyMap<string, string>;
  /** The subprotocols that the client offers, in its order. */
  readonly protocols: readonly string[];
}

/** What a hook decides: whether the client may come in, or the status of the refusal, from 400 to 599. */
export type Verdict = boolean | number;

/** How a server listens, and its limits. */
export interface SocketServerOptions {
  /** The address to listen on, an IP address or a host name. Default `"0.0.0.0"`. */
  readonly hostname?: string;
  /** The port; 0 takes a free one, which `address` names. Default 0. */
  readonly port?: number;
  /**
   * The path of a Unix socket to listen on, in place of an address. A socket that nobody listens on any more is
   * replaced. `close()` and the end of the process remove it.
   */
  readonly unixSocket?: string;
  /** Listens for `wss://`, TLS 1.2 or newer. */
  readonly tls?: SocketTls;
  /** The only path that is served, without its query; others get 404. Default: all. */
  readonly path?: string;
  /**
   * The origins that may connect, as browsers send them: `"https://example.org"`, with the port where it is not that of
   * the scheme. They are compared exactly, without case; others, and none at all, get 403. Default: all.
   */
  readonly origins?: readonly string[];
  /**
   * The subprotocols that the server speaks. The first one that the client offers is chosen. A client that offers none
   * of them gets 400. Default: the server speaks none, and chooses none.
   */
  readonly protocols?: readonly string[];
  /**
   * The reverse proxies before the server: IP addresses, prefixes such as `"10.0.0.0/8"`, and `"unix"` for whoever
   * connects to `unixSocket`. Of their requests, the header `X-Forwarded-For` names the client's address. From others
   * the header means nothing. Default: none.
   */
  readonly proxies?: readonly string[];
  /** Largest payload of a frame from a client, in bytes; a larger one is closed with 1009. Default 1,048,576. */
  readonly maximumFrameSize?: number;
  /** Largest message from a client, over all its fragments; a larger one is closed with 1009. Default 1,048,576. */
  readonly maximumMessageSize?: number;
  /** Clients at the same time; further ones get 503. Default 1,024. */
  readonly maximumClients?: number;
  /**
   * Handshakes at the same time. One more ends the oldest of the address that has most, without
   * an answer. Default 1,024.
   */
  readonly maximumHandshakes?: number;
  /** For the whole handshake, TLS and `accept` included; then 408. Default 10,000. */
  readonly handshakeTimeoutMs?: number;
  /** A client that sends no message for so long is closed with 1001. 0, the default: never. */
  readonly idleTimeoutMs?: number;
  /**
   * How often an open client is pinged. One that has sent nothing, not even the pong, until the second ping after is
   * ended with 1006. 0: never. Default 30,000.
   */
  readonly pingIntervalMs?: number;
  /** Bytes that wait for a client, from which on `slow` applies. Default 1,048,576. */
  readonly queueLimitBytes?: number;
  /**
   * What happens to a message for a client whose queue is full. `"drop"`, the default: the message is dropped and
   * counted. `"close"`: the client is closed with 1008. `"wait"`: the message is queued all the same, and the program
   * waits for `drain` before it sends more.
   */
  readonly slow?: SlowPolicy;
  /** Decides on a client that has passed all other checks. What it throws is answered with 500, and surfaces. */
  accept?(request: SocketRequest): Verdict | Promise<Verdict>;
  /** Is given a line, without a newline, for each client that opened, closed or was refused. */
  accessLog?(line: string): void;
}

/** A message that is encoded once, for any number of clients: the result of `prepareMessage(data)`. */
export interface PreparedMessage {
  /** Whether it is text. */
  readonly isText: boolean;
  /** Size of the payload. */
  readonly byteLength: number;
}

/**
 * What can be sent. A string is text; bytes are binary. Text that is there as UTF-8 bytes is
 * `prepareMessage(bytes, { isText: true })`. Bytes are copied.
 */
export type Message = string | Uint8Array | PreparedMessage;

/** How a message is sent. */
export interface SendOptions {
  /**
   * Replaces the message with the same number that still waits for this client, in its place in the queue. Such a
   * message is counted as `replaced`. A number is any that the program likes, such as a channel id.
   */
  readonly replaces?: number;
}

/** Where a client is: `closing` until its TCP connection has ended. */
export type SocketState = "open" | "closing" | "closed";

/** A client whose handshake is done. */
export interface SocketClient {
  /** From 1, and never used twice by a server. */
  readonly id: number;
  /** The IP address, as in `request`. */
  readonly address: string;
  /** The port, as in `request`. */
  readonly port: number;
  /** The address of this machine that it has connected to; empty on a Unix socket. */
  readonly localAddress: string;
  /** The request that opened it. */
  readonly request: SocketRequest;
  /** The subprotocol that was chosen; empty without one. */
  readonly protocol: string;
  /** Where it is. */
  readonly state: SocketState;
  /**
   * Bytes that wait to be sent, frame headers included, what the system has taken excluded. A small frame counts as 64
   * while it waits for room in the socket.
   */
  readonly queuedBytes: number;
  /** Round-trip time of the last ping that was answered; `undefined` until then. */
  readonly roundTripMs: number | undefined;
  /** Messages dropped by `slow: "drop"`. */
  readonly dropped: number;
  /** Whether `pause` is in effect. */
  readonly isPaused: boolean;
  /** What the program likes to keep with a client. */
  tag: unknown;
  /**
   * Queues a message.
   *
   * @returns `false` when it was not queued, because the client is closing, closed or slow; and when it was queued with
   * `slow: "wait"`, but the queue is at its limit or above it: then wait for `drain`.
   * @throws {TypeError} When it is no message.
   */
  send(message: Message, options?: SendOptions): boolean;
  /**
   * Sends what is queued, then a close frame, and ends the connection when the client has answered it or 10 seconds have
   * passed. The client's messages are no longer handed on. No effect while closing and after.
   *
   * @param code 1000, the default, to 1003, 1007 to 1014, or 3000 to 4999
   * @param reason at most 123 bytes of UTF-8
   * @throws {RangeError} When a code or a reason is not allowed.
   */
  close(code?: number, reason?: string): void;
  /** Ends the connection at once; what is queued is lost. `close` is called with 1006. */
  terminate(): void;
  /** Stops reading, so that TCP holds the client back. What has been read already may still be handed on. */
  pause(): void;
  /** Reads again. */
  resume(): void;
}

/** What the program does. None is needed. */
export interface SocketHandlers {
  /** A client is open. */
  open?(client: SocketClient): void;
  /** A whole message. The bytes belong to the program; they are valid UTF-8 where `isText` is true. */
  message?(client: SocketClient, bytes: Uint8Array, isText: boolean): void;
  /** The queue of a client has fallen to half of `queueLimitBytes`, after a `send` that returned `false`. */
  drain?(client: SocketClient): void;
  /**
   * The end of a client.
   *
   * @param code that of the client's close frame, 1005 when it had none; without such a frame, the code that this side
   * gave; 1006 without either
   * @param reason what came or went with the code, or empty
   */
  close?(client: SocketClient, code: number, reason: string): void;
}

/** Where a server listens. */
export type SocketAddress =
  | { readonly hostname: string; readonly port: number }
  | { readonly unixSocket: string };

/** What has happened since a server began to listen, in messages unless it says otherwise. */
export interface SocketServerStats {
  /** Clients whose handshake was done. */
  readonly opened: number;
  /** Clients that are open or closing now. */
  readonly clients: number;
  /** Handshakes under way now. */
  readonly handshaking: number;
  /** Refused handshakes by status, as `{ 403: 2 }`. */
  readonly refused: Readonly<Record<number, number>>;
  /** Handshakes that ended without an answer: gone, no TLS, or the oldest of too many. */
  readonly abandoned: number;
  /** Messages from clients. */
  readonly received: number;
  /** Bytes of their payloads. */
  readonly receivedBytes: number;
  /** Messages queued for clients, one for each recipient. */
  readonly sent: number;
  /** Bytes of their payloads. */
  readonly sentBytes: number;
  /** Messages that `slow: "drop"` dropped. */
  readonly dropped: number;
  /** Messages that a newer one replaced in the queue. */
  readonly replaced: number;
  /** Clients that `slow: "close"` closed. */
  readonly closedSlow: number;
  /** Clients closed for a fault of theirs, by close code, as `{ 1009: 1 }`. */
  readonly faults: Readonly<Record<number, number>>;
  /** Clients ended because they answered no ping, and because of `idleTimeoutMs`. */
  readonly timedOut: number;
}

/** How a server closes. */
export interface CloseServerOptions {
  /** The close code that clients get. Default 1001. */
  readonly code?: number;
  /** Default empty. */
  readonly reason?: string;
  /** How long clients may take to read what is queued and to answer; then they are ended. Default 1,000. */
  readonly graceMs?: number;
}

/** A server that listens. */
export interface SocketServer extends AsyncDisposable {
  /** Where it listens. */
  readonly address: SocketAddress;
  /** As `ws://127.0.0.1:7890`, `wss://…`, or `ws+unix:/path`. */
  readonly url: string;
  /** The open clients, by their ids. */
  readonly clients: ReadonlyMap<number, SocketClient>;
  /** A snapshot of the counters. */
  readonly stats: SocketServerStats;
  /**
   * Sends a message to all open clients; it is encoded once.
   *
   * @returns `true` if `send` was `true` for each of them
   */
  broadcast(message: Message, options?: SendOptions): boolean;
  /**
   * Uses another certificate for those that connect from now on.
   *
   * @throws {Error} When they are no certificate and key that fit; the old ones stay in use.
   * @throws {TypeError} When the server has no TLS.
   */
  replaceTls(tls: SocketTls): void;
  /** Stops listening, closes all clients, and resolves when all are gone. The same promise when called again. */
  close(options?: CloseServerOptions): Promise<void>;
}
