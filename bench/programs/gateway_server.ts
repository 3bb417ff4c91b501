/**
 * A server that sends every message back, to be loaded by `gateway_clients.ts`.
 *
 *     gateway_server.ts ws FOLDER
 *     gateway_server.ts sockets
 *
 * `ws` is the package in FOLDER alone, `sockets` is `listenSockets`. A message that begins with STREAM also begins a
 * stream to its client. A request for /mark begins the measurement, another one ends it.
 */
import process from "node:process";
import { listenSockets } from "../../lib/gateway/mod.ts";
import { HOSTNAME, say, sayUsageSince } from "./_common.ts";
import { loadWs } from "./_ws.ts";
import { STREAM, STREAM_BYTES, STREAM_EVERY_MS } from "./_gateway.ts";

type Reply = (bytes: Uint8Array) => void;

const [kind, folder] = process.argv.slice(2);
const piece = new Uint8Array(STREAM_BYTES);
let started: { usage: NodeJS.CpuUsage; at: number } | undefined;

function mark(): void {
  if (started === undefined) {
    started = { usage: process.cpuUsage(), at: performance.now() };
    return;
  }
  say("seconds", (performance.now() - started.at) / 1000);
  sayUsageSince(started.usage);
}

function take(bytes: Uint8Array, reply: Reply): void {
  if (bytes[0] === STREAM) setInterval(() => reply(piece), STREAM_EVERY_MS);
  else reply(bytes);
}

async function listen(): Promise<number> {
  if (kind === "sockets") {
    const { address } = await listenSockets({
      hostname: HOSTNAME,
      accept({ path }) {
        if (path === "/mark") mark();
        return path !== "/mark";
      },
    }, { message: (client, bytes) => take(bytes, (reply) => void client.send(reply)) });
    return (address as { port: number }).port;
  }
  const { WebSocketServer } = loadWs(folder);
  const server = new WebSocketServer({
    host: HOSTNAME,
    port: 0,
    perMessageDeflate: false,
    verifyClient({ req }: { req: { url: string } }) {
      if (req.url === "/mark") mark();
      return req.url !== "/mark";
    },
  });
  server.on("connection", (socket) => {
    socket.on("message", (data) => take(data, (bytes) => socket.send(bytes)));
  });
  return new Promise((resolve) => server.on("listening", () => resolve(server.address().port)));
}

say("port", await listen());
// It ends with its parent.
process.stdin.on("end", () => process.exit()).resume();
