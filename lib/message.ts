import type { Packet } from "./packet.ts";

/** What iterating over a peer yields. */
export interface PeerMessage {
  /** The channel it came on, from 0. */
  readonly channelId: number;
  /** Its bytes. */
  readonly packet: Packet;
}
