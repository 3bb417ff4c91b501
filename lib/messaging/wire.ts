/**
 * The numbers of the wire, which the module documentation of `mod.ts` describes.
 *
 * @module
 */

/** The version of the wire, in the first byte of every header. */
export const WIRE_VERSION = 1;

/** Bytes of a header. */
export const HEADER_BYTES = 8;

/** Bytes of the length before a frame on tcp. */
export const LENGTH_BYTES = 4;

/** What a message is, in the second byte of its header. */
export const TYPE = {
  MESSAGE: 1,
  REQUEST: 2,
  REPLY: 3,
  ERROR: 4,
  CANCEL: 5,
  HEARTBEAT: 6,
  CLOSE: 7,
} as const;

/** What the body is, in the lowest two bits of the flags. */
export const BODY = { BYTES: 0, TEXT: 1, VALUE: 2, NOTHING: 3 } as const;

/** The two bits of {@linkcode BODY}. */
export const BODY_MASK = 3;

/** The flag of a request that may be carried out twice. */
export const IDEMPOTENT = 4;

/** Why a connection is closed: the id of CLOSE on tcp, the data of the disconnect on udp. */
export const CLOSE_CODE = {
  /** `"mcls"`: the program has closed it. */
  CLOSED: 0x6d636c73,
  /** `"mprt"`: the other side sent what the wire does not allow. */
  PROTOCOL: 0x6D707274,
  /** `"full"`: there are as many connections as allowed. */
  FULL: 0x66756C6C,
} as const;

/** `"msg1"`: the data with which a client connects on udp. */
export const CONNECT_DATA = 0x6D736731;

/** ENet channels on udp: reliable messages, and one-way messages with other flags. */
export const CHANNEL = { RELIABLE: 0, OTHER: 1, COUNT: 2 } as const;

/** Largest text of an error, in bytes. */
export const MAXIMUM_ERROR_TEXT = 65_536;

/** The largest header and body, where data has at most so many bytes. */
export function largestMessage(maximumMessageSize: number): number {
  return HEADER_BYTES + Math.max(maximumMessageSize, 4 + MAXIMUM_ERROR_TEXT);
}

/** The flags that each type may have. */
const FLAGS = [0, BODY_MASK, BODY_MASK | IDEMPOTENT, BODY_MASK, 0, 0, 0, 0];

/** What is wrong with a message whose data is too large. */
export function sizeFault(length: number, maximum: number): string {
  return `its data has ${length} bytes, and maximumMessageSize is ${maximum}`;
}

/**
 * What is wrong with a message, or undefined.
 *
 * @param length of the body
 * @param maximum length of data
 */
export function faultOf(
  type: number,
  flags: number,
  id: number,
  length: number,
  maximum: number,
): string | undefined {
  if (type < TYPE.MESSAGE || type > TYPE.CLOSE) return `it has the unknown type ${type}`;
  if ((flags & ~FLAGS[type]) !== 0) return `it has the flags ${flags} with the type ${type}`;
  const hasId = type >= TYPE.REQUEST && type <= TYPE.CANCEL;
  if (hasId && id === 0) return `it has the id 0 with the type ${type}`;
  if (!hasId && type !== TYPE.CLOSE && id !== 0) return `it has the id ${id} with the type ${type}`;
  if (type <= TYPE.REPLY) {
    if (length > maximum) return sizeFault(length, maximum);
    const isNothing = (flags & BODY_MASK) === BODY.NOTHING;
    return isNothing && length > 0 ? `it has ${length} bytes of nothing` : undefined;
  }
  if (type === TYPE.ERROR) {
    const isGood = length >= 4 && length <= 4 + MAXIMUM_ERROR_TEXT;
    return isGood ? undefined : `it is an error of ${length} bytes`;
  }
  return length > 0 ? `it has ${length} bytes with the type ${type}` : undefined;
}
