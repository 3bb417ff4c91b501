/**
 * Round trips, and what a reader wants to know of them.
 *
 * @module
 */
import { createHistogram } from "node:perf_hooks";

/** Round trips in milliseconds. The percentiles are within 0.1 %. */
export interface RoundTripSummary {
  readonly count: number;
  readonly minimumMs: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maximumMs: number;
  /** By how much successive ones differ, on average. */
  readonly jitterMs: number;
}

/** Nanoseconds in a millisecond; the histogram has integers. */
const NS = 1e6;

const rounded = (ms: number) => Math.round(ms * 1000) / 1000;

/** Records round trips in bounded memory. */
export class RoundTrips {
  readonly #histogram = createHistogram({ figures: 3 });
  #minimum = Infinity;
  #maximum = 0;
  #last: number | undefined;
  #differences = 0;

  /** How many there were. */
  get count(): number {
    return this.#histogram.count;
  }

  /** Adds one. */
  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * NS)));
    this.#minimum = Math.min(this.#minimum, ms);
    this.#maximum = Math.max(this.#maximum, ms);
    if (this.#last !== undefined) this.#differences += Math.abs(ms - this.#last);
    this.#last = ms;
  }

  /** Forgets all. */
  clear(): void {
    this.#histogram.reset();
    this.#minimum = Infinity;
    this.#maximum = this.#differences = 0;
    this.#last = undefined;
  }

  /** A percentile in milliseconds; 0 of none. */
  percentile(percent: number): number {
    if (this.count === 0) return 0;
    const ms = this.#histogram.percentile(percent) / NS;
    return rounded(Math.min(this.#maximum, Math.max(this.#minimum, ms)));
  }

  /** What is known of them; undefined of none. */
  summary(): RoundTripSummary | undefined {
    const { count } = this;
    if (count === 0) return undefined;
    return {
      count,
      minimumMs: rounded(this.#minimum),
      meanMs: rounded(this.#histogram.mean / NS),
      p50Ms: this.percentile(50),
      p99Ms: this.percentile(99),
      maximumMs: rounded(this.#maximum),
      jitterMs: rounded(count > 1 ? this.#differences / (count - 1) : 0),
    };
  }
}

/** The fields of a summary, for the documentation of a line. */
export const SUMMARY_FIELDS = {
  minimumMs: "shortest round trip, milliseconds; this and the next ones if there was any",
  meanMs: "mean one",
  p50Ms: "half of them are not longer",
  p99Ms: "99 % of them are not longer",
  maximumMs: "longest one",
  jitterMs: "by how much successive ones differ, on average",
} as const;

/** The values of these fields. */
export function summaryFields(
  summary: RoundTripSummary | undefined,
): Record<keyof typeof SUMMARY_FIELDS, number | undefined> {
  const { minimumMs, meanMs, p50Ms, p99Ms, maximumMs, jitterMs } = summary ?? {} as Partial<
    RoundTripSummary
  >;
  return { minimumMs, meanMs, p50Ms, p99Ms, maximumMs, jitterMs };
}

/** A time for people: three digits that count. */
export function ms(value: number): string {
  return `${value < 10 ? value.toFixed(3) : value < 100 ? value.toFixed(2) : value.toFixed(1)} ms`;
}

/** A summary for people, in one line. */
export function summaryText({ minimumMs, p50Ms, p99Ms, maximumMs, jitterMs }: RoundTripSummary) {
  return `min ${ms(minimumMs)}, p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, max ${ms(maximumMs)}, ` +
    `jitter ${ms(jitterMs)}`;
}
