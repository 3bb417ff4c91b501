import { show } from "../internal/validate.ts";
import { type AddressFilter, compileFilter, formatIPv4 } from "../address.ts";
import { surface } from "../../ffi/surface.ts";

/** Decides about a source address: what is falsy drops its datagrams. */
export type PacketFilter = (address: string, port: number) => unknown;

/** A host, as far as filters are concerned. */
export interface Filtered {
  /** Puts the filter of {@linkcode init} in force, and forgets what another one has answered. */
  applyFilter(): void;
}

let current: PacketFilter | AddressFilter | undefined;
const filtered = new Set<Filtered>();

/**
 * Sets which addresses may talk to the hosts of this thread, those that exist and those to come.
 * Optional; without it, everybody may.
 *
 * Rules are enforced in native code. A function is asked once for each address and port that sends
 * something; that datagram waits for the answer. The answer holds for a minute and is asked for again
 * when the address sends something after that; the old one stands in meanwhile. At most 256 new
 * addresses wait at once and 1024 a second are asked about, and 16,384 are remembered; what is beyond
 * that is dropped unasked. So a flood of datagrams, from few addresses or many, costs JavaScript next
 * to nothing. Calling `init` again forgets every answer.
 *
 * @param filter a function that returns 1 to permit and 0 to drop, or rules; nothing permits all
 * @throws {TypeError} if it is neither, or a rule is no IPv4 address or prefix
 *
 * @example
 * ```ts
 * import { init } from "@enetjs/enet/compat";
 *
 * init((address, _port) => address === "192.168.0.22" ? 0 : 1);
 * init({ deny: ["192.168.0.22", "10.0.0.0/8"] });
 * init();
 * ```
 */
export function init(filter?: PacketFilter | AddressFilter): void {
  if (typeof filter !== "function" && filter !== undefined) {
    if (typeof filter !== "object" || filter === null) {
      throw new TypeError(`filter must be a function or rules, not ${show(filter)}`);
    }
    compileFilter(filter);
  }
  current = filter;
  for (const host of filtered) host.applyFilter();
}

/** The filter in force. */
export function currentFilter(): PacketFilter | AddressFilter | undefined {
  return current;
}

/** A function as the native gate asks it. One that throws drops, and the error is uncaught. */
export function decisionOf(filter: PacketFilter): (ipv4: number, port: number) => boolean {
  return (ipv4, port) => {
    try {
      return Boolean(filter(formatIPv4(ipv4), port));
    } catch (error) {
      surface(error);
      return false;
    }
  };
}

/** Has a host take part; returns what ends that. */
export function enlist(host: Filtered): () => void {
  filtered.add(host);
  return () => void filtered.delete(host);
}
