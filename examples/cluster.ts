/**
 * One port, many workers. The primary holds the sockets of a port, and starts a worker for each. Clients connect to the
 * port, and the system divides them among the workers. Then one worker is killed and replaced: its clients connect
 * again, to the replacement, and the others notice nothing. It needs Linux.
 *
 *     deno run --allow-ffi --allow-run --allow-env examples/cluster.ts
 *     bun examples/cluster.ts
 *     node examples/cluster.ts
 *
 * The workers are processes. With the argument `threads` they are Workers of the primary's process, for which Deno
 * needs `--allow-read`, too.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Host, type Peer, SharedPort } from "@enetjs/enet";

const WORKERS = 3;
const CLIENTS = 12;

// ---- A worker -----------------------------------------------------------------------------------

/** Answers each message with its own name, and tells the primary its counters. */
async function work(sharedPort: string, name: string): Promise<void> {
  // The stdin of a process ends with the primary, however that dies. A Worker ends with it anyway.
  if (isMainThread) process.stdin.once("end", () => process.exit()).resume();
  const host = await Host.listen({ sharedPort, peers: 4095 }, {
    receive: (peer, channelId) => void peer.send(channelId, name),
  });
  setInterval(() => {
    const { connectedPeers, totalReceivedPackets } = host.stats;
    tell({ name, connectedPeers, totalReceivedPackets });
  }, 50);
}

/** Tells the primary something: a Worker by a message, a process by a line. */
function tell(counters: Counters): void {
  if (parentPort !== null) parentPort.postMessage(counters);
  else console.log(JSON.stringify(counters));
}

// ---- The primary --------------------------------------------------------------------------------

interface Counters {
  readonly name: string;
  readonly connectedPeers: number;
  readonly totalReceivedPackets: number;
}

const counters = new Map<string, Counters>();
const isThreaded = process.argv.includes("threads");

/** Starts a worker. @returns what kills it, once it has told its counters */
async function start(sharedPort: string, name: string): Promise<() => Promise<unknown>> {
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const hear = (told: Counters) => {
    counters.set(told.name, told);
    ready.resolve();
  };
  ended.promise.then(() => counters.delete(name));
  if (isThreaded) {
    const worker = new Worker(new URL(import.meta.url), { workerData: [sharedPort, name] });
    worker.on("message", hear);
    await ready.promise;
    return () => worker.terminate().finally(ended.resolve);
  }
  const flags = "Deno" in globalThis ? ["run", "--no-prompt", "--allow-ffi"] : process.execArgv;
  const args = [...flags, fileURLToPath(import.meta.url), "worker", sharedPort, name];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => {
    const lines = (text + more).split("\n");
    text = lines.pop()!;
    lines.forEach((line) => hear(JSON.parse(line)));
  });
  child.on("exit", ended.resolve);
  await ready.promise;
  return () => {
    child.kill("SIGKILL");
    return ended.promise;
  };
}

/** A client, which connects again whenever its connection is lost. */
class Client {
  worker = "";
  connections = 0;

  async run(port: number, signal: AbortSignal): Promise<void> {
    await using host = await Host.create();
    const address = { hostname: "127.0.0.1", port };
    for await (const peer of host.sessions(address, { signal, retry: { minimumMs: 50 } })) {
      this.connections++;
      await this.#use(peer, signal);
    }
  }

  /** Asks for the worker's name from time to time, which also finds out that it is gone. */
  async #use(peer: Peer, signal: AbortSignal): Promise<void> {
    peer.timeout({ minimumMs: 500, maximumMs: 1000 });
    const timer = setInterval(() => peer.send(0, "who are you?"), 50);
    signal.addEventListener("abort", () => peer.disconnectNow());
    peer.send(0, "who are you?");
    for await (const { packet } of peer) this.worker = packet.text();
    clearInterval(timer);
    if (!signal.aborted) this.worker = "";
  }
}

function show(title: string): void {
  console.log(title);
  let all = 0;
  for (const { name, connectedPeers, totalReceivedPackets } of counters.values()) {
    console.log(`  ${name}: ${connectedPeers} clients, ${totalReceivedPackets} datagrams received`);
    all += connectedPeers;
  }
  console.log(`  all: ${all} clients`);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function main(): Promise<void> {
  using port = await SharedPort.open({ sockets: WORKERS, hostname: "127.0.0.1" });
  const kill = [];
  for (let i = 0; i < WORKERS; i++) kill.push(await start(port.name, `worker ${i + 1}`));
  console.log(`${port.workers} workers on port ${port.address.port}`);

  const end = new AbortController();
  const clients = Array.from({ length: CLIENTS }, () => new Client());
  const runs = clients.map((client) => client.run(port.address.port, end.signal));
  const connected = () =>
    [...counters.values()].reduce((sum, { connectedPeers }) => sum + connectedPeers, 0);
  await until(() => clients.every(({ worker }) => worker !== "") && connected() === CLIENTS);
  show("Before:");

  const lost = clients.filter(({ worker }) => worker === "worker 1");
  await kill[0]();
  kill[0] = await start(port.name, "worker 4");
  console.log("worker 1 was killed, worker 4 has its socket");
  await until(() => lost.every(({ worker }) => worker === "worker 4") && connected() === CLIENTS);
  show("After:");
  const others = clients.filter((client) => !lost.includes(client));
  console.log(`${lost.length} clients of worker 1 have connected again`);
  console.log(`${others.filter((client) => client.connections > 1).length} of the others have`);

  end.abort();
  await Promise.all(runs);
  await Promise.all(kill.map((stop) => stop()));
}

if (!isMainThread) await work(...workerData as [string, string]);
else if (process.argv[2] === "worker") await work(process.argv[3], process.argv[4]);
else await main();
