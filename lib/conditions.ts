import type { Address } from "./address.ts";

/**
 * Loss in bursts, by the model of Gilbert and Elliott. The link is in a good or a bad state, which may change
 * before each datagram. The average loss is `(r * (1 - k) + p * (1 - h)) / (p + r)`, and a bad state lasts for
 * `1 / r` datagrams on average.
 */
export interface BurstLoss {
  /** The probability that the good state becomes bad, 0–1. */
  p: number;
  /** The probability that the bad state becomes good, 0–1. */
  r: number;
  /** The share of datagrams that pass in the bad state, 0–1. Default 0: all are lost. */
  h?: number;
  /** The share of datagrams that pass in the good state, 0–1. Default 1: none is lost. */
  k?: number;
}

/** What happens to datagrams in one direction. What is absent does not happen. */
export interface LinkConditions {
  /** Milliseconds that a datagram takes, 0–60,000. Default 0. */
  latencyMs?: number;
  /**
   * By how many milliseconds that varies, 0–60,000. Jitter changes no order: a datagram that would overtake
   * another arrives right behind it. So the latency of datagrams that follow each other closely is above the
   * average. Default 0.
   */
  jitterMs?: number;
  /**
   * How the latency varies. `"uniform"`: evenly, by up to `jitterMs` in both directions. `"normal"`: `jitterMs`
   * is the standard deviation, and 3.5 of them are the limit. `"pareto"`: latency only increases, by `jitterMs` on
   * average, as on mobile networks. Now and then it increases by up to 20 times as much. Default `"uniform"`.
   */
  jitterDistribution?: "uniform" | "normal" | "pareto";
  /** The share of datagrams that are lost, 0–1 (5 % is 0.05), or loss in bursts. Default 0. */
  loss?: number | BurstLoss;
  /** The share of datagrams that arrive twice, 0–1. Default 0. */
  duplicate?: number;
  /** The share of datagrams that arrive `reorderMs` later than otherwise, and are overtaken, 0–1. Default 0. */
  reorder?: number;
  /** Milliseconds by which these are late, 0–60,000. Default 20. */
  reorderMs?: number;
  /**
   * The share of datagrams of which one bit is changed, 0–1. A real UDP checksum would drop nearly all of
   * these. With `checksum: "crc32"` ENet drops them; without it, wrong bytes reach the program. Default 0.
   */
  corrupt?: number;
  /**
   * Bytes of datagrams a second, 1–4,294,967,295, without the headers of UDP and IP; `Infinity` is no limit.
   * What exceeds it waits in a queue, and is lost when that is full. Default no limit.
   */
  rate?: number;
  /**
   * Bytes that may wait for the rate, 0–4,294,967,295. Default what the rate carries in 100 ms, at least
   * 16,384.
   */
  queueBytes?: number;
}

/** Conditions of both directions, and what is different for one of them. */
export interface TwoWayConditions extends LinkConditions {
  /** For what this host sends; replaces single members. */
  send?: LinkConditions;
  /** For what this host receives; replaces single members. */
  receive?: LinkConditions;
}

/** Conditions for some addresses. They hold in place of those of the host. */
export interface AddressConditions extends TwoWayConditions {
  /**
   * An address (`"192.0.2.7"`), a prefix (`"10.0.0.0/8"`), or an address with a port: `"192.0.2.7:5000"`, or an
   * object such as `peer.address`. Port 0 is any port.
   */
  address: string | Readonly<Address>;
}

/**
 * A simulated network between a host and its socket, for tests: `{ latencyMs: 50, loss: 0.02 }`. It is on this
 * host's side only. So 50 ms of latency make a round trip 100 ms longer; with the same conditions on the other host, too, 200 ms.
 *
 * The conditions decide about every datagram when it enters the link. These decisions follow from the seed and
 * from the order of the datagrams alone: the same seed and the same datagrams give the same loss, jitter,
 * order and corruption. A rate and a blackout also depend on when the datagrams come.
 */
export interface Conditions extends TwoWayConditions {
  /** The seed of all random decisions, an integer from 0 to 4,294,967,295. Default 1. */
  seed?: number;
  /**
   * Other conditions for some addresses, 255 entries at most. The first entry that fits an address counts, for
   * all of its conditions. The addresses of an entry share one link, with one rate and one queue.
   */
  for?: readonly AddressConditions[];
}

/**
 * Presets with the figures of [naia](https://github.com/naia-lib/naia)'s link conditioner: latency, jitter and loss
 * of each direction. Add to them as to other conditions: `{ ...LinkQuality.POOR, seed: 7 }`.
 */
export const LinkQuality: {
  /** 12 ± 3 ms, 0.1 % loss: a wired network in the same region. */
  readonly VERY_GOOD: Readonly<LinkConditions>;
  /** 40 ± 10 ms, 0.2 % loss: Wi-Fi. */
  readonly GOOD: Readonly<LinkConditions>;
  /** 100 ± 25 ms, 2 % loss: mobile, or another continent. */
  readonly AVERAGE: Readonly<LinkConditions>;
  /** 200 ± 50 ms, 4 % loss: mobile, bad. */
  readonly POOR: Readonly<LinkConditions>;
  /** 300 ± 75 ms, 6 % loss: mobile, where there is hardly a signal. */
  readonly VERY_POOR: Readonly<LinkConditions>;
} = Object.freeze({
  VERY_GOOD: Object.freeze({ latencyMs: 12, jitterMs: 3, loss: 0.001 }),
  GOOD: Object.freeze({ latencyMs: 40, jitterMs: 10, loss: 0.002 }),
  AVERAGE: Object.freeze({ latencyMs: 100, jitterMs: 25, loss: 0.02 }),
  POOR: Object.freeze({ latencyMs: 200, jitterMs: 50, loss: 0.04 }),
  VERY_POOR: Object.freeze({ latencyMs: 300, jitterMs: 75, loss: 0.06 }),
});
