/**
 * Many gets that wait for the same signal share one listener: a signal looks through all of its listeners to add
 * one.
 *
 * @module
 */

/** What a signal ends. */
export interface Abortable {
  /** Called once, when the signal aborts. */
  aborted(reason: unknown): void;
}

const waiting = new WeakMap<AbortSignal, Set<Abortable>>();

function onAbort({ currentTarget }: Event): void {
  const signal = currentTarget as AbortSignal;
  // Each of them leaves the set.
  for (const one of [...waiting.get(signal) ?? []]) one.aborted(signal.reason);
}

/** Waits for a signal that has not aborted yet. */
export function watch(signal: AbortSignal, one: Abortable): void {
  let all = waiting.get(signal);
  if (all === undefined) {
    waiting.set(signal, all = new Set());
    signal.addEventListener("abort", onAbort);
  }
  all.add(one);
}

/** Waits for it no more. */
export function unwatch(signal: AbortSignal, one: Abortable): void {
  const all = waiting.get(signal);
  all?.delete(one);
  if (all?.size !== 0) return;
  waiting.delete(signal);
  signal.removeEventListener("abort", onAbort);
}
