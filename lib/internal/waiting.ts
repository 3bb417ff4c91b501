/**
 * What waits in JavaScript until the program takes it: in the inboxes of peers, in the backlog of a host and in
 * its streams. All of it counts towards the host's `maximumHostData`. A quarter of that is meant for it: a peer
 * of which more waits than its share is paused, and native code then holds the rest back. The host's first
 * messages may be of one peer; once half of that quarter is used, all peers have equal shares of the other half.
 *
 * The share is compared after a message has come, so a message of any size passes, and a peer of which nothing
 * waits is never paused.
 *
 * What waits of a peer that has ended counts until it is taken, or until the collector takes it with the reader
 * that the program has forgotten.
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

/** Where a peer's messages are counted with those of others. */
interface Total {
  forget(cost: number, own: number): void;
}

/** What waits of one peer. Refers to nothing of it, so that it can be what the collector's callback gets. */
export class Kept {
  readonly #total: WeakRef<Total>;
  /** The cost of all. */
  cost = 0;
  /** Messages. */
  #messages = 0;
  /** Bytes of them that JavaScript's own memory holds. */
  #own = 0;

  /** @param total all that waits of the host */
  constructor(total: Total) {
    this.#total = new WeakRef(total);
  }

  /** Notes a message that waits, or with -1 one that has been taken. */
  note(bytes: number, isNative: boolean, sign: number): void {
    this.#messages += sign;
    if (!isNative) this.#own += sign * bytes;
    this.cost += sign * (bytes + LAYOUT.MESSAGE_COST);
  }

  /** The collector has taken the peer, whose reader the program had forgotten, and what waited with it. */
  forget(): void {
    this.#total.deref()?.forget(this.cost, this.#own + this.#messages * LAYOUT.MESSAGE_COST);
  }
}

const registry = new FinalizationRegistry<Kept>((kept) => kept.forget());

/** Counts what waits of a peer no more when the collector takes an object: the peer has ended. */
export function forgetWith(owner: object, kept: Kept): void {
  registry.register(owner, kept);
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

  /** Counts messages no more that nobody can take: their cost, and what of it JavaScript's own memory held. */
  forget(cost: number, own: number): void {
    this.#cost -= cost;
    this.#own -= own;
    this.#tell();
  }

  #change(bytes: number, isNative: boolean, sign: number): number {
    const cost = bytes + LAYOUT.MESSAGE_COST;
    this.#cost += sign * cost;
    this.#own += sign * (isNative ? LAYOUT.MESSAGE_COST : cost);
    this.#tell();
    return cost;
  }

  #tell(): void {
    // The words of a host that is closed may be those of another.
    if (this.#resources.open) {
      this.#memory.words[LAYOUT.WORD_KEPT] = Math.min(this.#own, 2 ** 32 - 1);
    }
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
