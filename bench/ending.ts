/**
 * How long the call blocks that ends a connection, or a host, for which much waits. Peers in a process of their own
 * connect, and that process is stopped. Printed are milliseconds, medians: the call, and how late a timer is at most in
 * the second after it. A crowd is measured once. Run it with
 *
 *     deno run -A bench/ending.ts [rounds]
 *     bun bench/ending.ts [rounds]
 *     node --disable-warning=ExperimentalWarning bench/ending.ts [rounds]
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Host, type Peer } from "../mod.ts";
import { median } from "./_program.ts";

const CROWD = 4000;
const QUEUED = 1_000_000;
const NOT_TAKEN = 100_000;
const CONNECTS_AT_ONCE = 50;
const BYTES = 64;
const SHOWN_MS = 1000;
const TICK_MS = 1;

/** The other process: connects, and sends each peer so many messages. */
async function clients(port: number, count: number, messages: number): Promise<void> {
  const host = await Host.create({ peers: count }, {});
  const peers: Peer[] = [];
  while (peers.length < count) {
    const some = Math.min(CONNECTS_AT_ONCE, count - peers.length);
    const connects = Array.from(
      { length: some },
      () => host.connect({ hostname: "127.0.0.1", port }),
    );
    peers.push(...await Promise.all(connects));
  }
  for (const peer of peers) {
    for (let i = 0; i < messages; i++) if (!peer.send(0, new Uint8Array(BYTES))) await peer.drain();
    if (messages > 0) await peer.deliver(0, "done");
  }
  process.stdout.write("ready\n");
}

interface Crowd extends AsyncDisposable {
  server: Host;
  child: ChildProcess;
}

/** A host with peers that do nothing any more. */
async function crowd(options: { peers: number; pump: boolean; messages?: number }): Promise<Crowd> {
  const { peers, pump, messages = 0 } = options;
  const server = await Host.listen(
    { hostname: "127.0.0.1", peers, pump },
    messages > 0 ? undefined : {},
  );
  const args = [
    ...process.execArgv,
    fileURLToPath(import.meta.url),
    "clients",
    server.address.port,
    peers,
    messages,
  ];
  const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
  const child = spawn(process.execPath, [...flags, ...args.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ready = once(child.stdout!, "data");
  const ticker = pump ? undefined : setInterval(() => server.service(), 1);
  await ready;
  await sleep(200);
  clearInterval(ticker);
  child.kill("SIGSTOP");
  return {
    server,
    child,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await server.close({ graceMs: 0 });
    },
  };
}

/** By how much a timer was late in the second after the call, in ms. */
async function lateness(service?: () => void): Promise<number> {
  let latest = 0;
  for (const start = performance.now(); performance.now() - start < SHOWN_MS;) {
    const before = performance.now();
    await sleep(TICK_MS);
    service?.();
    latest = Math.max(latest, performance.now() - before - TICK_MS);
  }
  return latest;
}

type Call = (server: Host) => void;

const CALLS: Record<string, Call> = {
  disconnectNow: (server) => server.peers.forEach((peer) => peer.disconnectNow()),
  reset: (server) => server.peers.forEach((peer) => peer.reset()),
  disconnect: (server) => server.peers.forEach((peer) => void peer.disconnect().catch(() => {})),
  close: (server) => void server.close({ graceMs: 0 }),
  dispose: (server) => server[Symbol.dispose](),
};

interface Load {
  name: string;
  peers: number;
  /** What the peers send before they stop, which nobody takes. */
  messages?: number;
  /** What is queued to them. */
  queue?: Call;
  calls: string[];
  rounds: number;
}

function sendMany(server: Host): void {
  const message = new Uint8Array(BYTES);
  for (let i = 0; i < QUEUED; i++) server.peers[0].send(0, message);
}

function broadcastMany(server: Host): void {
  const message = new Uint8Array(BYTES);
  for (let i = 0; i < QUEUED / CROWD; i++) server.broadcast(0, message);
}

async function measure(load: Load, name: string, pump: boolean): Promise<void> {
  const times: number[] = [];
  const late: number[] = [];
  for (let round = 0; round < load.rounds; round++) {
    await using c = await crowd({ ...load, pump });
    load.queue?.(c.server);
    const start = performance.now();
    CALLS[name](c.server);
    times.push(performance.now() - start);
    late.push(await lateness(pump || c.server.closed ? undefined : () => c.server.service()));
  }
  const what = load.name.padEnd(28) + (pump ? "pump" : "no pump").padEnd(9) + name.padEnd(14);
  console.log(what + [times, late].map((list) => median(list).toFixed(1).padStart(9)).join(""));
}

if (process.argv[2] === "clients") {
  await clients(Number(process.argv[3]), Number(process.argv[4]), Number(process.argv[5]));
} else {
  const rounds = Number(process.argv[2] ?? 3);
  const loads: Load[] = [
    {
      name: "1,000,000 queued to 1 peer",
      peers: 1,
      queue: sendMany,
      calls: Object.keys(CALLS),
      rounds,
    },
    {
      name: "100,000 not taken",
      peers: 1,
      messages: NOT_TAKEN,
      calls: ["reset", "close", "dispose"],
      rounds,
    },
    {
      name: "1,000,000 queued to 4,000",
      peers: CROWD,
      queue: broadcastMany,
      calls: ["close"],
      rounds: 1,
    },
  ];
  console.log("load                        pump     call            call ms  late ms");
  for (const load of loads) {
    for (const pump of [true, false]) {
      for (const name of load.calls) await measure(load, name, pump);
    }
  }
  process.exit(0);
}
