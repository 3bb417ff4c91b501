/**
 * Messages as frames: encoded once, then handed to the sockets of any number of clients.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { encoder } from "../../../ffi/utf8.ts";
import { boolean, options as requireOptions, show } from "../../internal/validate.ts";
import { encodeFrame } from "./_ws.ts";
import type { Message, PreparedMessage } from "./contract.ts";

const TEXT = 1;
const BINARY = 2;

/** A message with its frame. */
export class Prepared implements PreparedMessage {
  /** Whether it is text. */
  readonly isText: boolean;
  /** Size of the payload. */
  readonly byteLength: number;
  #payload: Uint8Array | undefined;
  #frame: Uint8Array<ArrayBuffer> | undefined;

  /** Takes the payload, which nobody may change until the frame has been asked for. */
  constructor(payload: Uint8Array, isText: boolean) {
    this.isText = isText;
    this.byteLength = payload.length;
    this.#payload = payload;
    Object.freeze(this);
  }

  /** Header and payload, which nobody may change. It is encoded when it is first asked for: a server listens then. */
  get frame(): Uint8Array<ArrayBuffer> {
    if (this.#frame === undefined) {
      this.#frame = encodeFrame(this.isText ? TEXT : BINARY, this.#payload!);
      this.#payload = undefined;
    }
    return this.#frame;
  }
}

/** Bytes that are a message. */
function requireBytes(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data;
  throw new TypeError(`A message must be a string or a Uint8Array, not ${show(data)}`);
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
  requireBytes(data);
  requireOptions(options, "options", ["isText"]);
  const { isText = false } = options;
  if (boolean(isText, "isText") && !isUtf8(data)) {
    throw new TypeError(
      `Text must be UTF-8, which these ${data.length} bytes are not; send them as binary`,
    );
  }
  return new Prepared(new Uint8Array(data), isText);
}

/** Whatever is sent, for one call: bytes are not copied before their frame is made. */
export function prepared(message: Message): Prepared {
  if (message instanceof Prepared) return message;
  if (typeof message === "string") return new Prepared(encoder.encode(message), true);
  return new Prepared(requireBytes(message), false);
}
