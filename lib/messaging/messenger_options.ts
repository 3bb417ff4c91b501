/**
 * The options of `Messenger.listen` and `Messenger.connect`.
 *
 * @module
 */
import type { HostOptions, ListenOptions } from "../options.ts";
import type { Codec } from "./types.ts";

/** Options for both sides. */
export interface MessengerOptions {
  /** Milliseconds of silence after which a heartbeat is sent, 10–3,600,000. Default 1000. */
  heartbeatMs?: number;
  /**
   * Milliseconds without a sign of life after which the connection is lost, at least twice `heartbeatMs` of the
   * other side. Default 5000 on udp, where heartbeats go on while JavaScript is busy, and 30,000 on tcp.
   */
  lostMs?: number;
  /** Milliseconds that `close` waits for the other side, 0–2,147,483,647. Default 1000. */
  closeGraceMs?: number;
  /** Milliseconds that a `get` waits for its reply when it does not say, 0–2,147,483,647. Default 5000. */
  getTimeoutMs?: number;
  /**
   * Largest data of a message, request or reply, in bytes: on udp from 0 to 33,554,432 (32 MiB), on tcp to
   * 1,073,741,824 (1 GiB). A side that receives more ends the connection. Default 16,777,216 (16 MiB).
   */
  maximumMessageSize?: number;
  /**
   * Requests of the other side that may be open at once, 1–16,777,216. More are refused with
   * `RefusalCode.BUSY`. A request that the other side has cancelled counts until the promise of its handler
   * settles. Default 4096.
   */
  maximumRequests?: number;
  /** Bytes queued above which `send` returns false, 0–2,147,483,647. Default 262,144 (256 KiB). */
  highWaterMark?: number;
  /**
   * Bytes queued above which `get` rejects with `ENETJS_ERR_LIMIT` and sends nothing. Above it a connection is lost
   * when the other side asks for more without reading its replies. From `highWaterMark` to 2,147,483,647. Default
   * 67,108,864 (64 MiB).
   */
  maximumQueuedBytes?: number;
  /**
   * Bytes that may wait for an iteration over the connection, 1–2,147,483,647. Above it the connection stops
   * reading; while a `get` is pending, above four times as many. Default 1,048,576 (1 MiB).
   */
  maximumWaitingData?: number;
  /** Encodes what is neither text nor bytes. Default none: sending such a value is then a `TypeError`. */
  codec?: Codec;
}

/** Keys of a TLS server, in PEM. */
export interface TlsListenOptions {
  /** The certificate, with those that lead to its authority. */
  cert: string;
  /** Its private key. */
  key: string;
  /** Authorities of which clients must show a certificate. Default: clients need none. */
  ca?: string;
}

/** How a TLS client checks the server, in PEM. */
export interface TlsConnectOptions {
  /** Authorities that are trusted. Default those of the runtime. */
  ca?: string;
  /** The name that the certificate must have. Default the host name of the address. */
  serverName?: string;
  /** This side's certificate, where the server wants one. */
  cert?: string;
  /** Its private key. */
  key?: string;
}

/** Settings of an ENet host that messaging does not make itself: `docs/settings.md` describes them. */
export type MessengerHostOptions = Omit<
  HostOptions,
  | "channels"
  | "datagrams"
  | "duplicatePeers"
  | "highWaterMark"
  | "maximumPacketSize"
  | "peers"
  | "pump"
>;

/** The same of a host that listens. */
export type MessengerListenHostOptions =
  & MessengerHostOptions
  & Pick<ListenOptions, "accept" | "duplicatePeers" | "unguarded">;

/** Options of `Messenger.listen`. */
export interface MessengerListenOptions extends MessengerOptions {
  /** Most connections at once, 1–4095; more are refused. Default 64. */
  connections?: number;
  /**
   * Milliseconds within which a client on tcp must send its first frame, 1–2,147,483,647. Default 5000.
   */
  handshakeMs?: number;
  /** Encrypts tcp. Default none. */
  tls?: TlsListenOptions;
  /** Settings of the ENet host on udp, such as `limits`, `filter` and `maximumHostData`. Default those of a host. */
  host?: MessengerListenHostOptions;
}

/** Options of `Messenger.connect`. */
export interface MessengerConnectOptions<Context = unknown> extends MessengerOptions {
  /** Milliseconds until the connection must be ready, 1–2,147,483,647. Default 5000. */
  timeoutMs?: number;
  /** Ends the attempt when it aborts; the promise rejects with its reason. */
  signal?: AbortSignal;
  /** The first value of `connection.context`. */
  context?: Context;
  /** Encrypts tcp. Default none; `true` is the same as `{}`. */
  tls?: TlsConnectOptions | true;
  /** Settings of the ENet host on udp. Default those of a host. */
  host?: MessengerHostOptions;
}
