import { Bucket } from "../internal/bucket.ts";
import type { ResolvedRate } from "../limits.ts";

interface Account {
  readonly messages: Bucket;
  readonly bytes: Bucket;
  usedAt: number;
}

/** Accounts are looked through once in so many milliseconds. */
const SWEEP_EVERY_MS = 10_000;

/** How long until an empty bucket is full, in milliseconds. */
const fillMs = ({ perSecond, burst }: ResolvedRate): number =>
  perSecond === Infinity ? 0 : burst / perSecond * 1000;

/** What this host has sent to each room lately. Costs nothing where there are no limits. */
export class Rates {
  readonly #messages: ResolvedRate;
  readonly #bytes: ResolvedRate;
  readonly #accounts = new Map<string, Account>();
  #sweptAt = 0;

  constructor(messages: ResolvedRate, bytes: ResolvedRate) {
    this.#messages = messages;
    this.#bytes = bytes;
  }

  /** Whether a message may go to all of some topics; counts it for each if so. */
  take(topics: readonly string[], bytes: number, now: number): boolean {
    if (this.#messages.perSecond === Infinity && this.#bytes.perSecond === Infinity) return true;
    if (now - this.#sweptAt > SWEEP_EVERY_MS) this.#sweep(now);
    const accounts = topics.map((topic) => this.#accountOf(topic, now));
    for (const account of accounts) {
      const fits = account.messages.has(this.#messages, 1, now) &&
        account.bytes.has(this.#bytes, bytes, now);
      if (!fits) return false;
    }
    for (const account of accounts) {
      account.messages.take(this.#messages, 1, now);
      account.bytes.take(this.#bytes, bytes, now);
    }
    return true;
  }

  #accountOf(topic: string, now: number): Account {
    let account = this.#accounts.get(topic);
    if (account === undefined) {
      account = { messages: new Bucket(), bytes: new Bucket(), usedAt: now };
      this.#accounts.set(topic, account);
    }
    account.usedAt = now;
    return account;
  }

  /** Forgets accounts that are full again, as new ones are. */
  #sweep(now: number): void {
    this.#sweptAt = now;
    const full = Math.max(fillMs(this.#messages), fillMs(this.#bytes));
    for (const [topic, { usedAt }] of this.#accounts) {
      if (now - usedAt > full) this.#accounts.delete(topic);
    }
  }
}
