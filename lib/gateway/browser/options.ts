import type { EnetRtcConfiguration } from "./rtc.ts";

/** How `EnetSocket.connect` connects. */
export interface EnetConnectOptions {
  /** Channels to ask for, 1–255; the other side may grant fewer. Default 2. */
  channels?: number;
  /** A 32-bit value that the other side reads with its connect event. Default 0. */
  data?: number;
  /** Milliseconds that the attempt may take. Default 5000. */
  timeoutMs?: number;
  /** Ends the attempt when it aborts. It changes nothing once there is a connection. */
  signal?: AbortSignal;
  /** Bytes that are queued or under way above which `send` returns false. Default 262,144 (256 KiB). */
  highWaterMark?: number;
  /**
   * Lets unreliable messages travel over a data channel of WebRTC where the gateway and the network allow it, and
   * names TURN servers, if there are any. Default false.
   */
  webrtc?: boolean | EnetRtcConfiguration;
}

/** How `EnetSocket.sessions` connects again. */
export interface EnetSessionOptions extends EnetConnectOptions {
  /** Milliseconds before the second attempt; each wait is twice the last one. Default 500. */
  minimumMs?: number;
  /** Longest wait in milliseconds. Default 30,000. */
  maximumMs?: number;
  /** Part of each wait that is random, 0–1, so that many browsers do not come back together. Default 0.5. */
  jitter?: number;
  /** Called before each wait, with what went wrong, if something did, and the milliseconds until the next attempt. */
  onRetry?: (error: unknown, waitMs: number) => void;
}

/** Refuses everything but an integer in a range. */
export function integer(value: unknown, name: string, minimum: number, maximum: number): number {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number, not ${value}`);
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new RangeError(`${name} must be an integer from ${minimum} to ${maximum}, not ${value}`);
  }
  return value;
}

const MAXIMUM_MS = 2 ** 31 - 1;

/** Options of one attempt, checked. */
export type ConnectPlan = Required<Omit<EnetConnectOptions, "signal">> & {
  readonly signal: AbortSignal | undefined;
};

/** Checks the options of an attempt and puts the defaults where there is nothing. */
export function planConnect(given: EnetConnectOptions): ConnectPlan {
  const { channels = 2, data = 0, timeoutMs = 5000, highWaterMark = 262_144, signal } = given;
  const { webrtc = false } = given;
  if (Object(webrtc) !== webrtc && typeof webrtc !== "boolean") {
    throw new TypeError(`webrtc must be a boolean or object, not ${webrtc}`);
  }
  return {
    channels: integer(channels, "channels", 1, 255),
    data: integer(data, "data", 0, 2 ** 32 - 1),
    timeoutMs: integer(timeoutMs, "timeoutMs", 1, MAXIMUM_MS),
    highWaterMark: integer(highWaterMark, "highWaterMark", 0, MAXIMUM_MS),
    signal,
    webrtc,
  };
}

/** Checks the waits between attempts and puts the defaults where there is nothing. */
export function planRetry(given: EnetSessionOptions) {
  const { minimumMs = 500, maximumMs = Math.max(30_000, minimumMs), jitter = 0.5 } = given;
  integer(minimumMs, "minimumMs", 1, MAXIMUM_MS);
  integer(maximumMs, "maximumMs", minimumMs, MAXIMUM_MS);
  if (!(jitter >= 0 && jitter <= 1)) {
    throw new RangeError(`jitter must be from 0 to 1, not ${jitter}`);
  }
  return { minimumMs, maximumMs, jitter };
}
