/**
 * The stream over plain UDP sockets of `node:dgram`, a datagram for each message.
 *
 *     udp.ts receive
 *     udp.ts send PORT SIZE COUNT WARMUP
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { HOSTNAME, say, sayUsageSince } from "./_common.ts";
import { Meter } from "./_measure.ts";

/** Datagrams that are on their way to the system at once. */
const UNDER_WAY = 500;

/** How often a mark is sent, as one may get lost. */
const MARKS = 5;

const socket = createSocket({ type: "udp4", recvBufferSize: 256 * 1024 });

async function receive(): Promise<void> {
  const meter = new Meter();
  let lastMark = 0;
  socket.on("message", (bytes) => {
    if (bytes.length > 1) return meter.take(bytes);
    if (bytes[0] === lastMark) return; // again
    lastMark = bytes[0];
    meter.mark();
  });
  socket.bind(0, HOSTNAME);
  await once(socket, "listening");
  say("port", socket.address().port);
}

async function send([port, size, count, warmup]: number[]): Promise<void> {
  const message = new Uint8Array(size);
  let underWay = 0;
  let onRoom = () => {};
  const onSent = () => {
    if (--underWay === UNDER_WAY / 2) onRoom();
  };
  const sendMessages = async (count: number) => {
    for (let sent = 0; sent < count; sent++) {
      socket.send(message, port, HOSTNAME, onSent);
      if (++underWay === UNDER_WAY) await new Promise<void>((resolve) => onRoom = resolve);
    }
  };
  const sendMark = async (number: number) => {
    for (let i = 0; i < MARKS; i++) {
      await sleep(10);
      socket.send(new Uint8Array([number]), port, HOSTNAME);
    }
    await sleep(10);
  };
  await sendMessages(warmup);
  await sendMark(1);
  const usage = process.cpuUsage();
  const start = performance.now();
  await sendMessages(count);
  say("seconds", (performance.now() - start) / 1000);
  sayUsageSince(usage);
  await sendMark(2);
}

const [role, ...numbers] = process.argv.slice(2);
if (role === "receive") {
  await receive();
} else {
  await send(numbers.map(Number));
  socket.close();
}
