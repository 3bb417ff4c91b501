/**
 * What a load has done so far, and what it did in each second.
 *
 * @module
 */
import { RoundTrips, type RoundTripSummary } from "../net/round_trips.ts";

/** What happened in about a second. */
export interface Sample {
  /** Seconds since the beginning. */
  readonly atS: number;
  /** Connected peers. */
  readonly peers: number;
  readonly sentPerSecond: number;
  readonly receivedPerSecond: number;
  /** Bytes of datagrams. */
  readonly bytesOutPerSecond: number;
  readonly bytesInPerSecond: number;
  /** Of the round trips that were measured in it; 0 of none. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Mean round trip of ENet over all peers. */
  readonly enetRoundTripMs: number;
  /** Mean share of reliable commands that were retransmitted, 0–1. */
  readonly loss: number;
}

/** Bytes of datagrams that the hosts have sent and received. */
export interface Traffic {
  readonly out: number;
  readonly in: number;
}

/** Counts by names. */
export type Counts = Map<string, number>;

/** Most names of a script or of a server; what comes later is counted together. */
const MOST_NAMES = 40;

/** Adds to a count. */
export function add(counts: Counts, given: string, by = 1): void {
  const name = counts.has(given) || counts.size < MOST_NAMES ? given : "others";
  counts.set(name, (counts.get(name) ?? 0) + by);
}

/** Counts everything. */
export class Tally {
  readonly startedAt: number = performance.now();
  /** All attempts to connect that have begun. */
  begun = 0;
  connected = 0;
  /** Connections that are there now. */
  present = 0;
  sent = 0;
  received = 0;
  readonly connectTimes = new RoundTrips();
  /** Round trips that players have measured. */
  readonly roundTrips = new RoundTrips();
  /** How late players were waked, in milliseconds. */
  readonly lateness = new RoundTrips();
  /** Attempts that failed, by cause. */
  readonly failures: Counts = new Map();
  /** Connections that ended before the load did, by reason. */
  readonly ends: Counts = new Map();
  /** What scripts have thrown, by message. */
  readonly errors: Counts = new Map();
  /** What scripts have counted. */
  readonly counters: Counts = new Map();
  readonly samples: Sample[] = [];
  readonly #recent = new RoundTrips();
  #last = { at: this.startedAt, sent: 0, received: 0, traffic: { out: 0, in: 0 } };

  /** Seconds since the beginning. */
  get seconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }

  /** Adds a round trip. */
  measure(roundTripMs: number): void {
    this.roundTrips.record(roundTripMs);
    this.#recent.record(roundTripMs);
  }

  /** Takes a sample. */
  sample(traffic: Traffic, enet: { roundTripMs: number; loss: number }): Sample {
    const now = performance.now();
    const { at, sent, received, traffic: before } = this.#last;
    const perSecond = (difference: number) => Math.round(difference * 1000 / (now - at));
    const sample = {
      atS: Math.round(now - this.startedAt) / 1000,
      peers: this.present,
      sentPerSecond: perSecond(this.sent - sent),
      receivedPerSecond: perSecond(this.received - received),
      bytesOutPerSecond: perSecond(traffic.out - before.out),
      bytesInPerSecond: perSecond(traffic.in - before.in),
      p50Ms: this.#recent.percentile(50),
      p99Ms: this.#recent.percentile(99),
      enetRoundTripMs: Math.round(enet.roundTripMs * 1000) / 1000,
      loss: enet.loss,
    };
    this.samples.push(sample);
    this.#recent.clear();
    this.#last = { at: now, sent: this.sent, received: this.received, traffic };
    return sample;
  }

  /** Round trips of all seconds. */
  get summary(): RoundTripSummary | undefined {
    return this.roundTrips.summary();
  }
}
