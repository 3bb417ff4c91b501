/**
 * What a rendezvous server, its relays and its clients send each other: raw datagrams with JSON.
 *
 * A request is 512 bytes long, an answer at most 256, and a request leads to two datagrams at most. So nobody gets more
 * bytes out of a server than it sends.
 *
 * @module
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Address } from "@enetjs/enet";

/** The length of every request. */
export const REQUEST_BYTES = 512;

/** A message: `is` says what it is. Everything else is text, too. */
export type Message = Readonly<Partial<Record<string, string>>>;

/** The side of an introduction: the client that listens in a room, or one that connects to it. */
export type Side = "listen" | "connect";

/** Reads a message. What a stranger sends may be none: then it is empty. */
export function readMessage(text: string): Message {
  try {
    const message = JSON.parse(text);
    return Object.values(message).every((value) => typeof value === "string") ? message : {};
  } catch {
    return {};
  }
}

/** A request, padded to its length. */
export function requestOf(message: Message): string {
  return JSON.stringify(message).padEnd(REQUEST_BYTES);
}

/** An answer, which must not be longer than half of the request. */
export function answerOf(message: Message): string {
  const text = JSON.stringify(message);
  if (text.length > REQUEST_BYTES / 2) throw new RangeError(`this answer is too long: ${text}`);
  return text;
}

/** 128 bits as text. */
const ID = /^[\w-]{22}$/;

/** Whether a text of a message is an id. */
export function isId(text: string | undefined): text is string {
  return text !== undefined && ID.test(text);
}

/** An id that nobody can guess. */
export function newId(): string {
  return randomBytes(16).toString("base64url");
}

/** An id that can only be computed with the key. */
export function idFrom(key: string | Uint8Array, text: string): string {
  return createHmac("sha256", key).update(text).digest("base64url").slice(0, 22);
}

/** A number of 32 bits that can only be computed with the key. */
export function numberFrom(key: string, text: string): number {
  return createHmac("sha256", key).update(text).digest().readUInt32BE();
}

/** Compares ids in a time that says nothing of them. */
export function isSame(a: string, b: string): boolean {
  return a.length === b.length &&
    timingSafeEqual(new TextEncoder().encode(a), new TextEncoder().encode(b));
}

/** An address as text, as the library takes it. */
export function textOf({ hostname, port }: Address): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** What counts as one address, as in docs/addresses.md: an IPv4 address, or the /64 of an IPv6 address. */
export function siteOf({ hostname }: Address): string {
  if (!hostname.includes(":")) return hostname;
  const [head, tail] = hostname.split("%")[0].split("::").map((part) => part.split(":"));
  const zeros = tail === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array<string>(Math.max(zeros, 0)).fill("0"), ...tail ?? []].slice(0, 4)
    .join(":");
}

/** Counts what the addresses hold, each of them a few. */
export class Quota {
  readonly #held = new Map<string, number>();
  readonly #each: number;

  constructor(each: number) {
    this.#each = each;
  }

  /** Takes a place for an address; false where it has as many as it may. */
  take(address: Address): boolean {
    const site = siteOf(address);
    const held = this.#held.get(site) ?? 0;
    if (held >= this.#each) return false;
    this.#held.set(site, held + 1);
    return true;
  }

  /** Gives it back. */
  giveBack(address: Address): void {
    const site = siteOf(address);
    const held = (this.#held.get(site) ?? 0) - 1;
    if (held > 0) this.#held.set(site, held);
    else this.#held.delete(site);
  }
}

const COOKIE_MS = 60_000;

/**
 * Cookies show that a client receives what is sent to its address: it has to repeat one in its request. Nothing is
 * remembered for them. A cookie is valid for one to two minutes.
 */
export class Cookies {
  readonly #key = randomBytes(32);

  /** The cookie of an address. */
  of(address: Address, age = 0): string {
    const minute = Math.floor(performance.now() / COOKIE_MS) - age;
    return idFrom(this.#key, `${minute} ${textOf(address)}`);
  }

  /** Whether a request has the cookie of its address. */
  matches(address: Address, cookie: string | undefined): boolean {
    return isId(cookie) && [0, 1].some((age) => isSame(cookie, this.of(address, age)));
  }
}
