/*
 * Many gets of one connection, 64 at a time: checks that memory is flat after the first quarter.
 * Arguments: protocol, size in bytes, count. Prints what it saw.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { diagnostics } from "../../mod.ts";
import { Messenger } from "../../lib/messaging/mod.ts";

const [protocol, sizeText, countText] = process.argv.slice(2);
const size = Number(sizeText);
const count = Number(countText);
const MEBIBYTE = 2 ** 20;
/** What may come and go with the collectors' moods. */
const SLACK = 96 * MEBIBYTE;

const listener = await Messenger.listen(`${protocol}://127.0.0.1:0`, {}, {
  request: (request) => request.data,
});
const client = await Messenger.connect(`${protocol}://127.0.0.1:${listener.address.port}`);

let begun = 0;
let received = 0;
let atQuarter = 0;
let most = 0;

async function ask(): Promise<void> {
  const data = new Uint8Array(size);
  while (begun < count) {
    const mark = begun++ & 0xFF;
    data.fill(mark);
    using reply = await client.get(data);
    assert.ok(reply.length === size && reply.view[size - 1] === mark);
    if (++received % Math.ceil(count / 64) !== 0) continue;
    const { rss } = process.memoryUsage();
    if (received <= count / 4) atQuarter = Math.max(atQuarter, rss);
    else most = Math.max(most, rss);
  }
}

await Promise.all(Array.from({ length: 64 }, ask));
const { sentRequests, receivedReplies, pendingGets } = client.stats;
assert.deepEqual([sentRequests, receivedReplies, pendingGets], [count, count, 0]);
await client.close();
await listener.close();
const { packets, allocations } = await diagnostics();
assert.deepEqual({ packets, allocations }, { packets: 0, allocations: 0 });
const mebibytes = (bytes: number) => `${(bytes / MEBIBYTE).toFixed(0)} MiB`;
console.log(
  `${protocol} ${size} B x ${count}: ${mebibytes(atQuarter)} in the first quarter, ${
    mebibytes(most)
  } after it`,
);
assert.ok(most - atQuarter < SLACK, `memory grew by ${mebibytes(most - atQuarter)}`);
