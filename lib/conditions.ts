import { CONDITION, FATE, LAYOUT } from "../ffi/layout.ts";
import { integer, oneOf, options, show, U32 } from "./internal/validate.ts";
import { type Address, validateAddress } from "./address.ts";
import { rangeOf, readPrefix } from "./address_filter.ts";
import { ENetError } from "./errors.ts";

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
   * is the standard deviation, and 3.5 of them are the limit. `"pareto"`: latency only increases, by `jitterMs`
   * on average, and by up to 20 times as much now and then, as on mobile networks. Default `"uniform"`.
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

/** What has become of the datagrams of one direction. */
export interface DatagramFates {
  /** Datagrams that have passed; each of the next four is lost. */
  readonly passed: number;
  /** Lost by `loss`. */
  readonly lost: number;
  /** Lost in a blackout. */
  readonly blackedOut: number;
  /** Lost, because the queue of the rate was full. */
  readonly queueFull: number;
  /** Lost, because 16 MiB of datagrams were under way in this direction, with about 64 bytes more for each. */
  readonly memoryFull: number;
  /** Of those that have passed, how many arrive twice. */
  readonly duplicated: number;
  /** Of those that have passed, how many are late by `reorderMs`. */
  readonly reordered: number;
  /** Of those that have passed, of how many a bit is changed. */
  readonly corrupted: number;
  /** Datagrams that are under way now. */
  readonly held: number;
}

