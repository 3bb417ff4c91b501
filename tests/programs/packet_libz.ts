/*
 * libz's crc32, called on the memory of received packets, equals the checksum of a copy.
 */
import assert from "node:assert/strict";
import { crc32 as checksum } from "node:zlib";
import { dlopen } from "../../ffi/mod.ts";
import { Host } from "../../mod.ts";

using libz = dlopen("libz.so.1", {
  crc32: {
    parameters: ["unsigned long", "pointer", "unsigned int"],
    result: "unsigned long",
  },
});
const { crc32 } = libz.symbols;
const server = await Host.listen({ hostname: "127.0.0.1" });
const client = await Host.create();
const peer = await client.connect(server.address);
const sizes = [1, 1000, 70_000, 1_000_000];
for (const size of sizes) peer.send(0, new Uint8Array(size).map((_, index) => index * 7));
for await (const event of server) {
  if (event.type !== "receive") continue;
  const { packet } = event;
  assert.equal(packet.length, sizes.shift());
  const result = crc32(0, packet.pointer, packet.length);
  assert.equal(Number(result), checksum(packet.bytes));
  // And what the call would have changed is seen, so it was this memory.
  const { arrayBuffer } = packet;
  new Uint8Array(arrayBuffer)[0] ^= 0xFF;
  assert.notEqual(crc32(0, packet.pointer, packet.length), result);
  if (sizes.length === 0) break;
}
await client.close();
await server.close();
