/**
 * How a message is sent; ENet's names and numbers. ENet sends an unreliable message that is larger than a
 * datagram reliably, unless the flag says FRAGMENT.
 *
 * Source: `ENetPacketFlag` in `enet/enet.h`.
 */
export const PacketFlag = {
  /** May be lost; never arrives after a later one of its channel. */
  UNRELIABLE: 0,
  /** Arrives exactly once and in order, or the connection ends. */
  RELIABLE: 1,
  /** May be lost, and may arrive in any order. */
  UNSEQUENCED: 2,
  /** As UNRELIABLE; a message larger than a datagram goes in unreliable fragments. */
  UNRELIABLE_FRAGMENT: 8,
  /** As UNSEQUENCED; a message larger than a datagram goes in unreliable fragments. */
  UNSEQUENCED_FRAGMENT: 10,
} as const;

/** One of the numbers of {@linkcode PacketFlag}. */
export type PacketFlag = 0 | 1 | 2 | 8 | 10;
