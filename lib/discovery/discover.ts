import { randomBytes } from "node:crypto";
import type { ENetError } from "../errors.ts";
import { Deadline } from "../internal/deadline.ts";
import { formatIp, type IpAddress, parseIp } from "../internal/ip.ts";
import { iteration } from "../internal/iteration.ts";
import { type DiscoveredServer, Found } from "./found.ts";
import { few, listNetworks, type Networks, requireSome } from "./networks.ts";
import {
  BROADCAST,
  type DiscoverOptions,
  type DiscoverPlan,
  GROUP_IPV4,
  GROUP_IPV6,
  planDiscover,
} from "./options.ts";
import { Sockets, type Source, type Spot } from "./sockets.ts";
import { decodeAnswer, encodeQuery, NONCE_BYTES, sameBytes } from "./wire.ts";

/** Milliseconds between two queries; the second comes sooner, for the first may be lost. */
const INTERVAL_MS = 1000;
const SECOND_MS = 300;
/** Of how many queries an answer may still come. */
const LATE = 4;

const ANYWHERE = { port: 0, zone: "", numbers: [], group: "", joins: [] } as const;

/** A socket for an address that is asked by itself. */
function spotFor(address: string): Spot {
  const ip = parseIp(address) as IpAddress;
  const targets = [formatIp(ip)]; // an IPv4-mapped address is one of IPv4
  if (typeof ip === "number") return { ...ANYWHERE, type: "udp4", address: "0.0.0.0", targets };
  return { ...ANYWHERE, type: "udp6", address: "::", zone: ip.zone, targets };
}

/** The sockets that ask on these networks, each on one. */
function spotsOn({ ipv4, ipv6 }: Networks): Spot[] {
  return [
    ...ipv4.map(({ address, number }): Spot => {
      const targets = [GROUP_IPV4, BROADCAST];
      return { ...ANYWHERE, type: "udp4", address, numbers: [number], targets };
    }),
    ...ipv6.map(({ interface: zone, number, address }): Spot => {
      const [targets, numbers] = [[`${GROUP_IPV6}%${zone}`], [number]];
      return { ...ANYWHERE, type: "udp6", address: `${address}%${zone}`, zone, numbers, targets };
    }),
  ];
}

/** One search: asks again and again, until it is stopped. */
class Search {
  readonly #plan: DiscoverPlan;
  readonly #sockets: Sockets = new Sockets((bytes, source) => this.#take(bytes, source), true);
  readonly #found = new Found();
  readonly #nonce = randomBytes(NONCE_BYTES);
  /** When each of the latest queries was sent, by their numbers. */
  readonly #sentAt = new Map<number, number>();
  readonly #abort = (): void => this.stop();
  #number = 0;
  #started = false;
  #stopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #deadline: Deadline | undefined;
  /** Those that wait for news. */
  readonly #waiting: (() => void)[] = [];

  constructor(plan: DiscoverPlan) {
    this.#plan = plan;
  }

  /** The next server that is new or has news; undefined at the end. */
  async next(): Promise<DiscoveredServer | undefined> {
    const { signal } = this.#plan;
    if (!this.#started) {
      this.#started = true;
      if (signal?.aborted) this.stop();
      else await this.#start();
    }
    for (;;) {
      const server = signal?.aborted ? undefined : this.#found.next();
      if (server !== undefined || this.#stopped) return server;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async #start(): Promise<void> {
    const { signal, timeoutMs } = this.#plan;
    signal?.addEventListener("abort", this.#abort);
    if (timeoutMs !== Infinity) this.#deadline = new Deadline(timeoutMs, () => this.stop());
    try {
      const error = await this.#refresh();
      if (!this.#sockets.isOpen && error !== undefined && !this.#stopped) throw error;
    } catch (error) {
      this.stop();
      throw error;
    }
    this.#ask();
  }

  /** Opens the sockets that the present networks need. */
  async #refresh(): Promise<ENetError | undefined> {
    const what = "Looking for servers";
    const { addresses, interfaces } = this.#plan;
    if (addresses !== undefined) return await this.#sockets.refresh(addresses.map(spotFor), what);
    const networks = few(listNetworks(interfaces));
    if (this.#number === 0) requireSome(networks, what, interfaces);
    return await this.#sockets.refresh(spotsOn(networks), what);
  }

  #ask(): void {
    if (this.#stopped) return;
    const number = ++this.#number;
    const { game, discoveryPort } = this.#plan;
    this.#found.expire(number);
    this.#sentAt.set(number, performance.now());
    this.#sentAt.delete(number - LATE);
    const query = encodeQuery({ nonce: this.#nonce, number, game });
    // A server that has addresses of both versions is known by its IPv4 address, which has no zone.
    this.#sockets.send(query, discoveryPort, ({ type }) => number > 1 || type === "udp4");
    this.#wake();
    const again = async () => {
      // A network that fails is tried again.
      await this.#refresh().catch(() => {});
      this.#ask();
    };
    this.#timer = setTimeout(again, number === 1 ? SECOND_MS : INTERVAL_MS);
  }

  #take(bytes: Uint8Array, { hostname, port }: Source): void {
    const answer = decodeAnswer(bytes);
    if (answer === undefined || !sameBytes(answer.nonce, this.#nonce)) return;
    const sentAt = this.#sentAt.get(answer.number);
    if (sentAt === undefined || port === 0) return;
    this.#found.add(answer, Object.freeze({ hostname, port }), performance.now() - sentAt);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Ends it. What it has found already can still be had, unless the signal has ended it. */
  stop(): void {
    this.#started = true;
    this.#stopped = true;
    this.#plan.signal?.removeEventListener("abort", this.#abort);
    this.#deadline?.clear();
    clearTimeout(this.#timer);
    this.#sockets.close();
    this.#wake();
  }
}

/**
 * Looks for servers of a game that {@linkcode announce} themselves. It asks by broadcast and multicast on all networks
 * of this machine, once a second.
 *
 * Each server is yielded when it is found, when its name, data or number of peers has changed, and when it no
 * longer answers. `status` says which. A server that has several addresses is one, with the address that answered
 * first. A program that is slow gets the latest state of each. At most 256 servers are known at a time, of which 32
 * may have the same IP address.
 *
 * The iteration ends after `timeoutMs`, or when `signal` aborts. Leaving the loop closes the sockets.
 *
 * @param options the game, and how long to look
 * @returns the servers; the search begins with the first `next()`, which throws `ENETJS_ERR_PERMISSION`,
 *   `ENETJS_ERR_ADDRESS_UNAVAILABLE` or another {@linkcode ENetError} when no socket can be opened
 * @throws {TypeError} for an option that is missing, unknown or of the wrong type
 * @throws {RangeError} for a value out of range
 */
export function discover(options: DiscoverOptions): AsyncIterableIterator<DiscoveredServer> {
  const search = new Search(planDiscover(options));
  return iteration(
    async (stop): Promise<IteratorResult<DiscoveredServer>> => {
      try {
        const value = await search.next();
        if (value !== undefined) return { value, done: false };
      } catch (error) {
        stop();
        throw error;
      }
      stop();
      return { value: undefined, done: true };
    },
    () => search.stop(),
  );
}
