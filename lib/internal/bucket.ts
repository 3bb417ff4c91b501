import type { ResolvedRate } from "../limits.ts";

/** A token bucket, full at first. */
export class Bucket {
  #tokens = Infinity;
  #last = 0;

  /** Fills it up to now. @returns what it holds */
  #fill({ perSecond, burst }: ResolvedRate, now: number): number {
    const gained = (now - this.#last) / 1000 * perSecond;
    this.#last = now;
    return this.#tokens = Math.min(burst, this.#tokens + gained);
  }

  /** Whether it holds so many. */
  has(rate: ResolvedRate, units: number, now: number): boolean {
    return rate.perSecond === Infinity || this.#fill(rate, now) >= units;
  }

  /** Takes some out, whatever it holds. */
  take(rate: ResolvedRate, units: number, now: number): void {
    if (rate.perSecond === Infinity) return;
    this.#fill(rate, now);
    this.#tokens -= units;
  }
}
