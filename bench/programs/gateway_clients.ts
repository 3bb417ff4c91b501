/**
 * Many WebSocket clients in one process, as bare TCP sockets, so that they cost little. Each sends messages at a rate,
 * which the server sends back; the time of each way there and back is measured.
 *
 *     gateway_clients.ts PORT CLIENTS RATE SECONDS reads|stalls
 *
 * One client more gets a stream; it reads it, or not.
 */
import { Buffer } from "node:buffer";
import net, { type Socket } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { HOSTNAME, say, sayPercentiles } from "./_common.ts";
import { STREAM } from "./_gateway.ts";

const [port, clients, rate, seconds] = process.argv.slice(2).map(Number);
const stalls = process.argv[6] === "stalls";

/** A message is this long; the time of sending is in it. */
const SIZE = 64;
const TIME_AT = 8;
const WARMUP_SECONDS = 1.5;

function request(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${HOSTNAME}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
}

/** A frame whose mask is zero, which leaves the payload as it is. */
function frame(payload: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(0x82, 0x80 | payload.length, 0, 0, 0, 0), payload]);
}

/** Connects; resolves when the server has answered. */
function connect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: HOSTNAME, noDelay: true });
    socket.write(request(path));
    socket.once("data", () => resolve(socket));
    socket.once("error", reject);
  });
}

const times = new Float64Array(Math.ceil(clients * rate * seconds * 1.2));
let measured = 0;
let isMeasuring = false;

/** Takes the messages that come back. All are of one size, so frames are, too. */
function listen(socket: Socket): void {
  const HEADER = 2;
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const now = performance.now();
    let at = 0;
    while (rest.length - at >= HEADER) {
      const size = HEADER + (rest[at + 1] & 0x7F);
      if (rest.length - at < size) break;
      const isMessage = (rest[at] & 15) === 2;
      if (isMessage && isMeasuring && measured < times.length) {
        times[measured++] = now - rest.readDoubleLE(at + HEADER + TIME_AT);
      }
      at += size;
    }
    rest = rest.subarray(at);
  });
}

const message = Buffer.alloc(SIZE);
const sockets: Socket[] = [];
while (sockets.length < clients) {
  const batch = Math.min(50, clients - sockets.length);
  sockets.push(...await Promise.all(Array.from({ length: batch }, () => connect("/"))));
}
for (const socket of sockets) listen(socket);
const streamed = await connect("/");
message[0] = STREAM;
streamed.write(frame(message));
message[0] = 0;
if (stalls) streamed.pause();
else streamed.on("data", () => {});

/** Sends what is due; the clients take turns, evenly over a second. */
async function sendFor(duration: number): Promise<void> {
  const start = performance.now();
  let sent = 0;
  for (let now = start; now < start + duration * 1000; now = performance.now()) {
    const due = Math.floor((now - start) / 1000 * clients * rate);
    for (; sent < due; sent++) {
      message.writeDoubleLE(performance.now(), TIME_AT);
      sockets[sent % clients].write(frame(message));
    }
    await sleep(1);
  }
}

await sendFor(WARMUP_SECONDS);
isMeasuring = true;
await connect("/mark");
await sendFor(seconds);
await sleep(200);
await connect("/mark");
say("measured", measured);
sayPercentiles(times.subarray(0, measured));
process.exit();
