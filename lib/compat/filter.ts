import { show } from "../internal/validate.ts";
import { type AddressFilter, compileFilter, formatIPv4 } from "../address.ts";
import { surface } from "../../ffi/surface.ts";

/** Decides about a source address: a falsy result drops its datagrams. */
export type PacketFilter = (address: string, port: number) => unknown;

/** What filters need of a host. */
export interface Filtered {
  /** Puts the filter of {@linkcode init} in force, and forgets what another one has answered. */
  applyFilter(): void;
}

let current: PacketFilter | AddressFilter | undefined;
const filtered = new Set<Filtered>();

/**
 * Sets which addresses may talk to the hosts of this thread, those that exist and those to come. Optional;
 * without it, all may.
 *
 * Native code enforces rules. A function is called once for each address and port that sends a datagram; that
 * datagram waits for the answer. The answer holds for a minute. When the address sends something after that,
 * the function is called again, and the old answer holds meanwhile. At most 256 new addresses wait at once,
 * 1024 calls are made a second, and 16,384 answers are kept; datagrams beyond that are dropped. So a flood of
 * datagrams costs JavaScript next to nothing. A further `init` clears all answers.
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