/** What has become of the datagrams since the conditions were assigned. */
export interface ConditionStats {
  /** Of those that this host has sent. */
  readonly send: DatagramFates;
  /** Of those that have come to this host. */
  readonly receive: DatagramFates;
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

const DISTRIBUTIONS = ["uniform", "normal", "pareto"] as const;
const DISTRIBUTION_NUMBERS = {
  uniform: LAYOUT.JITTER_UNIFORM,
  normal: LAYOUT.JITTER_NORMAL,
  pareto: LAYOUT.JITTER_PARETO,
} as const;
const MAXIMUM_MS = 60_000;
const REORDER_MS = 20;
const QUEUE_SECONDS = 0.1;
const MINIMUM_QUEUE = 16 * 1024;
const DEFAULT_SEED = 1;

const LINK_OPTIONS = [
  "latencyMs",
  "jitterMs",
  "jitterDistribution",
  "loss",
  "duplicate",
  "reorder",
  "reorderMs",
  "corrupt",
  "rate",
  "queueBytes",
];
const TWO_WAY_OPTIONS = [...LINK_OPTIONS, "send", "receive"];

/** Refuses everything but a number in a range. */
function number(value: unknown, name: string, minimum: number, maximum: number): number {
  if (typeof value !== "number") {
    throw new TypeError(`${name} must be a number, not ${show(value)}`);
  }
  if (!(value >= minimum && value <= maximum)) {
    throw new RangeError(`${name} must be from ${minimum} to ${maximum}, not ${value}`);
  }
  return value;
}

function share(value: unknown, name: string): number {
  if (typeof value === "number" && value > 1 && value <= 100) {
    throw new RangeError(
      `${name} must be a share from 0 to 1, not ${value}: write ${value} % as ${value / 100}`,
    );
  }
  return number(value, name, 0, 1);
}

/** The members of a loss as native code takes them. */
function planLoss(given: unknown, name: string): Required<BurstLoss> {
  if (typeof given === "number") return { p: 0, r: 0, h: 0, k: 1 - share(given, name) };
  if (typeof given !== "object" || given === null) {
    throw new TypeError(
      `${name} must be a share from 0 to 1 or { p, r, h, k }, not ${show(given)}`,
    );
  }
  options(given, name, ["p", "r", "h", "k"]);
  const { p, r, h = 0, k = 1 } = given as BurstLoss;
  return {
    p: share(p, `${name}.p`),
    r: share(r, `${name}.r`),
    h: share(h, `${name}.h`),
    k: share(k, `${name}.k`),
  };
}

/** Refuses an option that does nothing without another. */
function needs(option: string, value: unknown, other: string, present: boolean, name: string) {
  if (value !== undefined && !present) {
    throw new TypeError(`${name}.${option} ${show(value)} does nothing without ${name}.${other}`);
  }
}

function encodeRate({ rate = Infinity, queueBytes }: LinkConditions, name: string) {
  if (rate === Infinity) return { rate: 0, queueBytes: 0 };
  number(rate, `${name}.rate`, 1, U32);
  const automatic = Math.max(Math.round(rate * QUEUE_SECONDS), MINIMUM_QUEUE);
  return { rate, queueBytes: integer(queueBytes ?? automatic, `${name}.queueBytes`, 0, U32) };
}

/**
 * Checks the conditions of a direction; returns them as native code takes them.
 *
 * @param given all of them
 * @param own those that the program has given with this name
 */
function encodeLink(given: LinkConditions, own: LinkConditions, name: string): number[] {
  const {
    latencyMs = 0,
    jitterMs = 0,
    jitterDistribution = DISTRIBUTIONS[0],
    loss = 0,
    duplicate = 0,
    reorder = 0,
    reorderMs,
    corrupt = 0,
  } = given;
  const values = new Array<number>(LAYOUT.CONDITION_COUNT).fill(0);
  const { p, r, h, k } = planLoss(loss, `${name}.loss`);
  const { rate, queueBytes } = encodeRate(given, name);
  needs("queueBytes", own.queueBytes, "rate", (given.rate ?? Infinity) !== Infinity, name);
  needs("reorderMs", own.reorderMs, "reorder", given.reorder !== undefined, name);
  oneOf(jitterDistribution, `${name}.jitterDistribution`, DISTRIBUTIONS);
  values[CONDITION.LATENCY_MS] = number(latencyMs, `${name}.latencyMs`, 0, MAXIMUM_MS);
  values[CONDITION.JITTER_MS] = number(jitterMs, `${name}.jitterMs`, 0, MAXIMUM_MS);
  values[CONDITION.DISTRIBUTION] = DISTRIBUTION_NUMBERS[jitterDistribution];
  values[CONDITION.TO_BAD] = p;
  values[CONDITION.TO_GOOD] = r;
  values[CONDITION.PASS_BAD] = h;
  values[CONDITION.PASS_GOOD] = k;
  values[CONDITION.DUPLICATE] = share(duplicate, `${name}.duplicate`);
  values[CONDITION.REORDER] = share(reorder, `${name}.reorder`);
  values[CONDITION.REORDER_MS] = number(
    reorderMs ?? REORDER_MS,
    `${name}.reorderMs`,
    0,
    MAXIMUM_MS,
  );
  values[CONDITION.CORRUPT] = share(corrupt, `${name}.corrupt`);
  values[CONDITION.RATE] = rate;
  values[CONDITION.QUEUE_BYTES] = queueBytes;
  return values;
}

function encodeBothWays({ send = {}, receive = {}, ...both }: TwoWayConditions, name: string) {
  options(send, `${name}.send`, LINK_OPTIONS);
  options(receive, `${name}.receive`, LINK_OPTIONS);
  encodeLink(both, both, name); // So that a fault there is not told as one of `send`.
  return [
    ...encodeLink({ ...both, ...send }, send, `${name}.send`),
    ...encodeLink({ ...both, ...receive }, receive, `${name}.receive`),
  ];
}

function parseRange(text: string, name: string): [number, number] {
  const prefix = readPrefix(text);
  if (typeof prefix?.address === "number") return rangeOf(prefix.address, prefix.length);
  const remedy = prefix && ": IPv6 peers have the conditions of all others";
  throw new TypeError(
    `${name} must be an IPv4 address or prefix such as "10.0.0.0/8", not ${show(text)}${
      remedy ?? ""
    }`,
  );
}

/** First and last address, and the port. */
function parseAddresses(given: unknown, name: string): [number, number, number] {
  const isAddress = typeof given !== "string" || /^[^:]*:\d+$|^\[/.test(given);
  if (!isAddress) return [...parseRange(given, name), 0];
  const { hostname, port } = validateAddress(given, 0);
  const [first, last] = parseRange(hostname, `${name}.hostname`);
  return [first, last, port];
}

function encodeEntry(given: unknown, name: string): number[] {
  options(given, name, ["address", ...TWO_WAY_OPTIONS]);
  const { address, ...conditions } = given as AddressConditions;
  return [...parseAddresses(address, `${name}.address`), ...encodeBothWays(conditions, name)];
}

/** A copy of plain objects and arrays in which nothing can be changed. */
function frozenCopy<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  const copy = Array.isArray(value)
    ? value.map(frozenCopy)
    : Object.fromEntries(Object.entries(value).map(([key, member]) => [key, frozenCopy(member)]));
  return Object.freeze(copy) as T;
}

/** Checks conditions, which are in force once `simulations.begin` is called. */
export function planConditions(given: unknown): ActiveConditions | null {
  if (given === null) return null;
  if (typeof given === "string" && Object.hasOwn(LinkQuality, given)) {
    throw new TypeError(
      `conditions must be an object, not ${show(given)}: write LinkQuality.${given}`,
    );
  }
  options(given, "conditions", [...TWO_WAY_OPTIONS, "seed", "for"]);
  const { seed = DEFAULT_SEED, for: entries = [], ...both } = given as Conditions;
  if (!Array.isArray(entries)) {
    throw new TypeError(`conditions.for must be an array, not ${show(entries)}`);
  }
  if (entries.length >= LAYOUT.MAXIMUM_LINKS) {
    throw new RangeError(
      `conditions.for must have at most ${LAYOUT.MAXIMUM_LINKS - 1} entries, not ${entries.length}`,
    );
  }
  const links = [
    [0, U32, 0, ...encodeBothWays(both, "conditions")],
    ...entries.map((entry, index) => encodeEntry(entry, `conditions.for[${index}]`)),
  ];
  return new ActiveConditions(
    frozenCopy({ ...given } as Conditions),
    new Uint8Array(new Float64Array(links.flat()).buffer),
    integer(seed, "conditions.seed", 0, U32),
  );
}

/** What `enetjs_host_set_conditions` takes in place of links, to take the conditions away; 0 bytes of it count. */
export const NO_LINKS: Uint8Array = new Uint8Array(1);

/** What conditions in force need of their host. */
interface Simulation {
  blackout(ms: number): void;
  /** Fills in what `enetjs_host_fates` tells. */
  fates(out: Uint8Array): void;
}

/** What the rest of the library may do with conditions, and users may not. */
interface ConditionsInside {
  /** As `enetjs_host_set_conditions` takes them. */
  linksOf(conditions: ActiveConditions): Uint8Array;
  seedOf(conditions: ActiveConditions): number;
  begin(conditions: ActiveConditions, simulation: Simulation): void;
  /** They are not in force any more, and tell these counters from now on. */
  end(conditions: ActiveConditions, last: ConditionStats): void;
}

let inside: ConditionsInside;

/**
 * Conditions in force: {@linkcode Host.conditions}. It has the members that were assigned, frozen. To change
 * some, assign a new object: `host.conditions = { ...host.conditions, latencyMs: 60 }`.
 */
export class ActiveConditions implements Conditions {
  declare readonly latencyMs?: number;
  declare readonly jitterMs?: number;
  declare readonly jitterDistribution?: "uniform" | "normal" | "pareto";
  declare readonly loss?: number | Readonly<BurstLoss>;
  declare readonly duplicate?: number;
  declare readonly reorder?: number;
  declare readonly reorderMs?: number;
  declare readonly corrupt?: number;
  declare readonly rate?: number;
  declare readonly queueBytes?: number;
  declare readonly send?: Readonly<LinkConditions>;
  declare readonly receive?: Readonly<LinkConditions>;
  declare readonly seed?: number;
  declare readonly for?: readonly Readonly<AddressConditions>[];

