/**
 * Why a connection ended. `"remote"`: the other side disconnected. `"local"`: this side disconnected.
 * `"timeout"`: the other side did not acknowledge in time. `"reset"`: this side forgot the peer, or its
 * socket failed. `"limit"`: the other side exceeded a limit for peers, where that ends the connection.
 */
export type DisconnectReason = "remote" | "local" | "timeout" | "reset" | "limit";

/**
 * The data of a disconnect that the library sends by itself: four ASCII characters, as a number. A connected
 * program gets it with the reason `"remote"`, and as `data` on ENet in C. A connecting program reads it as
 * `error.data` of `ENETJS_ERR_REFUSED`. Programs may disconnect with the same numbers.
 */
export const DisconnectCode = {
  /** `"full"`: every peer of the host is in use, or its memory is short. */
  FULL: 1718971500,
  /** `"limt"`: the connection exceeded a limit of the host, where `limits.peer.excess` is `"disconnect"`. */
  LIMIT: 1818848628,
  /** `"deny"`: `accept` has returned false, or the filter of the host refuses the address. */
  DENIED: 1684369017,
  /** `"late"`: `accept` has not decided within 2 s, or has failed. */
  UNDECIDED: 1818326117,
  /** `"dupl"`: the host has as many peers of this address as `duplicatePeers` allows. */
  DUPLICATE: 1685418092,
  /** `"clos"`: the host is being closed, and lets nobody in any more. */
  CLOSING: 1668050803,
} as const;

/** How a connection has ended. */
export interface PeerEnd {
  /** Why. */
  readonly reason: DisconnectReason;
  /** The 32-bit value that the disconnecting side gave, or 0. */
  readonly data: number;
}
