import { type ActiveConditions, simulations } from "../active_conditions.ts";
import type { Address } from "../address.ts";
import { check } from "../errors.ts";
import { type HostStats, readHostStats } from "../host_stats.ts";
import type { Endpoint } from "./endpoint.ts";
import { localAddress } from "./native_address.ts";

/** What a host tells of itself. A closed host goes on to tell what it told last. */
export class HostReport {
  readonly #endpoint: Endpoint;
  /** The connections that are carried by other transports than the host's own, which native code does not count. */
  readonly #others: () => number;
  #last: { readonly address: Address; readonly stats: HostStats } | undefined;

  constructor(endpoint: Endpoint, others: () => number) {
    this.#endpoint = endpoint;
    this.#others = others;
  }

  /** The local address. */
  get address(): Address {
    if (this.#last !== undefined) return { ...this.#last.address };
    return localAddress(this.#endpoint);
  }

  /** The counters. */
  get stats(): HostStats {
    if (this.#last !== undefined) return { ...this.#last.stats };
    const { native, handle, stats } = this.#endpoint;
    check(native.enetjs_host_stats(handle), "Reading statistics");
    return readHostStats(stats, this.#others());
  }

  /** Keeps what the host and its conditions tell now, before native code forgets it. */
  keep(conditions: ActiveConditions | null): void {
    this.#last = { address: this.address, stats: { ...this.stats, connectedPeers: 0 } };
    if (conditions !== null) simulations.end(conditions, conditions.stats);
  }
}
