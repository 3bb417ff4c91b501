/**
 * Connections one after the other: how a page comes back.
 *
 * @module
 */
import { DisconnectCode } from "../../disconnect.ts";
import { EnetSocketError } from "./errors.ts";
import { type EnetSessionOptions, planRetry } from "./options.ts";

/** What this needs of a connection. */
interface Session {
  readonly closed: Promise<unknown>;
  disconnect(): Promise<void>;
  disconnectLater(): Promise<void>;
}

/** Refusals that say nothing about the browser. */
const PASSING: readonly number[] = [
  DisconnectCode.FULL,
  DisconnectCode.LIMIT,
  DisconnectCode.UNDECIDED,
  DisconnectCode.DUPLICATE,
  DisconnectCode.CLOSING,
];

/** Whether another attempt may go better. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof EnetSocketError)) return false;
  return error.code !== "ENETJS_ERR_REFUSED" || PASSING.includes(error.data);
}

/** Waits, or until a signal aborts. */
function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}

/** Connects each time a connection has ended, and yields each. */
export async function* sessions<T extends Session>(
  connect: () => Promise<T>,
  options: EnetSessionOptions,
): AsyncGenerator<T, void, undefined> {
  const { minimumMs, maximumMs, jitter } = planRetry(options);
  const { signal, onRetry } = options;
  let waitMs = minimumMs;
  while (!signal?.aborted) {
    let error: unknown;
    try {
      const session = await connect();
      const began = performance.now();
      const leave = () => void session.disconnect();
      signal?.addEventListener("abort", leave);
      try {
        yield session;
        await session.closed;
      } finally {
        signal?.removeEventListener("abort", leave);
        void session.disconnectLater();
      }
      if (performance.now() - began > waitMs) waitMs = minimumMs;
    } catch (thrown) {
      if (signal?.aborted) return;
      if (!isPassing(thrown)) throw thrown;
      error = thrown;
    }
    if (signal?.aborted) return;
    const ms = waitMs * (1 - jitter * Math.random());
    onRetry?.(error, ms);
    if (!signal?.aborted) await wait(ms, signal);
    waitMs = Math.min(2 * waitMs, maximumMs);
  }
}
