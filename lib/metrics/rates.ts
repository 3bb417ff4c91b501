/**
 * Bytes a second, from totals that are read now and then. Nothing is kept of hosts that nobody asks about.
 *
 * @module
 */

/** What has been received and sent in all, in bytes. */
export interface Totals {
  readonly received: number;
  readonly sent: number;
}

/** The totals of a host and its peers at one time. */
export interface Sample {
  /** Milliseconds of a monotonic clock. */
  readonly at: number;
  readonly host: Totals;
  /** By the ids of the peers. */
  readonly peers: ReadonlyMap<number, Totals>;
}

/** Bytes a second; null where it is not known yet. */
export interface Rate {
  readonly receivedBytesPerSecond: number | null;
  readonly sentBytesPerSecond: number | null;
}

/** The least time that rates are of. */
const LEAST_MS = 1000;
/** Samples that are older tell nothing of now. */
const MOST_MS = 10_000;

/** Remembers two samples of a host, so that rates are of the last seconds however often they are asked for. */
export class RateMeter {
  #before: Sample | undefined;
  #last: Sample | undefined;

  /** Takes note of a sample. @returns the sample that rates are since; undefined where there is none */
  note(sample: Sample): Sample | undefined {
    if (this.#last !== undefined && sample.at - this.#last.at > MOST_MS) {
      this.#before = this.#last = undefined;
    }
    if (this.#last === undefined) this.#last = sample;
    else if (sample.at - this.#last.at >= LEAST_MS) {
      this.#before = this.#last;
      this.#last = sample;
    }
    return this.#before;
  }
}

/**
 * The rate between two totals.
 *
 * @param before undefined for what has begun since
 */
export function rateOf(now: Totals, before: Totals | undefined, elapsedMs: number): Rate {
  const { received, sent } = before ?? { received: 0, sent: 0 };
  const perSecond = (bytes: number) => Math.max(0, bytes) / elapsedMs * 1000;
  return {
    receivedBytesPerSecond: perSecond(now.received - received),
    sentBytesPerSecond: perSecond(now.sent - sent),
  };
}

/** Of a first sample. */
export const NO_RATE: Rate = { receivedBytesPerSecond: null, sentBytesPerSecond: null };
