/**
 * Pauses that a signal ends.
 *
 * @module
 */
import { setTimeout as wait } from "node:timers/promises";

/** Waits for so many milliseconds, or until the signal aborts. @returns whether it has not aborted */
export async function pause(waitMs: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  return await wait(Math.max(0, waitMs), true, { signal }).catch(() => false);
}
