/**
 * Checks conditions that a program gives, and encodes them as `enetjs_host_set_conditions` takes them.
 *
 * @module
 */
import { CONDITION, LAYOUT } from "../../ffi/layout.ts";
import { ActiveConditions } from "../active_conditions.ts";
import { validateAddress } from "../address.ts";
import { rangeOf, readPrefix } from "../address_filter.ts";
import {
  type AddressConditions,
  type BurstLoss,
  type Conditions,
  type LinkConditions,
  LinkQuality,
  type TwoWayConditions,
} from "../conditions.ts";
import { integer, oneOf, options, show, U32 } from "./validate.ts";

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
