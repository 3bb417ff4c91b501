import { LAYOUT } from "../ffi/layout.ts";
import { abortSignal, integer, optionalFunction, options, show, U32 } from "./internal/validate.ts";
import {
  type ConnectSecurity,
  type ConnectSecurityPlan,
  planConnectSecurity,
} from "./encryption.ts";
import type { ENetError } from "./errors.ts";

/** How `host.connect` and `host.sessions` go on after an attempt that failed. */
export interface RetryOptions {
  /** Milliseconds before the second attempt, 1–86,400,000. Each wait is twice the last one. Default 500. */
  minimumMs?: number;
  /** Longest wait in milliseconds, not less than `minimumMs`. Default 30,000. */
  maximumMs?: number;
  /**
   * Part of each wait that is random, 0–1, so that many clients do not come back together: a wait of 1000 ms
   * with a jitter of 0.25 takes 750–1000 ms. Default 0.5.
   */
  jitter?: number;
  /**
   * Returns whether to go on after an error. The default goes on when no answer came (`ENETJS_ERR_TIMEOUT`,
   * `ENETJS_ERR_SECURITY_NO_ANSWER`) and when the name could not be resolved (`ENETJS_ERR_RESOLVE`). It goes on when
   * the server refused (`ENETJS_ERR_REFUSED`) for one of three reasons: it is full or closing, it did not decide in
   * time, or it has too many connections of this address. Any other error is final. What returns `undefined` leaves
   * an error to this rule.
   */
  when?: (error: ENetError) => boolean | undefined;
  /**
   * Called before each wait, with the error of the attempt that failed and the milliseconds until the next one.
   * What it throws ends the attempts.
   */
  onRetry?: (error: ENetError, waitMs: number) => void;
}

/** Options of `host.connect`. */
export interface ConnectOptions {
  /** Channels to ask for, 1–255; the other side may grant fewer. Default 2. */
  channels?: number;
  /** A 32-bit value that the other side reads with its connect event. Default 0. */
  data?: number;
  /**
   * Milliseconds that one attempt may take, 1–2,147,483,647, with the resolution of the host name.
   * Default 5000.
   */
  timeoutMs?: number;
  /**
   * Ends the attempt, and further ones, when it aborts; the promise rejects with its reason. Once the `connect`
   * handler has been called, or the promise is settled, it changes nothing.
   */
  signal?: AbortSignal;
  /**
   * Encrypts the connection, and makes sure who the server is; see {@linkcode ConnectSecurity}. It needs
   * libsodium, else `ENETJS_ERR_SECURITY`. Plain ENet without it. Default none.
   */
  security?: ConnectSecurity;
  /** Goes on with further attempts, until one succeeds, `signal` aborts or the host closes. */
  retry?: RetryOptions;
}

/** Checked {@linkcode RetryOptions}. */
export type RetryPlan = Readonly<
  Required<Omit<RetryOptions, "onRetry">> & Pick<RetryOptions, "onRetry">
>;

/** Checked {@linkcode ConnectOptions}. */
export interface ConnectPlan {
  readonly channels: number;
  readonly data: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly retry: RetryPlan | undefined;
  readonly security: ConnectSecurityPlan | undefined;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Refusals that say nothing about the client. */
const PASSING: readonly number[] = [
  LAYOUT.CODE_FULL,
  LAYOUT.CODE_UNDECIDED,
  LAYOUT.CODE_DUPLICATE,
  LAYOUT.CODE_CLOSING,
];

/** Whether another attempt may end differently, with nothing changed by the program. */
function mayPass(error: ENetError): boolean {
  switch (error.code) {
    case "ENETJS_ERR_TIMEOUT":
    case "ENETJS_ERR_SECURITY_NO_ANSWER":
    case "ENETJS_ERR_RESOLVE":
      return true;
    case "ENETJS_ERR_REFUSED":
      return PASSING.includes(error.data as number);
    default:
      return false;
  }
}

/** Checks {@linkcode RetryOptions}. */
export function planRetry(given: unknown): RetryPlan {
  options(given, "retry", ["minimumMs", "maximumMs", "jitter", "when", "onRetry"]);
  const { minimumMs = 500, jitter = 0.5, when = mayPass, onRetry, ...others } =
    given as RetryOptions;
  integer(minimumMs, "retry.minimumMs", 1, DAY_MS);
  const { maximumMs = Math.max(30_000, minimumMs) } = others;
  integer(maximumMs, "retry.maximumMs", 1, DAY_MS);
  if (maximumMs < minimumMs) {
    throw new RangeError(
      `retry.maximumMs must be at least minimumMs, ${minimumMs}, not ${maximumMs}`,
    );
  }
  if (typeof jitter !== "number") {
    throw new TypeError(`retry.jitter must be a number, not ${show(jitter)}`);
  }
  if (!(jitter >= 0 && jitter <= 1)) {
    throw new RangeError(`retry.jitter must be from 0 to 1, not ${jitter}`);
  }
  optionalFunction(when, "retry.when");
  optionalFunction(onRetry, "retry.onRetry");
  const goesOn = (error: ENetError) => when(error) ?? mayPass(error);
  return { minimumMs, maximumMs, jitter, when: goesOn, onRetry };
}

/** Checks {@linkcode ConnectOptions}. */
export function planConnect(given: unknown): ConnectPlan {
  options(given, "options", ["channels", "data", "timeoutMs", "signal", "retry", "security"]);
  const { channels = 2, data = 0, timeoutMs = 5000, signal, retry, security } =
    given as ConnectOptions;
  return {
    channels: integer(channels, "channels", 1, LAYOUT.MAXIMUM_CHANNELS),
    data: integer(data, "data", 0, U32),
    timeoutMs: integer(timeoutMs, "timeoutMs", 1, 2 ** 31 - 1),
    signal: abortSignal(signal),
    retry: retry === undefined ? undefined : planRetry(retry),
    security: planConnectSecurity(security),
  };
}
