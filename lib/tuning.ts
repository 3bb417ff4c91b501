import { LAYOUT } from "../ffi/layout.ts";
import { integer, options, U32 } from "./internal/validate.ts";

/** When a connection whose peer does not acknowledge ends; `Peer.timeout`. */
export interface TimeoutOptions {
  /**
   * The retransmission timeout of a packet doubles with each attempt. When it is this multiple of its first
   * value, the connection ends after `minimumMs`. Default 32.
   */
  limit?: number;
  /**
   * Milliseconds without acknowledgement before which the connection never ends. Default 5000, or `maximumMs`
   * where that is less.
   */
  minimumMs?: number;
  /**
   * Milliseconds without acknowledgement after which the connection ends in any case. Default 30000, or
   * `minimumMs` where that is more.
   */
  maximumMs?: number;
}

/** How unreliable packets are dropped as the round trip gets worse; `Peer.throttle`. */
export interface ThrottleOptions {
  /** Milliseconds over which the lowest mean round trip is measured. Default 5000. */
  intervalMs?: number;
  /** How fast the throttle opens, 0–32. Default 2. */
  acceleration?: number;
  /** How fast the throttle closes, 0–32. Default 2. */
  deceleration?: number;
}

/** ENet's times after which the connection to a silent peer ends. */
const DEFAULT_MINIMUM_MS = 5000;
const DEFAULT_MAXIMUM_MS = 30_000;

/** Three numbers of an option, as transports take them. */
type OptionValues = [a: number, b: number, c: number];

/** Checks {@linkcode TimeoutOptions} and puts the defaults where there is nothing. */
export function planTimeout(timeouts: TimeoutOptions): OptionValues {
  options(timeouts, "timeouts", ["limit", "minimumMs", "maximumMs"]);
  const { limit = 0, minimumMs = 0, maximumMs = 0 } = timeouts;
  integer(limit, "limit", 0, U32);
  integer(minimumMs, "minimumMs", 0, U32);
  integer(maximumMs, "maximumMs", 0, U32);
  if (minimumMs > 0 && maximumMs > 0 && minimumMs > maximumMs) {
    throw new RangeError(`minimumMs must be at most maximumMs, ${maximumMs}, not ${minimumMs}`);
  }
  const least = minimumMs || Math.min(DEFAULT_MINIMUM_MS, maximumMs || DEFAULT_MINIMUM_MS);
  const most = maximumMs || Math.max(DEFAULT_MAXIMUM_MS, least);
  return [limit, least, most];
}

/** Checks {@linkcode ThrottleOptions} and puts the defaults where there is nothing. */
export function planThrottle(throttle: ThrottleOptions): OptionValues {
  options(throttle, "throttle", ["intervalMs", "acceleration", "deceleration"]);
  const { intervalMs = 5000, acceleration = 2, deceleration = 2 } = throttle;
  return [
    integer(intervalMs, "intervalMs", 0, U32),
    integer(acceleration, "acceleration", 0, LAYOUT.PACKET_THROTTLE_SCALE),
    integer(deceleration, "deceleration", 0, LAYOUT.PACKET_THROTTLE_SCALE),
  ];
}
