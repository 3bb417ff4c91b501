import type { setTimeout } from "node:timers";

/** Milliseconds after which the next address is tried beside those before it: RFC 8305, section 8. */
const STAGGER_MS = 250;

/** One that takes part. */
export interface Racer<T> {
  readonly result: Promise<T>;
  /** Ends it, because another one has won. Its result rejects. */
  abandon(): void;
  /** Ends it at once, so that the next one has its place. Its result rejects. */
  giveUp(): void;
}

/** What a racer reports, as soon as it knows. */
export interface Progress {
  /** It has won. Its result resolves later. */
  won(): void;
  /** It will probably fail. */
  stalls(): void;
}

/** A race. */
export interface Race<T> {
  /** Each begins one racer; may throw. */
  readonly begin: readonly ((progress: Progress) => Racer<T>)[];
  /** Whether such an error says that the running attempts leave no place for another one. */
  isFull(error: unknown): boolean;
  /** Milliseconds after which a running attempt gives its place to the next one, if there is no other place. */
  readonly shareMs: number;
  /** Calls a function after milliseconds. */
  after(ms: number, call: () => void): ReturnType<typeof setTimeout>;
  /** Ends all racers by itself; no further one begins. */
  readonly signal: AbortSignal;
}

/** Errors that a server has answered with. */
const ANSWERS = ["ENETJS_ERR_REFUSED", "ENETJS_ERR_SECURITY_TOKEN"];

/** The error that tells most: that somebody has refused, or the latest one. */
function most(errors: readonly unknown[]): unknown {
  return errors.find((error) => ANSWERS.includes((error as { code?: string }).code ?? "")) ??
    errors.at(-1);
}

/**
 * Tries several ways to one end, "happy eyeballs" of RFC 8305: each begins a while after the last one, or at once when
 * that has failed or stalls. The first that wins ends the others.
 */
export async function race<T>(
  { begin, isFull, shareMs, after, signal }: Race<T>,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  /** By their number; the oldest first. */
  const running = new Map<number, Racer<T>>();
  const stalled = new Set<number>();
  const errors: unknown[] = [];
  let begun = 0;
  let winner: number | undefined;
  /** Whose place the next one waits for. */
  let leaving: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const isOver = () => winner !== undefined || signal.aborted || begun === begin.length;

  const failed = (error: unknown) => {
    errors.push(error);
    if (!isOver()) beginNext();
    else if (running.size === 0) reject(most(errors));
  };

  /** The next one waits for the place of the oldest. */
  const awaitPlace = () => {
    const [oldest] = running.keys();
    leaving = oldest;
    timer = after(stalled.has(oldest) ? 0 : shareMs, () => running.get(oldest)?.giveUp());
  };

  const beginNext = () => {
    clearTimeout(timer);
    if (isOver()) return;
    const number = begun;
    let racer: Racer<T>;
    try {
      racer = begin[number]({
        won() {
          winner = number;
          clearTimeout(timer);
          for (const other of running.values()) if (other !== racer) other.abandon();
        },
        stalls() {
          stalled.add(number);
          if (number + 1 === begun || number === leaving) beginNext();
        },
      });
    } catch (error) {
      if (running.size > 0 && isFull(error)) return awaitPlace();
      begun++;
      return failed(error);
    }
    begun++;
    leaving = undefined;
    running.set(number, racer);
    if (begun < begin.length) timer = after(STAGGER_MS, beginNext);
    racer.result.then(resolve, (error) => {
      running.delete(number);
      if (number === winner) reject(error);
      else failed(error);
    });
  };

  beginNext();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
