/**
 * Channels to a plugin and to a Worker, beside `postMessage` to a Worker and `node:net` over a Unix
 * socket to a C process: messages out, messages in, and round trips. Run it with
 *
 *     deno run -A bench/channel.ts
 *     bun bench/channel.ts
 *     node --disable-warning=ExperimentalWarning bench/channel.ts
 *
 * after `npx -y deno task bench -- --quick --only echo`, or anything else that has built the benchmark.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { Worker } from "node:worker_threads";
import { Channel } from "../lib/channel/mod.ts";
import { root } from "../tools/_run.ts";
import { median } from "./_program.ts";

const ROUNDS = 3;
const MEBIBYTE = 2 ** 20;
const SIZES = [
  { name: "64 B", size: 64, count: 200_000, trips: 3000 },
  { name: "4 KiB", size: 4096, count: 50_000, trips: 2000 },
  { name: "1 MiB", size: MEBIBYTE, count: 300, trips: 200 },
];
const [TAKE, SEND, ECHO] = [1, 2, 3];

/** What is measured: an end, with something at the other one that understands the commands. */
interface Transport extends AsyncDisposable {
  /** Sends; a promise when the caller should wait. */
  send(bytes: Uint8Array): Promise<unknown> | void;
  /** Called with each message. */
  receive: (bytes: Uint8Array) => void;
}

function overChannel(channel: Channel, transport: Transport): Transport {
  transport.send = (bytes) => channel.send(bytes) ? undefined : channel.drain();
  return transport;
}

const idle = () => {};
const nothing = { send: idle, receive: idle, [Symbol.asyncDispose]: () => Promise.resolve() };
const bytes = { sendBytes: 4 * MEBIBYTE, receiveBytes: 4 * MEBIBYTE };
const worker = (workerData: string) =>
  new Worker(new URL("./channel_worker.ts", import.meta.url), { workerData });

async function toPlugin(): Promise<Transport> {
  const transport: Transport = { ...nothing };
  const channel = await Channel.loadPlugin(`${root}/native/build/bench_channel_plugin.so`, {
    ...bytes,
    handlers: { receive: (view) => transport.receive(view) },
  });
  transport[Symbol.asyncDispose] = () => channel.close();
  return overChannel(channel, transport);
}

async function toWorker(): Promise<Transport> {
  const transport: Transport = { ...nothing };
  const channel = await Channel.open({
    ...bytes,
    handlers: { receive: (view) => transport.receive(view) },
  });
  const other = worker("channel");
  other.postMessage(channel.remote, [channel.remote!.port as never]);
  transport[Symbol.asyncDispose] = async () => {
    await channel.close();
    await other.terminate();
  };
  return overChannel(channel, transport);
}

function byPostMessage(): Promise<Transport> {
  const other = worker("postMessage");
  const transport: Transport = {
    send: (bytes) => other.postMessage(bytes),
    receive: idle,
    [Symbol.asyncDispose]: async () => void await other.terminate(),
  };
  other.on("message", (bytes: Uint8Array) => transport.receive(bytes));
  return Promise.resolve(transport);
}

/** Cuts a stream of chunks into messages. */
function messagesOf(receive: (bytes: Uint8Array) => void): (chunk: Uint8Array) => void {
  let rest: Uint8Array[] = [];
  let there = 0;
  let wanted = 4;
  return (chunk) => {
    rest.push(chunk);
    there += chunk.length;
    if (there < wanted) return;
    let all = rest.length === 1 ? chunk : Buffer.concat(rest);
    for (wanted = 4; all.length >= wanted; wanted = 4) {
      wanted += new DataView(all.buffer, all.byteOffset).getUint32(0, true);
      if (all.length < wanted) break;
      receive(all.subarray(4, wanted));
      all = all.subarray(wanted);
    }
    rest = all.length > 0 ? [all] : [];
    there = all.length;
  };
}

async function toProcess(): Promise<Transport> {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-bench-`);
  const server = createServer();
  server.listen(`${folder}/socket`);
  await once(server, "listening");
  const child = spawn(`${root}/native/build/bench_unix_peer`, [`${folder}/socket`]);
  const [socket] = await once(server, "connection") as [Socket];
  const transport: Transport = {
    send(bytes) {
      const head = new Uint8Array(4);
      new DataView(head.buffer).setUint32(0, bytes.length, true);
      socket.cork();
      socket.write(head);
      const goOn = socket.write(bytes);
      socket.uncork();
      return goOn ? undefined : once(socket, "drain");
    },
    receive: idle,
    async [Symbol.asyncDispose]() {
      socket.destroy();
      server.close();
      if (child.exitCode === null) await once(child, "exit");
      rmSync(folder, { recursive: true });
    },
  };
  socket.on("data", messagesOf((bytes) => transport.receive(bytes)));
  return transport;
}

const TRANSPORTS: [string, () => Promise<Transport>][] = [
  ["channel to plugin", toPlugin],
  ["channel to Worker", toWorker],
  ["postMessage", byPostMessage],
  ["net, Unix socket", toProcess],
];

/** Resolves after so many messages. */
function received(transport: Transport, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  transport.receive = () => {
    if (--count === 0) resolve();
  };
  return promise;
}

async function command(transport: Transport, what: number, count: number, size: number) {
  await transport.send(new Uint8Array(new Uint32Array([what, count, size]).buffer));
}

/** Messages a second to the other end. */
async function measureOut(transport: Transport, count: number, size: number): Promise<number> {
  const message = new Uint8Array(size);
  await command(transport, TAKE, count, size);
  const done = received(transport, 1);
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const wait = transport.send(message);
    if (wait !== undefined) await wait;
  }
  await done;
  return count / (performance.now() - start) * 1000;
}

/** Messages a second from the other end. */
async function measureIn(transport: Transport, count: number, size: number): Promise<number> {
  const done = received(transport, count);
  const start = performance.now();
  await command(transport, SEND, count, size);
  await done;
  return count / (performance.now() - start) * 1000;
}

/** Microseconds of each round trip. */
async function measureTrips(transport: Transport, count: number, size: number): Promise<number[]> {
  const message = new Uint8Array(size);
  const times: number[] = [];
  await command(transport, ECHO, count, size);
  for (let i = 0; i < count; i++) {
    const back = received(transport, 1);
    const start = performance.now();
    transport.send(message);
    await back;
    times.push((performance.now() - start) * 1000);
  }
  return times.sort((a, b) => a - b);
}

console.log(`medians of ${ROUNDS} rounds; messages and MB a second, round trips in microseconds`);
console.log("size    transport               out/s    MB/s      in/s    MB/s      p50      p99");
for (const { name, size, count, trips } of SIZES) {
  for (const [title, open] of TRANSPORTS) {
    await using transport = await open();
    await measureOut(transport, Math.ceil(count / 4), size); // warms up
    const rounds: number[][] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const out = await measureOut(transport, count, size);
      const back = await measureIn(transport, count, size);
      const times = await measureTrips(transport, trips, size);
      const at = (share: number) => times[Math.floor(times.length * share)];
      rounds.push([out, out * size / 1e6, back, back * size / 1e6, at(0.5), at(0.99)]);
    }
    const values = [0, 1, 2, 3, 4, 5].map((i) =>
      median(rounds.map((round) => round[i])).toFixed(0)
    );
    const widths = [10, 8, 10, 8, 9, 9];
    const columns = values.map((value, i) => value.padStart(widths[i]));
    console.log(`${name.padEnd(8)}${title.padEnd(19)}${columns.join("")}`);
  }
}
