/**
 * What waits in JavaScript until the program takes it: in the inboxes of peers, in the backlog of a host and in
 * its streams. All of it counts towards the host's `maximumHostData`. A quarter of that is meant for it: a peer
 * of which more waits than its share is paused, and native code then holds the rest back. The host's first
 * messages may be of one peer; once half of that quarter is used, all peers have equal shares of the other half.
 *
 * The share is compared after a message has come. So a message of any size passes, and a peer of which nothing
 * waits is never paused.
 *
 * What waits of a peer that has ended counts until it is taken. It also counts no more when the collector takes it,
 * with the reader that the program has forgotten.
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

/** What messages that wait cost. */
class Cost {
  /** All of it. */
  all = 0;
  /** Of it, what JavaScript's own memory holds: native code knows of the rest. */
  own = 0;

  /** Counts a message: its bytes, and what its objects and its buffer take; with -1 no more. */
  change(bytes: number, isNative: boolean, sign: number): void {
    const cost = bytes + LAYOUT.MESSAGE_COST;
    this.all += sign * cost;
    this.own += sign * (isNative ? LAYOUT.MESSAGE_COST : cost);
  }
}

/**
 * What waits of one peer. It refers to nothing of the peer, so that the callback of the finalization registry can
 * get it.
 */
export class Kept {
  readonly #total: WeakRef<Waiting>;
  readonly #cost = new Cost();

  /** @param total all that waits of the host */
  constructor(total: Waiting) {
    this.#total = new WeakRef(total);
  }

  get cost(): number {
    return this.#cost.all;
  }

  /** Notes a message that waits, or with -1 one that has been taken. */
  note(bytes: number, isNative: boolean, sign: number): void {
    this.#cost.change(bytes, isNative, sign);
  }

  /** The collector has taken the peer, whose reader the program had forgotten, and what waited with it. */
  forget(): void {
    this.#total.deref()?.forget(this.#cost);
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
  readonly #cost = new Cost();

  constructor(
    memory: SharedWords,
    resources: { readonly open: boolean },
    settings: Settings,
  ) {
    this.#memory = memory;
    this.#resources = resources;
    this.#settings = settings;
  }

  /** Counts a message that waits. */
  add(bytes: number, isNative: boolean): void {
    this.#cost.change(bytes, isNative, 1);
    this.#tell();
  }

  /** Counts a message no more. */
  remove(bytes: number, isNative: boolean): void {
    this.#cost.change(bytes, isNative, -1);
    this.#tell();
  }

  /** Counts messages no more that nobody can take. */
  forget({ all, own }: Cost): void {
    this.#cost.all -= all;
    this.#cost.own -= own;
    this.#tell();
  }

  #tell(): void {
    // The words of a host that is closed may be those of another.
    if (this.#resources.open) {
      this.#memory.words[LAYOUT.WORD_KEPT] = Math.min(this.#cost.own, 2 ** 32 - 1);
    }
  }

  /** Whether all that is meant for it is used. */
  get full(): boolean {
    return this.#cost.all >= effectiveHostData(this.#settings) / 4;
  }

  /** Bytes of cost that one peer may have waiting now. */
  get share(): number {
    const half = effectiveHostData(this.#settings) / 8;
    return Math.min(MOST_BYTES, this.#cost.all <= half ? half : half / this.#settings.peers);
  }
}
