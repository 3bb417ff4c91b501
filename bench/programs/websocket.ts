/**
 * The stream and the echo over WebSockets: `ws` on Node, what is built in on Deno and Bun.
 *
 *     websocket.ts receive|serve FOLDER
 *     websocket.ts send|ask FOLDER PORT SIZE COUNT WARMUP
 *
 * FOLDER is that of the npm package `ws`. With `CERTIFICATE` in the environment, a file with key and certificate, they
 * are over TLS (`wss`).
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import { HOSTNAME, say, sayUsageSince } from "./_common.ts";
import { Meter, RoundTrips } from "./_measure.ts";
import { loadWs } from "./_ws.ts";

/** What is queued at most; the library's own high-water mark. */
const QUEUED_BYTES = 2 ** 20;

/** Answers a message. */
type Reply = (bytes: Uint8Array) => void;
type OnMessage = (bytes: Uint8Array, reply: Reply) => void;

/** As much of Bun as is used here. */
interface BunApi {
  serve(options: {
    hostname: string;
    port: number;
    fetch(request: Request, server: { upgrade(request: Request): boolean }): Response | undefined;
    websocket: { message(socket: { send: Reply }, data: Uint8Array): void };
    tls: { key: string; cert: string } | undefined;
  }): { port: number };
}

const { CERTIFICATE } = process.env;
const pem = CERTIFICATE === undefined ? undefined : readFileSync(CERTIFICATE, "utf8");
const tls = pem === undefined ? undefined : { key: pem, cert: pem };

const { Bun } = globalThis as unknown as { Bun?: BunApi };
const [role, folder, port, ...numbers] = process.argv.slice(2);

/** Listens on any port and gives every message to a function. */
function listen(onMessage: OnMessage): Promise<number> {
  if (Bun !== undefined) {
    const { port } = Bun.serve({
      hostname: HOSTNAME,
      port: 0,
      fetch: (request, server) => server.upgrade(request) ? undefined : new Response(),
      websocket: {
        message: (socket, data) => onMessage(data, (bytes) => socket.send(bytes)),
      },
      tls,
    });
    return Promise.resolve(port);
  }
  if ("Deno" in globalThis) {
    const options = { hostname: HOSTNAME, port: 0, onListen() {}, ...tls };
    const { addr } = Deno.serve(options, (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.binaryType = "arraybuffer";
      const reply: Reply = (bytes) => socket.send(bytes as Uint8Array<ArrayBuffer>);
      socket.onmessage = ({ data }) => onMessage(new Uint8Array(data), reply);
      return response;
    });
    return Promise.resolve(addr.port);
  }
  const { WebSocketServer } = loadWs(folder);
  const secure = tls && createServer(tls).listen(0, HOSTNAME);
  const server = secure
    ? new WebSocketServer({ server: secure })
    : new WebSocketServer({ host: HOSTNAME, port: 0 });
  server.on("connection", (socket) => {
    const reply: Reply = (bytes) => socket.send(bytes);
    socket.on("message", (data) => onMessage(data, reply));
  });
  return new Promise((resolve) => server.on("listening", () => resolve(server.address().port)));
}

async function connect(): Promise<WebSocket> {
  const isNode = Bun === undefined && !("Deno" in globalThis);
  const socket = new (isNode ? loadWs(folder).WebSocket : WebSocket)(
    `${tls ? "wss" : "ws"}://${HOSTNAME}:${port}`,
  );
  socket.binaryType = "arraybuffer";
  await new Promise((resolve) => socket.onopen = resolve);
  return socket;
}

async function send([size, count, warmup]: number[]): Promise<void> {
  const socket = await connect();
  const message = new Uint8Array(size);
  const mark = new Uint8Array(1);
  const sendMessages = async (count: number) => {
    for (let sent = 0; sent < count; sent++) {
      socket.send(message);
      while (socket.bufferedAmount > QUEUED_BYTES) await turn();
    }
    socket.send(mark);
    await new Promise((resolve) => socket.onmessage = resolve);
  };
  await sendMessages(warmup);
  const usage = process.cpuUsage();
  const start = performance.now();
  await sendMessages(count);
  say("seconds", (performance.now() - start) / 1000);
  sayUsageSince(usage);
}

async function ask([size, count, warmup]: number[]): Promise<void> {
  const socket = await connect();
  const message = new Uint8Array(size);
  const trips = new RoundTrips(() => socket.send(message), count, warmup);
  await new Promise<void>((resolve) => {
    socket.onmessage = () => {
      trips.answer();
      if (trips.over) resolve();
    };
    trips.ask();
  });
}

if (role === "receive") {
  const meter = new Meter();
  say(
    "port",
    await listen((bytes, reply) => {
      meter.take(bytes);
      if (bytes.length === 1) reply(bytes); // so that the sender knows when all has arrived
    }),
  );
} else if (role === "serve") {
  say("port", await listen((bytes, reply) => reply(bytes)));
} else {
  if (role === "send") await send(numbers.map(Number));
  else await ask(numbers.map(Number));
  process.exit();
}
