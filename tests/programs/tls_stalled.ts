/**
 * A WebSocket client over TLS that does not read until it gets a line, then counts what comes. It runs on Node: the TLS
 * client of Deno 2.9 goes on reading while it is paused.
 *
 *     tls_stalled.ts PORT
 */
import process from "node:process";
import tls from "node:tls";
import { handshake } from "../lib/gateway/_raw.ts";
import { CERT } from "../lib/messaging/_certificate.ts";

const [port] = process.argv.slice(2);
const socket = tls.connect({ port: Number(port), host: "127.0.0.1", ca: CERT }, () => {
  socket.write(handshake());
});
socket.once("data", () => {
  socket.pause();
  console.log("stalled");
});
process.stdin.once("data", () => {
  let bytes = 0;
  socket.on("data", (chunk) => bytes += chunk.length);
  socket.on("close", () => {
    console.log("bytes", bytes);
    process.exit();
  });
  socket.resume();
});
