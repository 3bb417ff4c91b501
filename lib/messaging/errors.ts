import { ENetError, type ENetErrorCode } from "../errors.ts";

/**
 * What is known of a request that has failed. `"never-sent"`: the other side has not seen it. `"refused"`: the
 * other side has answered with an error. `"unknown"`: it may or may not have been carried out.
 */
export type GetOutcome = "never-sent" | "unknown" | "refused";

/**
 * The codes with which the library refuses a request by itself; `error.data` of the other side. They are four
 * ASCII characters, as a number. Programs may refuse with the same numbers.
 */
export const RefusalCode = {
  /** `"fail"`: the handler has thrown. */
  FAILED: 1717660012,
  /** `"none"`: no handler takes requests. */
  UNHANDLED: 1852796517,
  /** `"busy"`: as many requests are open as allowed. */
  BUSY: 1651864441,
} as const;

/** `RefusalCode.FAILED`, or `code 404`, for messages. */
export function nameOfRefusal(code: number): string {
  const known = Object.entries(RefusalCode).find(([, value]) => value === code);
  return known === undefined ? `code ${code}` : `RefusalCode.${known[0]}`;
}

/**
 * Why a `get` has no reply.
 *
 * @example
 * ```ts
 * import { GetError, Messenger } from "@enetjs/enet/messaging";
 *
 * await using listener = await Messenger.listen("udp://127.0.0.1:0", {}, {
 *   request: (request) => void request.refuse(404, "no such thing"),
 * });
 * await using connection = await Messenger.connect(listener.address);
 * try {
 *   await connection.get("anything");
 * } catch (error) {
 *   if (!(error instanceof GetError)) throw error;
 *   console.log(error.outcome, error.data); // refused 404
 * }
 * ```
 */
export class GetError extends ENetError {
  /** What is known of the request. */
  readonly outcome: GetOutcome;
  /** Whether it does no harm to ask again: it was never sent, or is idempotent, or the other side was busy. */
  readonly retryable: boolean;

  /**
   * Makes an error, as the library does.
   *
   * @param code what happened
   * @param message a sentence with the values
   * @param options what is known of the request, and the `cause` or the `data` of the other side
   */
  constructor(
    code: ENetErrorCode,
    message: string,
    options: { outcome: GetOutcome; retryable: boolean; cause?: unknown; data?: number },
  ) {
    super(code, message, options);
    this.name = "GetError";
    this.outcome = options.outcome;
    this.retryable = options.retryable;
  }
}
