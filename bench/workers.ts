/**
 * Workers that share a port: how many peers there can be and what each costs, and how the work grows with the workers.
 * The workers are processes of the runtime that runs this file; the clients are C programs. Run it with
 *
 *     deno run -A bench/workers.ts [peers] [workers]
 *     bun bench/workers.ts [peers] [workers]
 *     node --disable-warning=ExperimentalWarning bench/workers.ts [peers] [workers]
 *
 * after `npx -y deno task bench -- --quick --only echo`, or anything else that has built the benchmark.
 *
 * First there are the peers, 20,000 on 6 workers, or none with `0`. Each sends a message of 64 bytes twice a second, and
 * is sent one back. Then one worker and two answer 64 clients, of which each waits for its answer before it asks again.
 * To each message belongs some work of the server's program, without which the clients would need as much of the
 * processors as the workers. Beside it stands what the machine gives at that time: the same work without a network, in
 * one process and in two.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Host, SharedPort } from "../mod.ts";
import { cCommand, median, Program } from "./_program.ts";
import { HOSTNAME, say } from "./programs/_common.ts";

const RATE = 2;
const SIZE = 64;
const CROWD_SECONDS = 10;
const CROWD_LIMIT_MS = 60_000;
/** A process may not have more sockets than descriptors. */
const CLIENTS_OF_A_PROCESS = 10_000;
const GROWTH_CLIENTS = 64;
const GROWTH_SECONDS = 2;
const GROWTH_ROUNDS = 5;
const POLL_MS = 100;
const SPIN_MS = 500;
/** Bytes over which the program goes for each message: about 100 µs. */
const WORK = 32 * 1024;

// ---- A worker -----------------------------------------------------------------------------------

interface Report {
  readonly peers: number;
  readonly received: number;
  readonly cpuSeconds: number;
  readonly memory: number;
}

/** What a program does with a message: as much work, whatever else the processor has to do. */
function calculate(bytes: Uint8Array): number {
  let hash = 0x811C9DC5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash;
}

/** Works for a time, and prints how often. */
function spin(bytes: Uint8Array): void {
  let times = 0;
  const end = performance.now() + SPIN_MS;
  for (; performance.now() < end; times++) bytes[0] = calculate(bytes);
  say("times", times);
}

async function work(sharedPort: string, workBytes: number): Promise<void> {
  const bytes = new Uint8Array(workBytes);
  let received = 0;
  await using host = await Host.listen({ sharedPort, peers: 4095 }, {
    receive(peer, channelId, packet) {
      received++;
      bytes[0] = calculate(bytes);
      peer.send(channelId, packet, packet.flags);
    },
  });
  for await (const _ of createInterface({ input: process.stdin })) {
    const { user, system } = process.cpuUsage();
    const report: Report = {
      peers: host.stats.connectedPeers,
      received,
      cpuSeconds: (user + system) / 1e6,
      memory: process.memoryUsage().rss,
    };
    console.log(JSON.stringify(report));
  }
}

/** The command that runs this file. */
function command(...args: string[]): string[] {
  const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : process.execArgv;
  return [process.execPath, ...flags, fileURLToPath(import.meta.url), ...args];
}

/** A worker as the primary sees it; disposing of it kills it. */
class WorkerProcess implements AsyncDisposable {
  readonly #child;
  readonly #reports: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;

