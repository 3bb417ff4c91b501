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
