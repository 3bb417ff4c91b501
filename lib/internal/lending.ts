/**
 * Views of packets that the program holds: what keeps their memory, and what an error tells of a late use.
 *
 * @module
 */
import { ENetError } from "../errors.ts";
import { callSite } from "./call_site.ts";

/** A view of native memory keeps its packet, or the collector would empty it. */
const owners = new WeakMap<Uint8Array, object>();

/** Where the program took the first view of a packet, in debug mode. */
const lentAt = new WeakMap<object, string>();

/** Keeps a packet from the collector for as long as the program holds a view of it. */
export function keepWith(view: Uint8Array, packet: object): void {
  owners.set(view, packet);
}

/** Notes where the program takes the first view of a packet. */
export function traceView(packet: object): void {
  if (!lentAt.has(packet)) lentAt.set(packet, callSite());
}

/** The error of the use of a packet whose bytes are gone, and why they are. */
export function releasedError(packet: { readonly length: number }, why: string): ENetError {
  const where = lentAt.get(packet);
  const at = where === undefined ? "" : `. A view of it was taken ${where}`;
  return new ENetError(
    "ENETJS_ERR_RELEASED",
    `The packet of ${packet.length} bytes can't be used any more: ${why}${at}`,
  );
}
