/**
 * Messages as frames: encoded once, then handed to the sockets of any number of clients.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { encoder } from "../../ffi/utf8.ts";
import { boolean, options as requireOptions, show } from "../internal/validate.ts";
import { encodeFrame } from "./_ws.ts";
import type { Message, PreparedMessage } from "./socket_contract.ts";

const TEXT = 1;
const BINARY = 2;

/** A message with its frame, which nobody may change. */
export class Prepared implements PreparedMessage {
  /** Whether it is text. */
  readonly isText: boolean;
  /** Size of the payload. */
  readonly byteLength: number;
  /** Header and payload. */
  readonly frame: Uint8Array<ArrayBuffer>;

  /** Copies the payload. */
  constructor(payload: Uint8Array, isText: boolean) {
    this.isText = isText;
    this.byteLength = payload.length;
    this.frame = encodeFrame(isText ? TEXT : BINARY, payload);
    Object.freeze(this);
  }
}

/**
 * Encodes a message once, for any number of clients.
 *
 * @param data text, or bytes, which are copied
 * @param options `isText`: that bytes are text as UTF-8; default `false`
 * @throws {TypeError} When the data is neither, or text is not UTF-8.
 */
export function prepareMessage(
  data: string | Uint8Array,
  options: { readonly isText?: boolean } = {},
): PreparedMessage {
  if (typeof data === "string") return new Prepared(encoder.encode(data), true);
  if (!(data instanceof Uint8Array)) {
    throw new TypeError(`A message must be a string or a Uint8Array, not ${show(data)}`);
  }
  requireOptions(options, "options", ["isText"]);
  const { isText = false } = options;
  if (boolean(isText, "isText") && !isUtf8(data)) {
    throw new TypeError(
      `Text must be UTF-8, which these ${data.length} bytes are not; send them as binary`,
    );
  }
  return new Prepared(data, isText);
}

/** The frame of whatever is sent. */
export function prepared(message: Message): Prepared {
  if (message instanceof Prepared) return message;
  return prepareMessage(message as string | Uint8Array) as Prepared;
}
