/**
 * The handshakes that are under way: no more than a limit. Above it, the oldest one ends of the address that has most,
 * so that an address which floods the server ends its own.
 *
 * @module
 */
import { networkOf } from "../../internal/ip.ts";

/** What this needs of a handshake. */
interface Handshake {
  readonly address: string;
  abandon(): void;
  dismiss(): void;
}

/** Handshakes under way. */
export class Handshakes {
  readonly #limit: number;
  readonly #all = new Map<Handshake, Set<Handshake>>();
  /** Those of each address, the oldest first. */
  readonly #byNetwork = new Map<string, Set<Handshake>>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many there are. */
  get size(): number {
    return this.#all.size;
  }

  /** Adds one; where there are too many, another one is abandoned first. */
  add(handshake: Handshake): void {
    if (this.#all.size >= this.#limit) this.#surplus()?.abandon();
    const network = networkOf(handshake.address);
    const group = this.#byNetwork.get(network) ?? new Set();
    group.add(handshake);
    this.#byNetwork.set(network, group);
    this.#all.set(handshake, group);
  }

  /** Forgets one that is over. */
  delete(handshake: Handshake): void {
    const group = this.#all.get(handshake);
    if (group === undefined) return;
    this.#all.delete(handshake);
    group.delete(handshake);
    if (group.size === 0) this.#byNetwork.delete(networkOf(handshake.address));
  }

  /** The oldest one of the address that has most. */
  #surplus(): Handshake | undefined {
    let most: Set<Handshake> | undefined;
    for (const group of this.#byNetwork.values()) {
      if (most === undefined || group.size > most.size) most = group;
    }
    return most?.values().next().value;
  }

  /** Ends all, each in the way that is given. */
  end(way: "abandon" | "dismiss"): void {
    for (const handshake of [...this.#all.keys()]) handshake[way]();
  }
}
