/**
 * Sends a file in pieces, no faster than the other side takes them, and shows progress. In the end it is certain
 * that all of the file has arrived.
 *
 *     deno run --allow-ffi --allow-read examples/file_transfer.ts receive 7777
 *     deno run --allow-ffi --allow-read examples/file_transfer.ts send 7777 some.file
 *
 *     bun examples/file_transfer.ts …
 *     node examples/file_transfer.ts …
 *
 * The receiver prints the SHA-256 of what it got and keeps nothing. Without arguments both run in
 * this process, with the first 16 MiB of the runtime's own executable.
 */
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import process from "node:process";
import { Host } from "@enetjs/enet";

const PIECE_BYTES = 64 * 1024;

/** Takes one file; an empty message is its end. */
async function receive(host: Host): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const event of host) {
    if (event.type === "disconnect") throw new Error(`the sender has gone (${event.reason})`);
    if (event.type !== "receive") continue;
    if (event.packet.length === 0) break;
    hash.update(event.packet.view); // borrowed: used now, not kept
    bytes += event.packet.length;
  }
  const digest = hash.digest("hex");
  console.log(`received ${bytes} bytes, SHA-256 ${digest}`);
  return digest;
}

async function send(port: number, path: string, size: number): Promise<string> {
  await using host = await Host.create();
  const peer = await host.connect({ hostname: "127.0.0.1", port });
  const hash = createHash("sha256");
  let sent = 0;
  let waits = 0;
  const file = createReadStream(path, { highWaterMark: PIECE_BYTES, end: Math.max(size - 1, 0) });
  for await (const piece of file) {
    hash.update(piece);
    // false: more is queued than the high-water mark. Go on once half of that is through.
    if (!peer.send(0, piece)) {
      waits++;
      await peer.drain();
    }
    const tenths = (bytes: number) => Math.floor(bytes / size * 10);
    if (tenths(sent + piece.length) > tenths(sent)) {
      console.log(`${tenths(sent + piece.length) * 10} %`);
    }
    sent += piece.length;
  }
  await peer.deliver(0, new Uint8Array(0)); // acknowledged, and so is everything before it
  const digest = hash.digest("hex");
  console.log(`sent ${sent} bytes, waited ${waits} times, SHA-256 ${digest}`);
  await peer.disconnect();
  return digest;
}

const [role, port = "7777", path = process.execPath] = process.argv.slice(2);
if (role === "send") {
  await send(Number(port), path, statSync(path).size);
} else {
  await using host = await Host.listen({
    hostname: "127.0.0.1",
    port: role === "receive" ? Number(port) : 0,
  });
  const receiving = receive(host);
  if (role !== "receive") {
    const size = Math.min(16 * 1024 * 1024, statSync(path).size);
    const [received, sent] = await Promise.all([
      receiving,
      send(host.address.port, path, size),
    ]);
    console.log(received === sent ? "the same" : "different");
    process.exitCode = received === sent ? 0 : 1;
  }
  await receiving;
}
