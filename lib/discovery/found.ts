/**
 * The servers that a search has found, in bounded memory.
 *
 * @module
 */
import type { Address } from "../address.ts";
import { toHex } from "../internal/hex.ts";
import { type Answer, sameBytes } from "./wire.ts";

/** A server as it was when the search yielded it. Strangers have written all of it. */
export interface DiscoveredServer {
  /**
   * `"found"` at first, `"changed"` when it tells something else than before, `"lost"` when it has not answered three
   * queries.
   */
  readonly status: "found" | "changed" | "lost";
  /** Tells the servers of one search apart; another search has others. */
  readonly id: string;
  /** Where to connect to; the first address that it answered from. */
  readonly address: Readonly<Address>;
  /** 1–64 bytes of UTF-8 in one line, without control characters. Two servers may have the same. */
  readonly name: string;
  /** At most 512 bytes. */
  readonly data: Uint8Array;
  /** How many are connected. */
  readonly peers: number;
  /** How many may be. */
  readonly maximumPeers: number;
  /** Milliseconds from the query to the latest answer, as long as this program was not busy meanwhile. */
  readonly roundTripMs: number;
}

/** Most servers that are known at a time, and most of them with one IP address. */
const MOST = 256;
const MOST_OF_ADDRESS = 32;
/** Queries without an answer after which a server is lost. */
const MISSED = 3;

/** A server, and the number of the query that it has answered last. */
interface Known {
  server: DiscoveredServer;
  number: number;
}

const sameAddress = (a: Address, b: Address) => a.hostname === b.hostname && a.port === b.port;

const tellTheSame = (a: DiscoveredServer, b: DiscoveredServer) =>
  a.name === b.name && a.peers === b.peers && a.maximumPeers === b.maximumPeers &&
  sameBytes(a.data, b.data);

/** What has answered, and what of it the program has yet to hear. */
export class Found {
  readonly #known = new Map<string, Known>();
  /** By id, in the order of their first news: the latest state of each. */
  readonly #news = new Map<string, DiscoveredServer>();

  /**
   * Takes an answer. One answer of a server counts for each query, and only from the address that it answered from
   * first.
   */
  add(answer: Answer, address: Address, roundTripMs: number): void {
    const { number, name, data, peers, maximumPeers } = answer;
    const id = toHex(answer.id);
    const known = this.#known.get(id);
    const server = { id, address, name, data, peers, maximumPeers, roundTripMs };
    if (known === undefined) {
      if (!this.#hasRoom(address.hostname)) return;
      const found = { status: "found", ...server } as const;
      this.#known.set(id, { server: found, number });
      this.#tell(found);
    } else if (number > known.number && sameAddress(known.server.address, address)) {
      const changed = { status: "changed", ...server } as const;
      const isNew = !tellTheSame(known.server, changed);
      known.number = number;
      known.server = changed;
      if (isNew) this.#tell(changed);
    }
  }

  #hasRoom(hostname: string): boolean {
    if (this.#known.size >= MOST) return false;
    let count = 0;
    for (const { server } of this.#known.values()) {
      if (server.address.hostname === hostname) count++;
    }
    return count < MOST_OF_ADDRESS;
  }

  /** Gives up what is silent. @param number of the query that is sent now */
  expire(number: number): void {
    for (const [id, known] of this.#known) {
      if (number - known.number <= MISSED) continue;
      this.#known.delete(id);
      this.#tell({ ...known.server, status: "lost" });
    }
  }

  #tell(server: DiscoveredServer): void {
    const untold = this.#news.get(server.id);
    if (untold?.status !== "found") this.#news.set(server.id, server);
    else if (server.status === "lost") this.#news.delete(server.id);
    else this.#news.set(server.id, { ...server, status: "found" });
  }

  /** The next piece of news. */
  next(): DiscoveredServer | undefined {
    const [first] = this.#news;
    if (first === undefined) return undefined;
    this.#news.delete(first[0]);
    return first[1];
  }
}
