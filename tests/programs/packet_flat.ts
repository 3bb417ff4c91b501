/*
 * Receives many messages in one style and checks that memory is flat after the first quarter.
 * Arguments: style (iterate, handle, poll), size in bytes, count. Prints what it saw.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { diagnostics, Host, type HostHandlers, type Peer } from "../../mod.ts";

const [style, sizeText, countText] = process.argv.slice(2);
const size = Number(sizeText);
const count = Number(countText);
const MEBIBYTE = 2 ** 20;
/** What may come and go with the collectors' moods. */
const SLACK = 96 * MEBIBYTE;

let received = 0;
let atQuarter = 0;
let most = 0;

/** Looks at every message's ends, and at the memory from time to time. */
function take(view: Uint8Array): void {
  assert.equal(view.length, size);
  assert.equal(view[0], 1);
  assert.equal(view[size - 1], 1);
  received++;
  if (received % Math.ceil(count / 64) !== 0) return;
  const { rss } = process.memoryUsage();
  if (received <= count / 4) atQuarter = Math.max(atQuarter, rss);
  else most = Math.max(most, rss);
}

async function send(peer: Peer): Promise<void> {
  const message = new Uint8Array(size).fill(1);
  for (let sent = 0; sent < count; sent++) {
    if (!peer.send(0, message)) await peer.drain();
  }
}

async function receive(server: Host): Promise<void> {
  if (style === "handle") {
    while (received < count) await setImmediate();
  } else if (style === "iterate") {
    for await (const event of server) {
      if (event.type === "receive") take(event.packet.bytes);
      if (received === count) return;
    }
  } else {
    while (received < count) {
      const event = server.service();
      if (event === null) await setImmediate();
      else if (event.type === "receive") take(event.packet.view);
    }
  }
}

const handlers: HostHandlers = { receive: (_peer, _channelId, { view }) => take(view) };
const server = await Host.listen(
  { hostname: "127.0.0.1" },
  style === "handle" ? handlers : undefined,
);
const client = await Host.create();
const connecting = client.connect(server.address);
const finished = receive(server);
await Promise.all([send(await connecting), finished]);
const grown = (most - atQuarter) / MEBIBYTE;
console.log(
  `${style} ${size} B x ${count}: ${(atQuarter / MEBIBYTE).toFixed(0)} MiB in the first quarter, ` +
    `${(most / MEBIBYTE).toFixed(0)} MiB after it`,
);
await client.close();
await server.close();
const { packets, allocations } = await diagnostics();
assert.deepEqual({ packets, allocations }, { packets: 0, allocations: 0 });
assert.ok(grown * MEBIBYTE < SLACK, `memory grew by ${grown.toFixed(0)} MiB`);
