/** Answers a second to everybody, and to one address; as many may go at once. */
const TO_ALL = 200;
const TO_ONE = 10;
/** Most addresses that are remembered. One that is forgotten has its share anew; the limit for all remains. */
const ADDRESSES = 256;

/** Something that fills by itself, up to a second's worth. */
class Bucket {
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#at = now;
  }

  /** Whether there is one left. */
  has(now: number): boolean {
    const filled = this.#left + (now - this.#at) / 1000 * this.#perSecond;
    this.#left = Math.min(filled, this.#perSecond);
    this.#at = now;
    return this.#left >= 1;
  }

  take(): void {
    this.#left--;
  }
}

/** How often an announcement answers, in bounded memory. */
export class AnswerRate {
  readonly #all: Bucket;
  /** By address; the one that asked least recently is first. */
  readonly #each = new Map<string, Bucket>();

  /** @param now milliseconds of a monotonic clock */
  constructor(now: number) {
    this.#all = new Bucket(TO_ALL, now);
  }

  /** Whether a query of an address may be answered now, which it then is. */
  take(address: string, now: number): boolean {
    if (!this.#all.has(now)) return false;
    const one = this.#each.get(address) ?? new Bucket(TO_ONE, now);
    this.#each.delete(address);
    this.#each.set(address, one);
    if (this.#each.size > ADDRESSES) this.#each.delete(this.#each.keys().next().value as string);
    if (!one.has(now)) return false;
    one.take();
    this.#all.take();
    return true;
  }
}
