import { show } from "./validate.ts";

/** Takes the memory of an ArrayBuffer over. */
export function transfer(data: unknown): Uint8Array<ArrayBuffer> {
  if (data instanceof ArrayBuffer && !data.detached) return new Uint8Array(data.transfer());
  if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer && !data.buffer.detached) {
    const { byteOffset, byteLength } = data;
    return new Uint8Array(data.buffer.transfer(), byteOffset, byteLength);
  }
  throw new TypeError(
    `data must be an ArrayBuffer or a view of one to be transferred, not ${show(data)}`,
  );
}

/** Bytes of a buffer or a view. */
export function bytesOf(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) {
    requireAttached(data.buffer);
    return data;
  }
  if (ArrayBuffer.isView(data)) {
    requireAttached(data.buffer);
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (data instanceof ArrayBuffer && !data.detached) return new Uint8Array(data);
  if (data instanceof SharedArrayBuffer) return new Uint8Array(data);
  if (data instanceof ArrayBuffer) throw detached("data is a detached ArrayBuffer");
  throw new TypeError(
    `data must be a string, an ArrayBuffer, a view of one or a Packet, not ${show(data)}`,
  );
}

function requireAttached(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw detached("data is a view of a detached ArrayBuffer");
  }
}

function detached(what: string): TypeError {
  return new TypeError(
    `${what}: its bytes were transferred elsewhere, or it was the view of a packet whose event is ` +
      "over; keep a copy with view.slice() before that",
  );
}
