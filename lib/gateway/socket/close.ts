/**
 * What a close frame may say.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { integer, show } from "../../internal/validate.ts";

/** Longest reason, in bytes. */
const REASON_LIMIT = 123;

/**
 * Refuses what may not be sent in a close frame.
 *
 * @throws {TypeError} When the code is no number, or the reason no string.
 * @throws {RangeError} When the code is one that may not be sent, or the reason is too long.
 */
export function requireClose(code: unknown, reason: unknown): void {
  const number = integer(code, "code", 1000, 4999);
  const isAllowed = number <= 1003 || number >= 1007 && number <= 1014 || number >= 3000;
  if (!isAllowed) {
    throw new RangeError(
      `code must be from 1000 to 1003, from 1007 to 1014, or from 3000 to 4999, not ${number}`,
    );
  }
  if (typeof reason !== "string") {
    throw new TypeError(`reason must be a string, not ${show(reason)}`);
  }
  const size = Buffer.byteLength(reason);
  if (size > REASON_LIMIT) {
    throw new RangeError(`reason must be at most ${REASON_LIMIT} bytes of UTF-8, not ${size}`);
  }
}