  constructor(sharedPort: string, workBytes: number) {
    const [executable, ...args] = command("worker", sharedPort, `${workBytes}`);
    this.#child = spawn(executable, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#ended = once(this.#child, "exit");
    this.#reports = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** What it has used until now. */
  async report(): Promise<Report> {
    this.#child.stdin!.write("report\n");
    const { value, done } = await this.#reports.next();
    if (done) throw new Error("A worker has ended");
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

// ---- The primary --------------------------------------------------------------------------------

interface Cluster extends AsyncDisposable {
  readonly port: number;
  reports(): Promise<Report[]>;
}

async function startCluster(workers: number, workBytes: number): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const port = stack.use(await SharedPort.open({ sockets: workers, hostname: HOSTNAME }));
  const all = Array.from(
    { length: workers },
    () => stack.use(new WorkerProcess(port.name, workBytes)),
  );
  await Promise.all(all.map((worker) => worker.report()));
  const moved = stack.move();
  return {
    port: port.address.port,
    reports: () => Promise.all(all.map((worker) => worker.report())),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

const sum = (reports: readonly Report[], of: (report: Report) => number) =>
  reports.reduce((total, report) => total + of(report), 0);

async function measureCrowd(peers: number, workers: number): Promise<void> {
  await using cluster = await startCluster(workers, 0);
  await using clients = new AsyncDisposableStack();
  const empty = await cluster.reports();
  for (let left = peers; left > 0; left -= CLIENTS_OF_A_PROCESS) {
    const some = Math.min(left, CLIENTS_OF_A_PROCESS);
    clients.use(new Program(cCommand("crowd", ["clients", cluster.port, some, RATE, SIZE])));
  }
  const deadline = performance.now() + CROWD_LIMIT_MS;
  let before = empty;
  while (sum(before, (report) => report.peers) < peers) {
    if (performance.now() > deadline) throw new Error("Not all peers have connected");
    await sleep(POLL_MS);
    before = await cluster.reports();
  }
  const start = performance.now();
  await sleep(CROWD_SECONDS * 1000);
  const after = await cluster.reports();
  const seconds = (performance.now() - start) / 1000;
  console.log("worker  peers  messages/s  CPU ms/s  memory MiB");
  after.forEach(({ peers, received, cpuSeconds, memory }, i) => {
    const row = [
      peers,
      Math.round((received - before[i].received) / seconds),
      Math.round((cpuSeconds - before[i].cpuSeconds) * 1000 / seconds),
      Math.round(memory / 2 ** 20),
    ];
    const widths = [7, 12, 10, 12];
    console.log(String(i + 1).padStart(6) + row.map((n, k) => `${n}`.padStart(widths[k])).join(""));
  });
  const cpu = sum(after, (r) => r.cpuSeconds) - sum(before, (r) => r.cpuSeconds);
  const memory = sum(after, (r) => r.memory) - sum(empty, (r) => r.memory);
  const there = sum(after, (r) => r.peers);
  console.log(`${there} peers on port ${cluster.port}, of ${peers}`);
  console.log(
    `a peer: ${(memory / 1024 / there).toFixed(1)} KiB, ` +
      `${(cpu * 1e6 / seconds / there).toFixed(1)} µs of CPU a second\n`,
  );
}

async function answersPerSecond(workers: number) {
  await using cluster = await startCluster(workers, WORK);
  const before = await cluster.reports();
  await using clients = new Program(
    cCommand("ask", [cluster.port, GROWTH_CLIENTS, SIZE, GROWTH_SECONDS]),
  );
  const seen = await clients.readAll("answers", "user", "system");
  const after = await cluster.reports();
  const cpuSeconds = sum(after, (r) => r.cpuSeconds) - sum(before, (r) => r.cpuSeconds);
  return {
    answers: seen.answers / GROWTH_SECONDS,
    clientCores: (seen.user + seen.system) / GROWTH_SECONDS,
    cpuOfAnswer: cpuSeconds * 1e6 / sum(after, (r) => r.received),
  };
}

/** How often some processes together do the work in a second, without a network. */
async function timesPerSecond(processes: number): Promise<number> {
  const programs = Array.from(
    { length: processes },
    () => new Program(command("spin", `${WORK}`)),
  );
  const times = await Promise.all(programs.map((program) => program.read("times")));
  await Promise.all(programs.map((program) => program.ended));
  return times.reduce((total, some) => total + some) * 1000 / SPIN_MS;
}

/** One worker and two take turns, so that other load of the machine affects both. */
async function measureGrowth(): Promise<void> {
  console.log("workers  answers/s  CPU µs an answer  clients' CPU, cores");
  const ratios = [];
  const machine = [];
  for (let round = 0; round < GROWTH_ROUNDS; round++) {
    const seen = [await answersPerSecond(1), await answersPerSecond(2)];
    seen.forEach(({ answers, cpuOfAnswer, clientCores }, i) => {
      const row = [
        String(i + 1),
        answers.toFixed(0),
        cpuOfAnswer.toFixed(1),
        clientCores.toFixed(2),
      ];
      console.log(row.map((text, k) => text.padStart([7, 11, 18, 21][k])).join(""));
    });
    ratios.push(seen[1].answers / seen[0].answers);
    const alone = await timesPerSecond(1);
    machine.push(await timesPerSecond(2) / alone);
  }
  const show = (numbers: number[]) =>
    `${median(numbers).toFixed(2)} (${numbers.map((number) => number.toFixed(2)).join(", ")})`;
  console.log(`two beside one: ${show(ratios)}, without a network: ${show(machine)}\n`);
}

if (process.argv[2] === "worker") {
  await work(process.argv[3], Number(process.argv[4]));
} else if (process.argv[2] === "spin") {
  spin(new Uint8Array(Number(process.argv[3])));
} else {
  const [peers = 20_000, workers = 6] = process.argv.slice(2).map(Number);
  if (peers > 0) await measureCrowd(peers, workers);
  await measureGrowth();
}
