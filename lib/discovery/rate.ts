import { Bucket } from "../internal/bucket.ts";

/** Answers a second to everybody, and to one address; as many may go at once. */
const TO_ALL = { perSecond: 200, burst: 200 } as const;
const TO_ONE = { perSecond: 10, burst: 10 } as const;
/** Most addresses that are remembered. One that is forgotten has its share anew; the limit for all remains. */
const ADDRESSES = 256;

/** How often an announcement answers, in bounded memory. */
export class AnswerRate {
  readonly #all = new Bucket();
  /** By address; the one that asked least recently is first. */
  readonly #each = new Map<string, Bucket>();

  /**
   * Whether a query of an address may be answered now, which it then is.
   *
   * @param now milliseconds of a monotonic clock
   */
  take(address: string, now: number): boolean {
    if (!this.#all.has(TO_ALL, 1, now)) return false;
    const one = this.#each.get(address) ?? new Bucket();
    this.#each.delete(address);
    this.#each.set(address, one);
    if (this.#each.size > ADDRESSES) this.#each.delete(this.#each.keys().next().value as string);
    if (!one.has(TO_ONE, 1, now)) return false;
    one.take(TO_ONE, 1, now);
    this.#all.take(TO_ALL, 1, now);
    return true;
  }
}
