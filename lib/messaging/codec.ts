import { decoder } from "../../ffi/utf8.ts";
import type { Codec } from "./types.ts";

/** Values as JSON text: what `JSON.stringify` keeps of them arrives. */
export const json: Codec = {
  encode(value) {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`JSON has no text for a ${typeof value}`);
    return text;
  },
  decode: (bytes) => JSON.parse(decoder.decode(bytes)),
};
