import { bytesOf } from "./internal/buffers.ts";
import { oneOf, options as checkOptions, show } from "./internal/validate.ts";

/** How `Packet.from` takes the bytes. */
export interface PacketFromOptions {
  /**
   * - `"copy"`: the bytes are copied now, and the source may be changed afterwards;
   * - `"transfer"`: an ArrayBuffer is taken over without a copy; the caller's buffer and its views are empty
   *   afterwards;
   * - `"share"`: a SharedArrayBuffer, or a view of one, is sent from where it is, without a copy. It is kept until
   *   ENet is done with it. A change before then may change what is sent or retransmitted. While such a packet is
   *   queued or not acknowledged, the host's pump does not service in this thread's place.
   *
   * Default `"copy"`.
   */
  ownership?: "copy" | "transfer" | "share";
}

/** How the bytes are taken. */
export function planFrom(options: PacketFromOptions): "copy" | "transfer" | "share" {
  checkOptions(options, "options", ["ownership"]);
  return oneOf(options.ownership ?? "copy", "ownership", ["copy", "transfer", "share"]);
}

/** The bytes of memory that can be shared. Throws a TypeError for anything else. */
export function sharedBytes(data: unknown): Uint8Array {
  const buffer = ArrayBuffer.isView(data) ? data.buffer : data;
  if (buffer instanceof SharedArrayBuffer) return bytesOf(data);
  throw new TypeError(
    `data must be a SharedArrayBuffer or a view of one to be shared, not ${show(data)}`,
  );
}
