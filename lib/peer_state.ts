/**
 * Where a connection is in its life; ENet's states in the field's words. Each stands at the index of its number.
 *
 * Source: `ENetPeerState` in `enet/enet.h`.
 */
export const PEER_STATES = [
  "disconnected",
  "connecting",
  "acknowledging-connect",
  "connection-pending",
  "connection-succeeded",
  "connected",
  "disconnect-later",
  "disconnecting",
  "acknowledging-disconnect",
  "zombie",
] as const;

/** Where a connection is in its life: one of ENet's states, in the field's words. */
export type PeerState = typeof PEER_STATES[number];
