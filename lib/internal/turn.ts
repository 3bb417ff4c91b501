/**
 * The time that consumers of messages may take of one turn of the event loop. A consumer that finds the next
 * message ready goes on in the same turn. So a flood could keep timers and sockets waiting for as long as it lasts.
 * Therefore each way to receive asks `spent` before every message. Once the budget is used up, it goes on by a
 * `Later`.
 *
 * All hosts and channels of a thread share one budget a turn. A turn ends when a `Later` is called, and
 * when the host that was woken first is woken again. Timers have run by then; sockets, too, except that
 * Deno serves them with every second `Later`. The wake-up of another host ends no turn. Time between
 * wake-ups does not count.
 *
 * @module
 */
import { callInNextTurn } from "../../ffi/macrotask.ts";
import { Fifo } from "./fifo.ts";
import { integer } from "./validate.ts";

/** Milliseconds, where the program sets no other budget. */
export const TURN_BUDGET_MS = 5;

/** Checks a budget that the program sets. */
export function validateTurnBudget(value: unknown): number {
  return integer(value, "turnBudgetMs", 1, 60_000);
}

/** Messages between two looks at the clock, at most: a look takes half as long as a small message does. */
const LONGEST_STRIDE = 64;

/** Part of the budget that the messages between two looks must not take. */
const STRIDE_SHARE = 1 / 8;

/** When the turn began, moved later by the time that other code has taken of it. */
let start = 0;
/** When the clock was last looked at. */
let seen = 0;
/** Messages until it is looked at again. */
let unlooked = 0;
let stride = 1;
/** The host that was woken first in this turn, 0 for none. */
let first = 0;

/** Begins a macrotask in which messages are given out; the turn may be older. */
export function beginTask(): void {
  const now = performance.now();
  start += now - seen;
  seen = now;
}

/** The same when a host is woken, by its handle: its socket is read once in a round of the event loop. */
export function beginWakeUp(host: number): void {
  if (first === host) beginTurn();
  else beginTask();
  first ||= host;
}

/** Notes that a consumer has taken all messages, so that the time of other code from now on is not counted. */
export function endTask(): void {
  seen = performance.now();
}

/** Begins a turn: others have been served, or the program itself decides when they are. */
export function beginTurn(): void {
  start = seen = performance.now();
  unlooked = 0;
  first = 0;
}

/** Whether the turn's budget is used up. To be asked before every message. */
export function spent(budgetMs: number): boolean {
  return --unlooked <= 0 && spentNow(budgetMs);
}

/**
 * The same for several messages at once, in a loop that counts them itself.
 *
 * @returns how many messages may be given out before it is asked again; 0 when the budget is used up
 */
export function allowed(budgetMs: number): number {
  if (unlooked <= 1 && spentNow(budgetMs)) return 0;
  const messages = unlooked;
  unlooked = 0;
  return messages;
}

/** Notes how many of them were not given out. */
export function returnUnused(messages: number): void {
  unlooked = messages;
}

/** The same by the clock each time. To be asked before something that may take long. */
export function spentNow(budgetMs: number): boolean {
  const now = performance.now();
  // Grows slowly, so that messages that take long cannot come many at a time behind a few quick ones.
  if (now - seen > budgetMs * STRIDE_SHARE) stride = 1;
  else if (stride < LONGEST_STRIDE) stride++;
  seen = now;
  if (now - start >= budgetMs) return true;
  unlooked = stride;
  return false;
}

/** Consumers that wait for a turn, in the order in which they came. */
const waiting = new Fifo<Later>();

/** Something to be done at the beginning of a turn of its own. */
export class Later {
  readonly #call: () => void;
  #isWaiting = false;

  constructor(call: () => void) {
    this.#call = call;
  }

  /** Whether it is still to be done. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Has it done once; asking again before changes nothing. */
  request(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    waiting.push(this);
    if (waiting.size === 1) callInNextTurn(Later.#next);
  }

  // One a turn: the messages that a promise brings are only consumed after the call.
  static #next(): void {
    const later = waiting.shift() as Later;
    if (waiting.size > 0) callInNextTurn(Later.#next);
    later.#isWaiting = false;
    beginTurn();
    later.#call();
  }
}
