/*
 * libz's crc32, called through the runtime's own FFI on the memory of received packets, equals the
 * checksum of a copy.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { crc32 as checksum } from "node:zlib";
import { Host } from "../../mod.ts";

const LIBZ = "libz.so.1";

/** `uLong crc32(uLong crc, const Bytef *buf, uInt len)` at an address. */
type Crc32 = (crc: bigint, address: bigint, length: number) => bigint;

function openLibz(): Crc32 {
  // deno-lint-ignore no-explicit-any
  const globals = globalThis as any;
  const types = ["u64", "u64", "u32"];
  if (globals.Deno?.dlopen) {
    const { symbols } = globals.Deno.dlopen(LIBZ, { crc32: { parameters: types, result: "u64" } });
    return symbols.crc32;
  }
  if (globals.Bun) {
    // deno-lint-ignore no-explicit-any
    const ffi = process.getBuiltinModule("bun:ffi" as "node:fs") as any;
    return ffi.dlopen(LIBZ, { crc32: { args: types, returns: "u64" } }).symbols.crc32;
  }
  // deno-lint-ignore no-explicit-any
  const ffi = process.getBuiltinModule("node:ffi" as "node:fs") as any;
  return ffi.dlopen(LIBZ, { crc32: { arguments: types, return: "u64" } }).functions.crc32;
}

const crc32 = openLibz();
const server = await Host.listen({ hostname: "127.0.0.1" });
const client = await Host.create();
const peer = await client.connect(server.address);
const sizes = [1, 1000, 70_000, 1_000_000];
for (const size of sizes) peer.send(0, new Uint8Array(size).map((_, index) => index * 7));
for await (const event of server) {
  if (event.type !== "receive") continue;
  const { packet } = event;
  assert.equal(packet.length, sizes.shift());
  const result = crc32(0n, packet.pointer, packet.length);
  assert.equal(Number(result), checksum(packet.bytes));
  // And what the call would have changed is seen, so it was this memory.
  const { arrayBuffer } = packet;
  new Uint8Array(arrayBuffer)[0] ^= 0xFF;
  assert.notEqual(crc32(0n, packet.pointer, packet.length), result);
  if (sizes.length === 0) break;
}
await client.close();
await server.close();
