/**
 * Connects to the port that is the first argument, and sends as many messages of 64 bytes as the second
 * one says, as fast as they are taken; each begins with its number.
 */
import process from "node:process";
import { Host } from "../../mod.ts";

const [port, count] = process.argv.slice(2).map(Number);
await using host = await Host.create();
const peer = await host.connect({ hostname: "127.0.0.1", port });
const message = new Uint8Array(64);
const number = new DataView(message.buffer);
for (let i = 0; i < count; i++) {
  number.setUint32(0, i);
  if (!peer.send(0, message)) await peer.drain();
}
await peer.disconnectLater();