  readonly #links: Uint8Array;
  readonly #seed: number;
  #simulation: Simulation | undefined;
  /** What ended conditions still tell. */
  #last: ConditionStats | undefined;

  /** Only the library makes these. */
  constructor(given: Conditions, links: Uint8Array, seed: number) {
    Object.assign(this, given);
    this.#links = links;
    this.#seed = seed;
    Object.freeze(this);
  }

  /**
   * Loses every datagram that this host sends or receives from now on, for a time. What is under way arrives.
   *
   * @param ms milliseconds from now, an integer up to 2,147,483,647; 0 ends a blackout
   * @throws {TypeError} if `ms` is no number
   * @throws {RangeError} if `ms` is out of range
   * @throws {ENetError} `ENETJS_ERR_CLOSED` if the host is closed or has other conditions by now
   */
  blackout(ms: number): void {
    integer(ms, "ms", 0, 2 ** 31 - 1);
    if (this.#simulation === undefined) {
      throw new ENetError(
        "ENETJS_ERR_CLOSED",
        "Beginning a blackout: the host is closed, or has other conditions by now",
      );
    }
    this.#simulation.blackout(ms);
  }

  /** Counters since the conditions were assigned; once they are not in force any more, their last values. */
  get stats(): ConditionStats {
    if (this.#simulation === undefined) return this.#last as ConditionStats;
    const values = new Float64Array(2 * LAYOUT.FATE_COUNT);
    this.#simulation.fates(new Uint8Array(values.buffer));
    return {
      send: readFates(values.subarray(0, LAYOUT.FATE_COUNT)),
      receive: readFates(values.subarray(LAYOUT.FATE_COUNT)),
    };
  }

  static {
    inside = {
      linksOf: (conditions) => conditions.#links,
      seedOf: (conditions) => conditions.#seed,
      begin: (conditions, simulation) => void (conditions.#simulation = simulation),
      end(conditions, last) {
        conditions.#last = last;
        conditions.#simulation = undefined;
      },
    };
  }
}

export const simulations: ConditionsInside = inside;

function readFates(values: Float64Array): DatagramFates {
  return {
    passed: values[FATE.PASSED],
    lost: values[FATE.LOST],
    blackedOut: values[FATE.BLACKED_OUT],
    queueFull: values[FATE.QUEUE_FULL],
    memoryFull: values[FATE.MEMORY_FULL],
    duplicated: values[FATE.DUPLICATED],
    reordered: values[FATE.REORDERED],
    corrupted: values[FATE.CORRUPTED],
    held: values[FATE.HELD],
  };
}
