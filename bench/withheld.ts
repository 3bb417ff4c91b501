/**
 * How long calls take while peers withhold their acknowledgements. Clients in a process of their own connect, and that
 * process is stopped. The server goes on sending to them, and to one client that acknowledges. Printed are the longest
 * call of each kind, and by how much a timer was late, in milliseconds. Run it with
 *
 *     deno run -A bench/withheld.ts [peers]
 *     bun bench/withheld.ts [peers]
 *     node --disable-warning=ExperimentalWarning bench/withheld.ts [peers]
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Host } from "../mod.ts";

const CONNECTS_AT_ONCE = 50;
const TICK_MS = 10;

/** What is sent to all peers, how many bytes to each of them. */
const LOADS = [
  { name: "64 B", bytes: 64, total: 512 * 1024 },
  { name: "64 KiB", bytes: 64 * 1024, total: 1024 * 1024 },
  { name: "8 MiB", bytes: 8 * 1024 * 1024, total: 16 * 1024 * 1024 },
];

async function connectAll(port: number, count: number): Promise<void> {
  const host = await Host.create({ peers: count }, {});
  for (let connected = 0; connected < count; connected += CONNECTS_AT_ONCE) {
    const some = Math.min(CONNECTS_AT_ONCE, count - connected);
    await Promise.all(
      Array.from({ length: some }, () => host.connect({ hostname: "127.0.0.1", port })),
    );
  }
  process.stdout.write("connected\n");
}

const longest = new Map<string, number>();

function note(name: string, ms: number): void {
  longest.set(name, Math.max(longest.get(name) ?? 0, ms));
}

function timed(name: string, call: () => void): void {
  const start = performance.now();
  call();
  note(name, performance.now() - start);
}

async function measure(load: typeof LOADS[number], count: number): Promise<void> {
  await using server = await Host.listen(
    { hostname: "127.0.0.1", peers: count + 1, maximumPacketSize: 32 * 1024 * 1024 },
    {},
  );
  await using honest = await Host.create({}, {});
  const { port } = server.address;
  const peer = await honest.connect(server.address);
  const args = [...process.execArgv, fileURLToPath(import.meta.url), "clients", port, count];
  const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
  const child = spawn(process.execPath, [...flags, ...args.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout!, "data");
  await sleep(500);
  child.kill("SIGSTOP");
  longest.clear();
  const message = new Uint8Array(load.bytes);
  const [acknowledging] = [...server.peers].filter(({ address }) =>
    address.port === honest.address.port
  );
  let broadcasts = Math.ceil(load.total / load.bytes);
  const start = performance.now();
  for (let tick = 0; performance.now() - start < 6000; tick++) {
    for (let i = 0; i < 16 && broadcasts > 0; i++, broadcasts--) {
      timed("broadcast", () => void server.broadcast(0, message));
    }
    for (let i = 0; i < 50; i++) {
      timed("send", () => void acknowledging.send(0, message.subarray(0, 1024)));
    }
    const before = performance.now();
    await sleep(TICK_MS);
    note("timer", performance.now() - before - TICK_MS);
  }
  await peer.deliver(0, "done");
  child.kill("SIGKILL");
  timed("close", () => void server.close({ graceMs: 0 }));
  const figures = ["broadcast", "send", "timer", "close"].map((name) =>
    (longest.get(name) ?? 0).toFixed(1).padStart(11)
  );
  console.log(`${load.name.padEnd(8)}${String(count).padStart(6)}${figures.join("")}`);
}

if (process.argv[2] === "clients") {
  await connectAll(Number(process.argv[3]), Number(process.argv[4]));
} else {
  const count = Number(process.argv[2] ?? 200);
  console.log("load     peers  broadcast       send      timer      close");
  for (const load of LOADS) await measure(load, count);
}
