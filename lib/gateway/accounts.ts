/**
 * What the limits and the address filter of a host mean for browsers: token buckets for each address and each
 * connection, and who may come in. A bucket may be overdrawn by one message; the connection waits until it is no more.
 *
 * @module
 */
import { type AddressFilter, filterAllows } from "../address_filter.ts";
import { Bucket } from "../internal/bucket.ts";
import { type IpAddress, networkOf, parseIp } from "../internal/ip.ts";
import type { ResolvedLimits } from "../limits.ts";

/** Addresses of which no browser is connected that are remembered, as native code remembers addresses. */
const REMEMBERED = 16_384;

/** What an address has used. */
export interface AddressAccount {
  readonly connects: Bucket;
  readonly datagrams: Bucket;
  readonly bytes: Bucket;
  /** Browsers of it that are connected, or ask to be. */
  sessions: number;
  /** WebSockets of it that are no browsers: they have not said hello, or are being closed. */
  others: number;
}

/** What a connection has used. */
export interface Account {
  readonly address: AddressAccount;
  readonly messages: Bucket;
  readonly bytes: Bucket;
}

/** The accounts of a gateway. */
export class Accounts {
  #limits: ResolvedLimits;
  #allows: (address: IpAddress) => boolean = () => true;
  #allowsUnknown = true;
  /** A browser that the filter denies gets its refusal after its hello. */
  refuses = false;
  #isLimited = false;
  readonly #addresses = new Map<string, AddressAccount>();

  constructor(limits: ResolvedLimits, filter: AddressFilter) {
    this.#limits = limits;
    this.limit(limits);
    this.filter(filter);
  }

  /** Puts limits in force; accounts keep what they have used. */
  limit(limits: ResolvedLimits): void {
    const { address, peer } = this.#limits = limits;
    const rates = [address.datagrams, address.bytes, peer.messages, peer.bytes];
    this.#isLimited = rates.some(({ perSecond }) => perSecond !== Infinity);
  }

  /** Puts an address filter in force. */
  filter(filter: AddressFilter): void {
    this.#allows = filterAllows(filter);
    this.refuses = filter.refuse ?? false;
    this.#allowsUnknown = (filter.allow ?? []).length === 0;
  }

  /** Whether the filter lets an address in. What has no IP address comes in unless it allows some only. */
  allows(hostname: string): boolean {
    const address = parseIp(hostname);
    return address === undefined ? this.#allowsUnknown : this.#allows(address);
  }

  /** The account of an address. */
  of(hostname: string): AddressAccount {
    const address = networkOf(hostname);
    const known = this.#addresses.get(address);
    // The latest ones are the last ones.
    if (known !== undefined) this.#addresses.delete(address);
    else if (this.#addresses.size >= REMEMBERED) this.#forget();
    const account = known ??
      {
        connects: new Bucket(),
        datagrams: new Bucket(),
        bytes: new Bucket(),
        sessions: 0,
        others: 0,
      };
    this.#addresses.set(address, account);
    return account;
  }

  /** Forgets the oldest of those of which nobody is there. */
  #forget(): void {
    for (const [address, { sessions, others }] of this.#addresses) {
      if (sessions === 0 && others === 0) return void this.#addresses.delete(address);
    }
  }

  /** What a new connection of an address may use. */
  open(address: string): Account {
    return { address: this.of(address), messages: new Bucket(), bytes: new Bucket() };
  }

  /** Counts an attempt to connect. @returns whether it is within the limit */
  connect({ connects }: AddressAccount): boolean {
    const rate = this.#limits.address.connects;
    const now = performance.now();
    const isWithin = connects.has(rate, 1, now);
    if (isWithin) connects.take(rate, 1, now);
    return isWithin;
  }

  /** Whether a message that has come exceeds a limit whose excess ends the connection. */
  exceeds({ messages, bytes }: Account, length: number): boolean {
    const { peer } = this.#limits;
    if (!this.#isLimited || peer.excess !== "disconnect") return false;
    const now = performance.now();
    return !messages.has(peer.messages, 1, now) || !bytes.has(peer.bytes, length, now);
  }

  /** Counts a message. */
  take({ address, messages, bytes }: Account, length: number): void {
    if (!this.#isLimited) return;
    const { peer, address: limits } = this.#limits;
    const now = performance.now();
    messages.take(peer.messages, 1, now);
    bytes.take(peer.bytes, length, now);
    address.datagrams.take(limits.datagrams, 1, now);
    address.bytes.take(limits.bytes, length, now);
  }

  /** Whether the next message has to wait. */
  isUsedUp({ address, messages, bytes }: Account): boolean {
    if (!this.#isLimited) return false;
    const { peer, address: limits } = this.#limits;
    const now = performance.now();
    const ends = peer.excess === "disconnect";
    const has = (ends || messages.has(peer.messages, 1, now) && bytes.has(peer.bytes, 1, now)) &&
      address.datagrams.has(limits.datagrams, 1, now) && address.bytes.has(limits.bytes, 1, now);
    return !has;
  }
}
