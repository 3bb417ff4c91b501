/**
 * What a connection, its host and its transport need of each other. A connection is a type parameter here, so
 * that this file depends on none of them.
 *
 * @module
 */
import { LAYOUT } from "../../ffi/layout.ts";
import type { ConnectAttempt } from "../admission.ts";
import type { DisconnectReason, PeerEnd } from "../disconnect.ts";
import type { Packet } from "../packet.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Transport } from "./transport.ts";
import type { Waiting } from "./waiting.ts";

/** Why a connection, or an attempt to connect, has ended. */
export type EndReason = DisconnectReason | "refused" | "token";

/** A number of native code for one of them, `ENETJS_REASON_…` in `native/include/enetjs_layout.h`. */
type ReasonNumber = typeof LAYOUT[Extract<keyof typeof LAYOUT, `REASON_${string}`>];

/** What each of these numbers means. */
export const END_REASONS: Readonly<Record<number, EndReason>> = {
  [LAYOUT.REASON_REMOTE]: "remote",
  [LAYOUT.REASON_LOCAL]: "local",
  [LAYOUT.REASON_TIMEOUT]: "timeout",
  [LAYOUT.REASON_RESET]: "reset",
  [LAYOUT.REASON_REFUSED]: "refused",
  [LAYOUT.REASON_LIMIT]: "limit",
  [LAYOUT.REASON_TOKEN]: "token",
} satisfies Record<ReasonNumber, EndReason>;

/** How a connection, or an attempt to connect, has ended. */
export interface Ending {
  readonly reason: EndReason;
  readonly data: number;
}

/** Takes the messages of one channel, in place of the host and of an iteration over the peer. */
export interface ChannelSink {
  /** A message that the library has kept for it. */
  receive(packet: Packet): void;
  /** The connection is over, and every message has been given. */
  end(): void;
}

/** A set that a connection leaves when either side ends it. */
export interface Membership<Connection> {
  /** Forgets a member. */
  delete(connection: Connection): void;
}

/** Takes note of who consumes the messages of a connection: the host's inlet. */
export interface Consumers<Connection> {
  /** An iteration over a connection begins. */
  claim(connection: Connection): void;
  /** It is over. */
  unclaim(connection: Connection): void;
  /** A reader of a channel begins. */
  claimChannel(connection: Connection, channelId: number, sink: ChannelSink): void;
  /** It is over. */
  unclaimChannel(connection: Connection, channelId: number): void;
  /** Drops messages that wait of connections that this side has ended. */
  silence(): void;
}

/** What transports report about connections: the host's inlet takes it. */
export interface Reports<Connection> {
  /** A client wants to connect, where the host decides. {@linkcode Transport.answer} gets the verdict. */
  onAttempt(transport: Transport, question: number, attempt: ConnectAttempt, ageMs: number): void;
  /** A connection is established. */
  reportConnect(connection: Connection, data: number): void;
  /** A message has arrived. Its packet belongs to the host. */
  reportMessage(connection: Connection, channelId: number, packet: Packet): void;
  /** A connection has ended, from either side. */
  reportEnd(connection: Connection, end: PeerEnd): void;
}

/** What a connection needs of its host, whatever carries it. */
export interface ConnectionOwner<Connection> {
  readonly settings: { readonly highWaterMark: number; readonly maximumPacketSize: number };
  /** Messages that wait in JavaScript. */
  readonly waiting: Waiting;
  readonly resources: { readonly open: boolean };
  readonly inlet: Consumers<Connection>;
  readonly deliveries: Deliveries;
  /** The public face. */
  readonly host: unknown;
  /** Milliseconds of a turn of the event loop that consumers may use. */
  readonly turnBudgetMs: number;
  /** The host has begun to close. */
  readonly closing: boolean;
  /** The reason that the program gave to `host.close`. */
  readonly closeReason: unknown;
  /** How many connections there have been. */
  connections: number;
  /** Something has changed that consumers wait for. */
  change(): void;
  flushIfDirty(): void;
  /** Keeps the host from being collected, while a promise is pending. */
  pin(): void;
  unpin(): void;
}
