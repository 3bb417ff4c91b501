/**
 * How much of a link may be under way. It follows the round trip: while that is much longer than the
 * shortest one seen, the network or the other side keeps a queue, and less is sent.
 *
 * @module
 */

/** Cost that may be under way at first, and at least. */
const FIRST_ALLOWED = 32 * 1024;
const LEAST_ALLOWED = 8 * 1024;

/** Milliseconds by which a round trip may be longer than twice the shortest. */
const TOLERATED_MS = 40;

/** Measures the round trip of a link. */
export class LinkPace {
  /** Cost that may be under way now. */
  allowed: number;
  /** Smoothed, in milliseconds; 0 before the first. */
  roundTripTime = 0;
  /** Mean deviation from that, in milliseconds. */
  roundTripTimeVariance = 0;
  readonly #window: number;
  #shortest = Infinity;

  /** @param window cost that the other side takes at once */
  constructor(window: number) {
    this.#window = window;
    this.allowed = Math.min(window, FIRST_ALLOWED);
  }

  /** A round trip has taken so many milliseconds. */
  measure(sample: number): void {
    if (this.#shortest === Infinity) {
      this.roundTripTime = sample;
      this.roundTripTimeVariance = sample / 2;
    } else {
      const difference = sample - this.roundTripTime;
      this.roundTripTime += difference / 8;
      this.roundTripTimeVariance += (Math.abs(difference) - this.roundTripTimeVariance) / 4;
    }
    // A route may become longer: the shortest follows within some hundred round trips.
    this.#shortest = Math.min(sample, this.#shortest + Math.max(0, sample - this.#shortest) / 128);
    const isLate = sample > 2 * this.#shortest + TOLERATED_MS;
    this.allowed = isLate
      ? Math.max(this.allowed / 2, Math.min(LEAST_ALLOWED, this.#window))
      : Math.min(this.allowed * 2, this.#window);
  }
}
