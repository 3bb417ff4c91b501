/**
 * Writes frames of strict mode into a pipe, each with one write.
 *
 *     pipe_writer.ts PATH COUNT BYTE
 *
 * The payload of each is a number, big-endian, then some of the byte.
 */
import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { encodeFrame } from "../../lib/gateway/pipe/strict_codec.ts";

const [path, count, byte] = process.argv.slice(2);
const fd = openSync(path, "w");
for (let i = 0; i < Number(count); i++) {
  const payload = new Uint8Array(4 + i * 7 % 4080).fill(Number(byte));
  new DataView(payload.buffer).setUint32(0, i);
  writeSync(fd, encodeFrame(0, 2, payload));
}
