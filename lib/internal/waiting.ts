/**
 * What waits in JavaScript until the program takes it: in the inboxes of peers, in the backlog of a host and in
 * its streams. All of it counts towards the host's `maximumHostData`. A quarter of that is meant for it: a peer
 * of which more waits than its share is paused, and native code then holds the rest back. The host's first
 * messages may be of one peer; once half of that quarter is used, all peers have equal shares of the other half.
 *
 * The share is compared after a message has come, so a message of any size passes, and a peer of which nothing
 * waits is never paused.
 *
 * @module
 */
import { LAYOUT } from "../../ffi/layout.ts";
import { effectiveHostData, type Settings } from "./settings.ts";

/** What one peer may have waiting at most, by cost. */
const MOST_BYTES = 2 * 1024 * 1024;

/** What this file needs of a host's memory. */
interface SharedWords {
  readonly words: Uint32Array;
}

/** The messages of a host that wait in JavaScript. */
export class Waiting {
  readonly #memory: SharedWords;
  readonly #resources: { readonly open: boolean };
  readonly #settings: Settings;
  /** The cost of all that wait. */
  #cost = 0;
  /** Of it, what JavaScript's own memory holds: native code knows of the rest. */
  #own = 0;

  constructor(
    memory: SharedWords,
    resources: { readonly open: boolean },
    settings: Settings,
  ) {
    this.#memory = memory;
    this.#resources = resources;
    this.#settings = settings;
  }

  /**
   * Counts a message that waits: its bytes, and what its objects and its buffer take.
   *
   * @returns its cost
   */
  add(bytes: number, isNative: boolean): number {
    return this.#change(bytes, isNative, 1);
  }

  /** Counts a message no more. @returns its cost */
  remove(bytes: number, isNative: boolean): number {
    return this.#change(bytes, isNative, -1);
  }

  #change(bytes: number, isNative: boolean, sign: number): number {
    const cost = bytes + LAYOUT.MESSAGE_COST;
    this.#cost += sign * cost;
    this.#own += sign * (isNative ? LAYOUT.MESSAGE_COST : cost);
    // The words of a host that is closed may be those of another.
    if (this.#resources.open) {
      this.#memory.words[LAYOUT.WORD_KEPT] = Math.min(this.#own, 2 ** 32 - 1);
    }
    return cost;
  }

  /** Whether all that is meant for it is used. */
  get full(): boolean {
    return this.#cost >= effectiveHostData(this.#settings) / 4;
  }

  /** Bytes of cost that one peer may have waiting now. */
  get share(): number {
    const half = effectiveHostData(this.#settings) / 8;
    return Math.min(MOST_BYTES, this.#cost <= half ? half : half / this.#settings.peers);
  }
}
