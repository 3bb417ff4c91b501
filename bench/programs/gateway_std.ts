/**
 * The program behind `enet gateway --std`, or a server with the same options, and its clients. The program sends
 * messages at a rate, each to all clients; each client sends messages to the program at the same rate. The time from
 * the program to each client is measured, and the CPU time of the server.
 *
 *     gateway_std.ts PORT CLIENTS RATE SECONDS COMMAND...
 *
 * It runs on Linux, where the system tells the CPU time of another process.
 */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import net, { type Socket } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { HOSTNAME, say, sayPercentiles } from "./_common.ts";
import { frameOf, FrameReader, request } from "./_gateway.ts";

const [port, clients, rate, seconds] = process.argv.slice(2, 6).map(Number);
const command = process.argv.slice(6);
const WARMUP_SECONDS = 1.5;
const TEXT = 1;
const SIZE = 64;
/** Ticks of the system's clock in a second. */
const TICKS = 100;

const server = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
process.on("exit", () => server.kill("SIGKILL"));
let heard = 0;
server.stdout.on("data", (bytes: Buffer) => heard += bytes.length);

/** CPU time of the server so far, in seconds. */
function cpuTime(): number {
  const fields = readFileSync(`/proc/${server.pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Connects, as soon as the server listens. */
async function connect(): Promise<Socket> {
  for (;;) {
    const socket = net.connect({ port, host: HOSTNAME, noDelay: true });
    const answer = await new Promise<string>((resolve) => {
      socket.once("data", (bytes: Buffer) => resolve(bytes.toString("latin1")));
      socket.once("error", ({ message }) => resolve(message));
      socket.write(request(undefined));
    });
    if (answer.startsWith("HTTP/1.1 101 ")) return socket;
    if (!answer.includes("ECONNREFUSED")) throw new Error(answer);
    await sleep(20);
  }
}

const times = new Float64Array(Math.ceil(clients * rate * seconds * 1.2));
let measured = 0;
let isMeasuring = false;

function listen(socket: Socket): void {
  const reader = new FrameReader((opcode, message) => {
    if (opcode !== TEXT || !isMeasuring || measured === times.length) return;
    times[measured++] = performance.now() - Number(message.subarray(0, 16).toString("latin1"));
  });
  socket.on("data", (chunk: Buffer) => reader.push(chunk));
}

const sockets: Socket[] = [await connect()];
while (sockets.length < clients) {
  const batch = Math.min(50, clients - sockets.length);
  sockets.push(...await Promise.all(Array.from({ length: batch }, connect)));
}
for (const socket of sockets) listen(socket);

const message = frameOf(Buffer.alloc(SIZE, 120), TEXT);

/** Sends what is due; the clients take turns, evenly over a second. */
async function sendFor(duration: number): Promise<void> {
  const start = performance.now();
  let [sent, told] = [0, 0];
  for (let now = start; now < start + duration * 1000; now = performance.now()) {
    const due = Math.floor((now - start) / 1000 * clients * rate);
    for (; sent < due; sent++) sockets[sent % clients].write(message);
    for (; told < Math.floor((now - start) / 1000 * rate); told++) {
      server.stdin.write(performance.now().toFixed(6).padStart(16).padEnd(SIZE, "."));
    }
    await sleep(1);
  }
}

await sendFor(WARMUP_SECONDS);
isMeasuring = true;
const [cpuBefore, heardBefore, began] = [cpuTime(), heard, performance.now()];
await sendFor(seconds);
await sleep(200);
say("cpu", (cpuTime() - cpuBefore) / (performance.now() - began) * 1000);
say("measured", measured);
say("heard", (heard - heardBefore) / SIZE);
sayPercentiles(times.subarray(0, measured));
process.exit();
