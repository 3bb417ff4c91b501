/**
 * A link of the library's simulated network, for the datagrams of any program.
 *
 * @module
 */
import { LAYOUT } from "../../../ffi/layout.ts";
import type { Native } from "../../../ffi/symbols.ts";
import { type ConditionStats, readConditionStats, simulations } from "../../active_conditions.ts";
import type { TwoWayConditions } from "../../conditions.ts";
import { check } from "../../errors.ts";
import { planConditions } from "../../internal/conditions_plan.ts";

/** To the server, and to the client. */
export const DIRECTIONS = [0, 1] as const;

/** One of them. */
export type Direction = typeof DIRECTIONS[number];

/** Conditions as native code takes them. Throws what `host.conditions` throws. */
export function planLink(conditions: TwoWayConditions): Uint8Array {
  return simulations.linksOf(planConditions({ ...conditions })!);
}

const MAXIMUM_DATAGRAM = 65_535;
/** A buffer for all links of a thread; an empty datagram needs one that is not empty. */
const buffer = new Uint8Array(MAXIMUM_DATAGRAM);

/** A link of two directions. */
export class Link implements Disposable {
  readonly #native: Native;
  readonly #handle: number;
  #last: ConditionStats | undefined;

  /** @param plan of {@linkcode planLink} */
  constructor(native: Native, plan: Uint8Array, seed: number) {
    this.#native = native;
    this.#handle = check(native.enetjs_link_open(plan, plan.length, seed), "Opening a link");
  }

  /** A datagram enters. */
  enter(direction: Direction, data: Uint8Array): void {
    const bytes = data.length === 0 ? buffer : data;
    check(
      this.#native.enetjs_link_enter(this.#handle, direction, bytes, data.length),
      "Entering a link",
    );
  }

  /** The next datagram that has passed; valid until the next call of any link. */
  take(direction: Direction): Uint8Array | undefined {
    const result = check(
      this.#native.enetjs_link_take(this.#handle, direction, buffer, buffer.length),
      "Reading a link",
    );
    return result === 0 ? undefined : buffer.subarray(0, result - 1);
  }

  /** Milliseconds until a datagram is due; undefined when none is on its way. */
  get waitMs(): number | undefined {
    const wait = check(this.#native.enetjs_link_wait(this.#handle), "Reading a link");
    return wait === LAYOUT.NOTHING_HELD ? undefined : wait;
  }

  /** What has become of the datagrams; `send` is to the server. */
  get stats(): ConditionStats {
    return this.#last ?? readConditionStats((out) => {
      check(this.#native.enetjs_link_fates(this.#handle, out, out.length), "Reading a link");
    });
  }

  /** Closes the link; what is on its way is lost. */
  [Symbol.dispose](): void {
    if (this.#last !== undefined) return;
    this.#last = this.stats;
    this.#native.enetjs_link_close(this.#handle);
  }
}
