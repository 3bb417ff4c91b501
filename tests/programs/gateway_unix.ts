/** A WebSocket server on a Unix socket, which exits without closing when it is told to. */
import process from "node:process";
import { listenSockets } from "../../lib/gateway/mod.ts";

await listenSockets({ unixSocket: process.argv[2] }, {});
console.log("listening");
process.stdin.once("data", () => process.exit());
