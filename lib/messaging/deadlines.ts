/**
 * Points in time at which something expires: many for the price of one timer.
 *
 * A wheel of slots, one for each `TICK_MS`; an entry lies in the slot of its time, in a list whose links are in the
 * entries. Adding and removing take constant time and no memory. The structure has no clock: its owner passes the
 * time in, and is told when the earliest time becomes earlier. Entries expire in the order of their times, and
 * never early. They are at most `TICK_MS` late if the owner calls `advance` in time.
 *
 * @module
 */

/** Milliseconds of a slot. */
export const TICK_MS = 4;

const SLOTS = 2048;

/** Something that expires. */
export abstract class Deadline {
  /** When, or Infinity while it is in no wheel. */
  at = Infinity;
  /** Neighbours in the list of its slot. */
  previous: Deadline | undefined;
  next: Deadline | undefined;
  /** The slot that it lies in. */
  slot = 0;

  /** Called once its time has come; it is in no wheel then. */
  abstract expire(now: number): void;
}

const tickOf = (time: number): number => Math.ceil(time / TICK_MS);

/** The wheel. */
export class Deadlines {
  /** The first entry of each slot. */
  readonly #slots: (Deadline | undefined)[] = new Array(SLOTS).fill(undefined);
  /** All slots up to this tick have been looked at. */
  #tick: number;
  #size = 0;
  #earliest = Infinity;
  readonly #onEarlier: (at: number) => void;

  /**
   * @param now the time
   * @param onEarlier called with the time at which `advance` must be called next, when that becomes earlier
   */
  constructor(now: number, onEarlier: (at: number) => void) {
    this.#tick = Math.floor(now / TICK_MS);
    this.#onEarlier = onEarlier;
  }

  /** Entries in it. */
  get size(): number {
    return this.#size;
  }

  /** Adds an entry, or moves it. A time that has passed expires at the next `advance`. */
  add(entry: Deadline, at: number): void {
    if (entry.at !== Infinity) this.remove(entry);
    if (at === Infinity) return;
    entry.at = at;
    const tick = Math.max(tickOf(at), this.#tick + 1);
    const slot = entry.slot = tick % SLOTS;
    const first = this.#slots[slot];
    entry.next = first;
    if (first !== undefined) first.previous = entry;
    this.#slots[slot] = entry;
    this.#size++;
    const due = tick * TICK_MS;
    if (due >= this.#earliest) return;
    this.#earliest = due;
    this.#onEarlier(due);
  }

  /** Removes an entry; one that is in no wheel is left alone. */
  remove(entry: Deadline): void {
    if (entry.at === Infinity) return;
    const { previous, next } = entry;
    if (next !== undefined) next.previous = previous;
    if (previous !== undefined) previous.next = next;
    else this.#slots[entry.slot] = next;
    entry.at = Infinity;
    entry.previous = entry.next = undefined;
    this.#size--;
  }

  /** Expires what is due. Afterwards `onEarlier` has been called if anything is left. */
  advance(now: number): void {
    const tick = Math.floor(now / TICK_MS);
    const due: Deadline[] = [];
    const from = Math.max(this.#tick + 1, tick - SLOTS + 1);
    for (let at = from; at <= tick; at++) {
      for (let entry = this.#slots[at % SLOTS]; entry !== undefined; entry = entry.next) {
        if (entry.at <= now) due.push(entry);
      }
    }
    this.#tick = Math.max(tick, this.#tick);
    due.sort((a, b) => a.at - b.at);
    for (const entry of due) {
      // An earlier one may have removed or moved it.
      if (entry.at > now) continue;
      this.remove(entry);
      entry.expire(now);
    }
    this.#find();
  }

  /** Looks for the next slot with an entry; one that is farther away than the wheel is long is looked at early. */
  #find(): void {
    this.#earliest = Infinity;
    if (this.#size === 0) return;
    let tick = this.#tick + 1;
    while (this.#slots[tick % SLOTS] === undefined) tick++;
    this.#earliest = tick * TICK_MS;
    this.#onEarlier(this.#earliest);
  }
}
