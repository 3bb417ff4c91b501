import { FATE, LAYOUT } from "../ffi/layout.ts";
import { integer } from "./internal/validate.ts";
import type { AddressConditions, BurstLoss, Conditions, LinkConditions } from "./conditions.ts";
import { ENetError } from "./errors.ts";

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
    const simulation = this.#simulation;
    if (simulation === undefined) return this.#last as ConditionStats;
    return readConditionStats((out) => simulation.fates(out));
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

/** Reads the counters of both directions. @param fates fills them in as `enetjs_host_fates` does */
export function readConditionStats(fates: (out: Uint8Array) => void): ConditionStats {
  const values = new Float64Array(2 * LAYOUT.FATE_COUNT);
  fates(new Uint8Array(values.buffer));
  return {
    send: readFates(values.subarray(0, LAYOUT.FATE_COUNT)),
    receive: readFates(values.subarray(LAYOUT.FATE_COUNT)),
  };
}

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
