/**
 * A server with many peers, which send at a steady rate and are sent to at the same; the
 * counterpart of bench/c/crowd.c, which is also the clients.
 *
 *     crowd.ts STYLE PEERS RATE SIZE SETTLE SECONDS
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Host, type HostEvent, type HostOptions, PacketFlag, type Peer } from "../../mod.ts";
import { LISTENING, say, sayUsageSince, type Style } from "./_common.ts";

const style = process.argv[2] as Style;
const [wanted, rate, size, settle, seconds] = process.argv.slice(3).map(Number);
let memoryBefore = 0;
const peers: Peer[] = [];
const complete = Promise.withResolvers<void>();
const message = new Uint8Array(size);
let received = 0;
let measuring = false;

function onConnect(peer: Peer): void {
  if (peers.push(peer) === wanted) complete.resolve();
}

function onEvent(event: HostEvent): void {
  if (event.type === "connect") onConnect(event.peer);
  if (event.type === "receive") received++;
  if (event.type === "disconnect") throw new Error("A peer is gone");
}

/** Each peer gets a message of its own. */
function sendToAll(): void {
  for (let i = 0; i < peers.length; i++) {
    message[0] = i;
    peers[i].send(0, message, PacketFlag.UNRELIABLE);
  }
}

/** Ticks on timers until the time is over. */
async function tick(ms: number): Promise<void> {
  const end = performance.now() + ms;
  if (rate > 0) {
    for (let next = end - ms; next < end; next += 1000 / rate) {
      await sleep(Math.max(0, next - performance.now()));
      sendToAll();
    }
  }
  await sleep(Math.max(0, end - performance.now()));
}

/** Services the host until a time, waiting in it. */
function serviceUntil(server: Host, time: number): void {
  for (;;) {
    const left = Math.max(0, Math.ceil(time - performance.now()));
    const event = server.service(left);
    if (event !== null) onEvent(event);
    else if (left === 0) return;
  }
}

/** Ticks in a loop that owns the thread. */
function tickByHand(server: Host, ms: number): void {
  const end = performance.now() + ms;
  if (rate > 0) {
    for (let next = end - ms; next < end; next += 1000 / rate) {
      serviceUntil(server, next);
      sendToAll();
      server.flush();
    }
  }
  serviceUntil(server, end);
}

/** Runs for a time, then for the measured time, and prints what that took. */
async function measure(run: (ms: number) => Promise<void> | void): Promise<void> {
  await run(settle * 1000);
  received = 0;
  measuring = true;
  const usage = process.cpuUsage();
  const start = performance.now();
  await run(seconds * 1000);
  say("seconds", (performance.now() - start) / 1000);
  say("received", received);
  sayUsageSince(usage);
  say("memory", process.memoryUsage().rss - memoryBefore);
}

const options: HostOptions = { peers: wanted };
if (style === "manual") {
  using server = await Host.listen({ ...options, hostname: LISTENING, pump: false });
  memoryBefore = process.memoryUsage().rss;
  say("port", server.address.port);
  while (peers.length < wanted) serviceUntil(server, performance.now() + 1);
  await measure((ms) => tickByHand(server, ms));
} else {
  using server = await Host.listen(
    { ...options, hostname: LISTENING },
    style === "handler"
      ? {
        connect: onConnect,
        receive: () => void received++,
        disconnect: () => {
          if (measuring) throw new Error("A peer is gone");
        },
      }
      : undefined,
  );
  memoryBefore = process.memoryUsage().rss;
  say("port", server.address.port);
  const events = style === "for-await" ? iterate(server) : undefined;
  await complete.promise;
  await measure(tick);
  server[Symbol.dispose]();
  await events;
}

async function iterate(server: Host): Promise<void> {
  for await (const event of server) onEvent(event);
}
