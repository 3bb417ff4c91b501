import type { setTimeout } from "node:timers";

/** Milliseconds after which the next address is tried beside those before it: RFC 8305, section 8. */
const STAGGER_MS = 250;

/** One that takes part. */
export interface Racer<T> {
  readonly result: Promise<T>;
  /** Ends it, because another one has won. Its result rejects. */
  abandon(): void;
}

/** What a racer reports, as soon as it knows. */
export interface Progress {
  /** It has won. Its result resolves later. */
  won(): void;
  /** It will probably fail. */
  stalls(): void;
}

/** The error that tells most: that somebody has refused. */
function most(errors: readonly unknown[]): unknown {
  return errors.find((error) => (error as { code?: string }).code === "ENETJS_ERR_REFUSED") ??
    errors[0];
}

/**
 * Tries several ways to one end, "happy eyeballs" of RFC 8305: each begins a while after the last one, or at once when
 * that has failed or stalls. The first that wins ends the others.
 *
 * @param begin begins each of them; may throw
 * @param after calls a function after milliseconds
 * @param signal ends all racers by itself; no further one begins
 */
export async function race<T>(
  begin: readonly ((progress: Progress) => Racer<T>)[],
  after: (ms: number, call: () => void) => ReturnType<typeof setTimeout>,
  signal: AbortSignal,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const running = new Set<Racer<T>>();
  const errors: unknown[] = [];
  let begun = 0;
  let winner: Racer<T> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const isOver = () => winner !== undefined || signal.aborted || begun === begin.length;

  const failed = (error: unknown) => {
    errors.push(error);
    if (!isOver()) beginNext();
    else if (running.size === 0) reject(most(errors));
  };

  const beginNext = () => {
    clearTimeout(timer);
    if (isOver()) return;
    const number = ++begun;
    let racer: Racer<T>;
    try {
      racer = begin[number - 1]({
        won() {
          winner = racer;
          clearTimeout(timer);
          for (const other of running) if (other !== racer) other.abandon();
        },
        stalls() {
          if (number === begun) beginNext();
        },
      });
    } catch (error) {
      return failed(error);
    }
    running.add(racer);
    if (begun < begin.length) timer = after(STAGGER_MS, beginNext);
    racer.result.then(resolve, (error) => {
      running.delete(racer);
      failed(error);
    });
  };

  beginNext();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
