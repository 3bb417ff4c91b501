/**
 * A server that sends every message back, to be loaded by `gateway_clients.ts`.
 *
 *     gateway_server.ts ws FOLDER
 *     gateway_server.ts sockets
 *     gateway_server.ts host
 *
 * `ws` is the package in FOLDER alone, `sockets` is `listenSockets`, `host` an ENet host with a gateway. A message that
 * begins with STREAM also begins a stream to its client. A connection to the port of marks begins the measurement,
 * another one ends it.
 */
import net from "node:net";
import process from "node:process";
import { Gateway, listenSockets } from "../../lib/gateway/mod.ts";
import { Host, type Peer } from "../../mod.ts";
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

/** Sends pieces as a program does that looks at what `send` returns. */
function stream(peer: Peer): void {
  setInterval(() => {
    if (peer.queuedBytes < peer.host.highWaterMark) peer.send(0, piece);
  }, STREAM_EVERY_MS);
}

async function listenHost(): Promise<number> {
  const host = await Host.listen({ hostname: HOSTNAME, peers: 2048, channels: 1 }, {
    receive(peer, channelId, packet) {
      if (packet.view[0] === STREAM) stream(peer);
      else peer.send(channelId, packet);
    },
  });
  const { address } = await Gateway.listen({ host, hostname: HOSTNAME });
  return (address as { port: number }).port;
}

async function listen(): Promise<number> {
  if (kind === "host") return await listenHost();
  if (kind === "sockets") {
    const { address } = await listenSockets({ hostname: HOSTNAME, maximumClients: 2048 }, {
      message: (client, bytes) => take(bytes, (reply) => void client.send(reply)),
    });
    return (address as { port: number }).port;
  }
  const { WebSocketServer } = loadWs(folder);
  const server = new WebSocketServer({ host: HOSTNAME, port: 0, perMessageDeflate: false });
  server.on("connection", (socket) => {
    socket.on("message", (data) => take(data, (bytes) => socket.send(bytes)));
  });
  return new Promise((resolve) => server.on("listening", () => resolve(server.address().port)));
}

const marks = net.createServer((socket) => {
  mark();
  socket.end();
});
marks.listen(0, HOSTNAME, async () => {
  say("marks", (marks.address() as { port: number }).port);
  say("port", await listen());
});
// It ends with its parent.
process.stdin.on("end", () => process.exit()).resume();
