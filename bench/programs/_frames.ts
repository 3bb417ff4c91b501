/**
 * Messages in a stream of bytes: the length of the rest, a channel, the bytes.
 *
 * @module
 */
import type { Bytes } from "./_carrier.ts";

const LENGTH_BYTES = 4;
const HEADER_BYTES = LENGTH_BYTES + 1;

/** A message as part of a stream. */
export function frame(channel: number, bytes: Bytes): Bytes {
  const framed = new Uint8Array(HEADER_BYTES + bytes.length);
  new DataView(framed.buffer).setUint32(0, 1 + bytes.length, true);
  framed[LENGTH_BYTES] = channel;
  framed.set(bytes, HEADER_BYTES);
  return framed;
}

/** What takes the chunks of one stream, and gives each message to a function. */
export function readerOfFrames(
  onMessage: (channel: number, bytes: Uint8Array) => void,
): (chunk: Uint8Array) => void {
  let rest: Uint8Array = new Uint8Array();
  return (data) => {
    if (rest.length > 0) {
      const joined = new Uint8Array(rest.length + data.length);
      joined.set(rest);
      joined.set(data, rest.length);
      data = joined;
    }
    let at = 0;
    while (data.length - at >= HEADER_BYTES) {
      const view = new DataView(data.buffer, data.byteOffset + at);
      const end = at + LENGTH_BYTES + view.getUint32(0, true);
      if (end > data.length) break;
      onMessage(data[at + LENGTH_BYTES], data.subarray(at + HEADER_BYTES, end));
      at = end;
    }
    rest = data.slice(at);
  };
}
