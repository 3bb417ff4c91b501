/**
 * The one timer of this thread for all deadlines of messaging. It does not keep the process alive: sockets do.
 *
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import { Deadlines } from "./deadlines.ts";

/** The longest that a timer can wait. */
const MAXIMUM_MS = 2 ** 31 - 1;

let timer: ReturnType<typeof setTimeout> | undefined;

function arm(at: number): void {
  clearTimeout(timer);
  const ms = Math.min(Math.max(at - performance.now(), 1), MAXIMUM_MS);
  timer = setTimeout(() => deadlines.advance(performance.now()), ms);
  timer.unref();
}

/** The deadlines of this thread, in the time of `performance.now()`. */
export const deadlines: Deadlines = new Deadlines(performance.now(), arm);
