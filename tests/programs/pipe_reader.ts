/**
 * Reads so many bytes of a pipe, and then no more, until it is killed.
 *
 *     pipe_reader.ts PATH BYTES
 */
import { openSync, readSync } from "node:fs";
import process from "node:process";

const [path, bytes] = process.argv.slice(2);
const fd = openSync(path, "r");
for (let left = Number(bytes); left > 0;) left -= readSync(fd, new Uint8Array(left));
console.log("read");
setInterval(() => {}, 1000);
