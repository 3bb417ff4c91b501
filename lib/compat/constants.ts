/** How a packet is sent, as bits; without {@linkcode PACKET_FLAG}.RELIABLE it may get lost. */
export const PACKET_FLAG = {
  /** Arrives exactly once, in order on its channel. */
  RELIABLE: 1,
  /** Unreliable, and in any order. */
  UNSEQUENCED: 2,
  /** Unreliable also when it is larger than a datagram. */
  UNRELIABLE_FRAGMENT: 8,
  /** Set by ENet once the packet has been sent; see `packet.wasSent()`. */
  SENT: 256,
} as const;

/**
 * Where a connection is in its life; `peer.state()`.
 *
 * Source: `ENetPeerState` in `enet/enet.h`.
 */
export const PEER_STATE = {
  /** There is none, or it has ended. */
  DISCONNECTED: 0,
  /** This side has asked for it. */
  CONNECTING: 1,
  /** The other side has asked for it. */
  ACKNOWLEDGING_CONNECT: 2,
  /** The other side has been answered. */
  CONNECTION_PENDING: 3,
  /** Both sides agree, and the program has not been told. */
  CONNECTION_SUCCEEDED: 4,
  /** Messages can be sent. */
  CONNECTED: 5,
  /** It ends when everything queued has been delivered. */
  DISCONNECT_LATER: 6,
  /** This side has ended it. */
  DISCONNECTING: 7,
  /** The other side has ended it. */
  ACKNOWLEDGING_DISCONNECT: 8,
  /** It has ended, and the program has not been told. */
  ZOMBIE: 9,
} as const;
