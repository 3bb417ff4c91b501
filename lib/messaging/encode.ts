/**
 * Messages on their way out: header and body are written into one scratch buffer of this thread, from which the
 * transport copies them at once. What is too large for it gets a buffer of its own.
 *
 * @module
 */
import { encoder } from "../../ffi/utf8.ts";
import { show } from "../internal/validate.ts";
import { ENetError } from "../errors.ts";
import { Packet, viewOf } from "../packet.ts";
import { ReceivedPayload } from "./payload.ts";
import type { Codec } from "./types.ts";
import { BODY, HEADER_BYTES, MAXIMUM_ERROR_TEXT, WIRE_VERSION } from "./wire.ts";

const SCRATCH_BYTES = 64 * 1024;
const scratch = new Uint8Array(SCRATCH_BYTES);
const scratchBody = scratch.subarray(HEADER_BYTES);

/** Views of the scratch buffer by their length: making one takes as long as copying a small message. */
const views: Uint8Array<ArrayBuffer>[] = [];
for (let length = 0; length <= 1024; length++) views.push(scratch.subarray(0, length));

const part = (length: number): Uint8Array<ArrayBuffer> =>
  length < views.length ? views[length] : scratch.subarray(0, length);

function writeHeader(to: Uint8Array, type: number, flags: number, id: number): void {
  to[0] = WIRE_VERSION;
  to[1] = type;
  to[2] = flags;
  to[3] = 0;
  to[4] = id >>> 24;
  to[5] = id >>> 16;
  to[6] = id >>> 8;
  to[7] = id;
}

/** A message without a body. */
export function encodeHeader(type: number, id: number): Uint8Array<ArrayBuffer> {
  writeHeader(scratch, type, 0, id);
  return part(HEADER_BYTES);
}

/** What a program can send: its bytes or text, and which kind it is. */
function bodyOf(
  data: unknown,
  codec: Codec | undefined,
): [string | Uint8Array | ReceivedPayload, number] {
  if (typeof data === "string") return [data, BODY.TEXT];
  if (data instanceof Uint8Array) return [viewOf(data), BODY.BYTES];
  if (data === undefined) return ["", BODY.NOTHING];
  if (data instanceof ReceivedPayload) return [data, data.kind];
  const isBytes = data instanceof Packet || ArrayBuffer.isView(data) ||
    data instanceof ArrayBuffer || data instanceof SharedArrayBuffer;
  if (isBytes) return [viewOf(data), BODY.BYTES];
  if (codec === undefined) {
    throw new TypeError(
      `data must be text or bytes, not ${
        show(data)
      }; to send other values, give both sides a codec, as in ` +
        "{ codec: json }",
    );
  }
  const encoded: unknown = codec.encode(data);
  if (typeof encoded === "string" || encoded instanceof Uint8Array) return [encoded, BODY.VALUE];
  throw new TypeError(`codec.encode must return a string or a Uint8Array, not ${show(encoded)}`);
}

/**
 * A message with the program's data.
 *
 * @param flags those beside the kind of body
 * @param maximum largest data in bytes
 * @returns header and body, valid until the next call of this file
 */
export function encode(
  type: number,
  flags: number,
  id: number,
  data: unknown,
  codec: Codec | undefined,
  maximum: number,
): Uint8Array<ArrayBuffer> {
  const [body, kind] = bodyOf(data, codec);
  const message = typeof body === "string" ? encodeText(body, maximum) : copyBytes(body, maximum);
  writeHeader(message, type, flags | kind, id);
  return message;
}

function encodeText(text: string, maximum: number): Uint8Array<ArrayBuffer> {
  // A UTF-16 unit is at most 3 bytes of UTF-8.
  if (text.length * 3 <= scratchBody.length) {
    const { written } = encoder.encodeInto(text, scratchBody);
    check(written, maximum);
    return part(HEADER_BYTES + written);
  }
  return copyBytes(encoder.encode(text), maximum);
}

function copyBytes(
  bytes: Uint8Array | ReceivedPayload,
  maximum: number,
): Uint8Array<ArrayBuffer> {
  const { length } = bytes;
  check(length, maximum);
  const message = length <= scratchBody.length
    ? part(HEADER_BYTES + length)
    : new Uint8Array(HEADER_BYTES + length);
  if (bytes instanceof ReceivedPayload) bytes.copyTo(message, HEADER_BYTES);
  else message.set(bytes, HEADER_BYTES);
  return message;
}

function check(length: number, maximum: number): void {
  if (length <= maximum) return;
  throw new ENetError(
    "ENETJS_ERR_TOO_LARGE",
    `The data has ${length} bytes, and maximumMessageSize is ${maximum}`,
  );
}

/** An error with its code and text. */
export function encodeError(type: number, id: number, code: number, text: string) {
  const message = encodeText(`    ${text}`, MAXIMUM_ERROR_TEXT + 4);
  writeHeader(message, type, 0, id);
  message[8] = code >>> 24;
  message[9] = code >>> 16;
  message[10] = code >>> 8;
  message[11] = code;
  return message;
}
