/**
 * Where a message is in the history of its room. With history, a reliable message reaches peers behind a header of 16
 * bytes: the epoch and the offset, each an unsigned 64-bit integer, big-endian. Both are below 2⁵³.
 *
 * @module
 */
import { integer, options, show } from "../internal/validate.ts";

/** The place of a message in the history of a room. */
export interface Position {
  /** Which history: another one after the backplane has lost it. */
  readonly epoch: number;
  /** Which message of it. Offsets of a room grow, with gaps. */
  readonly offset: number;
}

/** A message of a room with history, as a client reads it. */
export interface LoggedMessage {
  /** Its place; that of the last message is what the client shows when it comes back. */
  readonly position: Position;
  /** What was sent: a part of the bytes that were read, without a copy. */
  readonly data: Uint8Array;
}

const HEADER = 16;

/** A message as peers get it. */
export function encodeLoggedMessage({ epoch, offset }: Position, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + data.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(epoch));
  view.setBigUint64(8, BigInt(offset));
  bytes.set(data, HEADER);
  return bytes;
}

/**
 * Reads a reliable message of a room with history, on the client. It needs no native library.
 *
 * @param bytes the message, such as `packet.view`
 * @returns its position and its data
 * @throws {TypeError} if `bytes` is no Uint8Array
 * @throws {RangeError} if it is shorter than the header, or has numbers above 2⁵³
 *
 * @example
 * ```ts
 * import { readLogged } from "@enetjs/enet/rooms";
 *
 * const message = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 42, 104, 105]);
 * const { position, data } = readLogged(message);
 * console.log(position.epoch, position.offset, new TextDecoder().decode(data)); // 7 42 hi
 * ```
 */
export function readLogged(bytes: Uint8Array): LoggedMessage {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`bytes must be a Uint8Array, such as packet.view, not ${show(bytes)}`);
  }
  if (bytes.length < HEADER) {
    throw new RangeError(
      `bytes has ${bytes.length} bytes, less than the header of ${HEADER}: only reliable messages of a room ` +
        "with history have it",
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [epoch, offset] = [Number(view.getBigUint64(0)), Number(view.getBigUint64(8))];
  return { position: checkPosition({ epoch, offset }, "position"), data: bytes.subarray(HEADER) };
}

/** Refuses everything but a position. */
export function checkPosition(given: unknown, name: string): Position {
  options(given, name, ["epoch", "offset"]);
  const { epoch, offset } = given as Position;
  return {
    epoch: integer(epoch, `${name}.epoch`, 1, Number.MAX_SAFE_INTEGER),
    offset: integer(offset, `${name}.offset`, 1, Number.MAX_SAFE_INTEGER),
  };
}
