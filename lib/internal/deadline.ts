/**
 * The end of a wait. A timer that is late is called before the program hears of what has arrived meanwhile. So a
 * program that was busy, or a process that was stopped, would give up what has succeeded already. Therefore a wait
 * is longer by the time for which the event loop stood still. It is so only once: in a program that is always busy,
 * every timer is late.
 *
 * @module
 */

/** Milliseconds by which timers are late in a program that is merely busy. */
const USUAL_MS = 20;

/** Calls a function when the time is up, unless it is cleared. */
export class Deadline {
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param ms milliseconds from now
   * @param call called once
   */
  constructor(ms: number, call: () => void) {
    const due = performance.now() + ms;
    this.#timer = setTimeout(() => {
      const lateMs = performance.now() - due;
      if (lateMs <= USUAL_MS) call();
      else this.#timer = setTimeout(call, Math.min(lateMs, ms));
    }, ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
