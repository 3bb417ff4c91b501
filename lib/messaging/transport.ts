/**
 * What a link needs of a transport, and a transport of its link.
 *
 * @module
 */
import type { Packet, PacketFlag } from "../packet.ts";
import type { MessengerAddress } from "./types.ts";

/** Carries messages of one connection: `udp.ts` and `tcp.ts`. */
export interface Transport {
  /** The other side's address. */
  readonly address: MessengerAddress;
  /** Bytes on their way out. */
  readonly queuedBytes: number;
  /**
   * Sends header and body, which are copied.
   *
   * @returns false while more than the high-water mark is queued
   */
  write(message: Uint8Array, flags: PacketFlag): boolean;
  /** Sends what is queued now, which otherwise happens at the end of the turn. */
  flush(): void;
  /** Resolves when the queue has fallen to half of the mark; rejects if the connection ends first. */
  drain(): Promise<void>;
  /** Sends what is queued and then the code of the close; calls `broken` of its sink when the transport has ended. */
  finish(code: number): void;
  /** The other side has closed: ends without sending a code. */
  release(): void;
  /** Drops what is queued and ends at once. */
  abort(): void;
  /** Stops reading, or reads again. Messages that have been read before may still be handed out. */
  pause(paused: boolean): void;
  /** Milliseconds since the last sign of life, where the transport itself knows. */
  silence(): number | undefined;
}

/** Takes what a transport has to tell. */
export interface TransportSink {
  /** The transport is connected. */
  opened(): void;
  /** Something was read. */
  heard(): void;
  /** Something is about to be sent. */
  sent(): void;
  /**
   * A message.
   *
   * @param buffer holds header and body from `start` to `end`
   * @param isReliable whether it came in order and once
   * @param packet the packet that is the message; `buffer` may be the arena of its host
   */
  frame(
    buffer: Uint8Array<ArrayBuffer>,
    start: number,
    end: number,
    isReliable: boolean,
    packet?: Packet,
  ): void;
  /** What has arrived can be no message. */
  fault(text: string): void;
  /** The other side has closed. */
  closedByOther(code: number): void;
  /** The transport has ended. */
  broken(text: string, cause?: unknown): void;
}
