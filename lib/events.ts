import type { Address } from "./address.ts";
import type { DisconnectReason } from "./disconnect.ts";
import type { Packet } from "./packet.ts";
import type { Peer } from "./peer.ts";

/** A connection has been established, from either side. */
export interface ConnectEvent<PeerData = unknown> {
  /** Which event this is. */
  readonly type: "connect";
  /** The connection. */
  readonly peer: Peer<PeerData>;
  /** The 32-bit value that the connecting side gave; 0 on that side itself. */
  readonly data: number;
}

/** A connection that was established has ended; exactly one follows every connect event. */
export interface DisconnectEvent<PeerData = unknown> {
  /** Which event this is. */
  readonly type: "disconnect";
  /** The connection that ended. */
  readonly peer: Peer<PeerData>;
  /** Why it ended. */
  readonly reason: DisconnectReason;
  /** The 32-bit value that the disconnecting side gave, or 0. */
  readonly data: number;
}

/** A message has arrived. */
export interface ReceiveEvent<PeerData = unknown> {
  /** Which event this is. */
  readonly type: "receive";
  /** Who sent it. */
  readonly peer: Peer<PeerData>;
  /** The channel it came on, from 0. */
  readonly channelId: number;
  /** Its bytes. */
  readonly packet: Packet;
}

/** A datagram that is not ENet's has arrived; only where `datagrams` is on. */
export interface DatagramEvent {
  /** Which event this is. */
  readonly type: "datagram";
  /** Who sent it. */
  readonly address: Address;
  /** Its bytes. */
  readonly packet: Packet;
}

/** An encrypted connection goes on from another address: its client's NAT or network has changed. */
export interface MovedEvent<PeerData = unknown> {
  /** Which event this is. */
  readonly type: "moved";
  /** The connection, whose `address` is the new one. */
  readonly peer: Peer<PeerData>;
  /** The new address, which the client has proved. */
  readonly address: Address;
}

/** What a host reports. */
export type HostEvent<PeerData = unknown> =
  | ConnectEvent<PeerData>
  | DisconnectEvent<PeerData>
  | ReceiveEvent<PeerData>
  | DatagramEvent
  | MovedEvent<PeerData>;

/**
 * Functions that a host calls as events happen, without an object for each event. An error that one of them throws
 * is an uncaught error of the runtime. A rejection of an `async` one is an unhandled rejection. Either ends the
 * process, unless the program listens for such errors: then the host goes on.
 */
export interface HostHandlers<PeerData = unknown> {
  /** A connection has been established; see {@linkcode ConnectEvent}. */
  connect?(peer: Peer<PeerData>, data: number): void;
  /** A connection has ended; see {@linkcode DisconnectEvent}. */
  disconnect?(peer: Peer<PeerData>, reason: DisconnectReason, data: number): void;
  /**
   * A message has arrived. `packet` is borrowed until this function returns, which an `async` one does
   * at its first `await`; used later, it throws `ENETJS_ERR_RELEASED`. Take {@linkcode Packet.bytes}
   * or call {@linkcode Packet.retain} before that.
   */
  receive?(peer: Peer<PeerData>, channelId: number, packet: Packet): void;
  /** An encrypted connection goes on from another address; see {@linkcode MovedEvent}. */
  moved?(peer: Peer<PeerData>, address: Address): void;
  /** A datagram that is not ENet's has arrived. `packet` is borrowed as for `receive`. */
  datagram?(address: Address, packet: Packet): void;
  /** The host's socket has failed and the host is closed. Without this handler the error is uncaught. */
  error?(error: Error): void;
}

/** What a host can have functions for. */
export const HANDLERS: readonly string[] = Object.keys(
  {
    connect: true,
    disconnect: true,
    receive: true,
    datagram: true,
    moved: true,
    error: true,
  } satisfies Record<keyof HostHandlers, true>,
);
