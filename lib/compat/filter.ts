import { clearInterval, setInterval } from "node:timers";
import { show } from "../internal/validate.ts";
import { type AddressFilter, compileFilter, filterAllows, parsePrefix } from "../address_filter.ts";
import { parseIPv4 } from "../internal/ip.ts";
import { surface } from "../../ffi/surface.ts";

/** Decides about a source address: a falsy result drops its datagrams. */
export type PacketFilter = (address: string, port: number) => unknown;

/** What filters need of a host. */
export interface Filtered {
  /** Puts the filter in force, and asks it about the peers that there are. */
  applyFilter(): void;
}

/** Answers of a function that are kept. */
const ANSWERS = 16_384;

/** Milliseconds after which all of them are forgotten. */
const LIFETIME_MS = 60_000;

let current: PacketFilter | AddressFilter | undefined;
let decide: (address: string, port: number) => boolean = () => true;
let timer: ReturnType<typeof setInterval> | undefined;
/** By `address:port`, the oldest first. */
const answers = new Map<string, boolean>();
const filtered = new Set<Filtered>();

/**
 * Sets which addresses may talk to the hosts of this thread, those that exist and those to come. Optional;
 * without it, all may.
 *
 * Native code enforces rules. A function is called once for each address and port: when a client connects, when
 * this side connects, and when a datagram arrives at a host that listens for `telex`. A client that it denies is
 * refused at once. Datagrams of a connected peer that it denies are dropped, so the peer times out. So does an
 * attempt to connect to an address that it denies.
 *
 * An answer holds for a minute at most. Then the function is called again for each connected peer, and for other
 * addresses when they send something. At most 16,384 answers are kept. A further `init` forgets all answers and
 * asks about each connected peer at once.
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
    for (const rule of [...filter.allow ?? [], ...filter.deny ?? []]) refuseIPv6(rule);
  }
  current = filter;
  decide = typeof filter === "function" ? decisionOf(filter) : rulesOf(filter ?? {});
  keepTime();
  askAgain();
}

/** Hosts of this API reach no IPv6 address, so a rule for one would be a mistake. */
function refuseIPv6(rule: string): void {
  if (typeof parsePrefix(rule, "rule").address === "number") return;
  throw new TypeError(`filter has the IPv6 rule ${show(rule)}, but this API speaks IPv4 only`);
}

/** The filter in force. */
export function currentFilter(): PacketFilter | AddressFilter | undefined {
  return current;
}

/** Whether the filter in force admits an IPv4 address. */
export function admits(address: string, port: number): boolean {
  if (current === undefined) return true;
  const key = `${address}:${port}`;
  const known = answers.get(key);
  if (known !== undefined) return known;
  const asked = decide;
  const answer = asked(address, port);
  if (asked !== decide) return answer; // the function has called init
  if (answers.size >= ANSWERS) answers.delete(answers.keys().next().value as string);
  answers.set(key, answer);
  return answer;
}

/** Forgets all answers, and asks about the peers that there are. */
export function askAgain(): void {
  answers.clear();
  for (const host of [...filtered]) host.applyFilter();
}

/** Asks a function. When it throws, the answer is no, and the error becomes an uncaught error. */
function decisionOf(filter: PacketFilter): (address: string, port: number) => boolean {
  return (address, port) => {
    try {
      return Boolean(filter(address, port));
    } catch (error) {
      surface(error);
      return false;
    }
  };
}

function rulesOf(filter: AddressFilter): (address: string) => boolean {
  const allows = filterAllows(filter);
  return (address) => allows(parseIPv4(address) as number);
}

/** Lets answers expire every minute, while the filter is a function and there are hosts. */
function keepTime(): void {
  if (typeof current === "function" && filtered.size > 0) {
    timer ??= setInterval(askAgain, LIFETIME_MS).unref();
  } else {
    clearInterval(timer);
    timer = undefined;
  }
}

/** Applies the filter to a host from now on. @returns a function that ends this */
export function enlist(host: Filtered): () => void {
  filtered.add(host);
  keepTime();
  return () => {
    filtered.delete(host);
    keepTime();
  };
}
