/**
 * Many WebSocket clients in one process, as bare TCP sockets, so that they cost little. Each sends messages at a rate,
 * which the server sends back; the time of each way there and back is measured.
 *
 *     gateway_clients.ts PORT MARKS CLIENTS RATE SECONDS reads|stalls bare|enet
 *
 * One client more gets a stream; it reads it, or not. With `enet`, all speak as an `EnetSocket` does, with its pings. A
 * connection to the port MARKS begins and ends the measurement of the server.
 */
import { Buffer } from "node:buffer";
import net, { type Socket } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { HOSTNAME, say, sayPercentiles } from "./_common.ts";
import { Answers, BARE, ENET, frameOf, FrameReader, request, STREAM } from "./_gateway.ts";

const [port, marks, clients, rate, seconds] = process.argv.slice(2).map(Number);
const stalls = process.argv[7] === "stalls";
const dialect = process.argv[8] === "enet" ? ENET : BARE;

/** A message is this long; the time of sending is in it. */
const SIZE = 64;
const TIME_AT = 8;
const WARMUP_SECONDS = 1.5;
const PING_MS = 1000;
const BINARY = 2;

/** Connects; resolves when the server has answered. */
async function connect(): Promise<Socket> {
  const socket = net.connect({ port, host: HOSTNAME, noDelay: true });
  const answer = () =>
    new Promise<Buffer>((resolve, reject) => {
      socket.once("data", resolve);
      socket.once("error", reject);
    });
  socket.write(request(dialect.protocol));
  const head = await answer();
  if (!head.toString("latin1").startsWith("HTTP/1.1 101 ")) throw new Error(head.toString());
  if (dialect.greeting !== undefined) {
    socket.write(frameOf(dialect.greeting));
    await answer();
  }
  return socket;
}

async function mark(): Promise<void> {
  const socket = net.connect({ port: marks, host: HOSTNAME });
  await new Promise((resolve) => socket.on("close", resolve).resume());
}

const times = new Float64Array(Math.ceil(clients * rate * seconds * 1.2));
let measured = 0;
let isMeasuring = false;

/** Takes the messages that come back, and answers what asks for that. */
function listen(socket: Socket): void {
  const answers = new Answers();
  const headerBytes = dialect.header.length;
  const reader = new FrameReader((opcode, message) => {
    if (opcode !== BINARY) return;
    const answer = dialect === ENET ? answers.to(message) : "data";
    if (answer === undefined) return;
    if (answer !== "data") socket.write(frameOf(answer));
    else if (message.length === SIZE + headerBytes && isMeasuring && measured < times.length) {
      times[measured++] = performance.now() - message.readDoubleLE(headerBytes + TIME_AT);
    }
  });
  socket.on("data", (chunk: Buffer) => reader.push(chunk));
}

const message = Buffer.concat([dialect.header, Buffer.alloc(SIZE)]);
const body = message.subarray(dialect.header.length);
const sockets: Socket[] = [];
while (sockets.length < clients) {
  const batch = Math.min(50, clients - sockets.length);
  const connecting = Array.from({ length: batch }, async () => {
    const socket = await connect();
    listen(socket);
    return socket;
  });
  sockets.push(...await Promise.all(connecting));
}
const streamed = await connect();
body[0] = STREAM;
streamed.write(frameOf(message));
body[0] = 0;
if (stalls) streamed.pause();
else listen(streamed);

/** Sends what is due; the clients take turns, evenly over a second. */
async function sendFor(duration: number): Promise<void> {
  const start = performance.now();
  let sent = 0;
  let pings = 0;
  for (let now = start; now < start + duration * 1000; now = performance.now()) {
    const due = Math.floor((now - start) / 1000 * clients * rate);
    for (; sent < due; sent++) {
      body.writeDoubleLE(performance.now(), TIME_AT);
      sockets[sent % clients].write(frameOf(message));
    }
    const duePings = Math.floor((now - start) / PING_MS * clients);
    for (; pings < duePings; pings++) {
      const ping = dialect.ping();
      if (ping !== undefined) sockets[pings % clients].write(frameOf(ping));
    }
    await sleep(1);
  }
}

await sendFor(WARMUP_SECONDS);
isMeasuring = true;
await mark();
await sendFor(seconds);
await sleep(200);
await mark();
say("measured", measured);
sayPercentiles(times.subarray(0, measured));
process.exit();
