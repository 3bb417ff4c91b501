/**
 * Many WebSocket clients at one server: CPU time for each client, and the time of a message there and back, of
 * `listenSockets`, and of a host with a `Gateway`, beside the package `ws` alone. With one client more, that reads a
 * stream of 1.3 MB a second, and with that client stalled.
 *
 * Then `enet gateway --std` with a program that sends messages to all clients, and gets theirs; `--gwsocket PATH` puts
 * that program beside it.
 *
 *     deno run -A bench/gateway.ts [--clients 1000] [--rate 20] [--seconds 5] [--rounds 5] [--only PART]
 *       [--gwsocket PATH]
 *
 * @module
 */
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";
import { parseArgs } from "node:util";
import { installNpm } from "../tools/others.ts";
import { type Runtime, setup } from "../tools/setup.ts";
import { HOSTNAME } from "./programs/_common.ts";
import { median, Program, runtimeCommand } from "./_program.ts";
import { WS_VERSION } from "./workloads/rivals.ts";

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    clients: { type: "string", default: "1000" },
    rate: { type: "string", default: "20" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "5" },
    only: { type: "string", default: "" },
    gwsocket: { type: "string" },
  },
});
const [clients, rate, seconds, rounds] = [
  values.clients,
  values.rate,
  values.seconds,
  values.rounds,
].map(Number);

await setup();
const ws = await installNpm("ws", WS_VERSION);
const RUNTIMES = ["node", "bun", "deno"] as const;
const ALL: { name: string; runtime: Runtime; args: string[]; dialect: "bare" | "enet" }[] = [
  { name: "ws alone, node", runtime: "node", args: ["ws", ws], dialect: "bare" },
  ...RUNTIMES.map((runtime) => ({
    ...{ name: `listenSockets, ${runtime}`, runtime, args: ["sockets"], dialect: "bare" as const },
  })),
  ...RUNTIMES.map((runtime) => ({
    ...{ name: `Gateway, ${runtime}`, runtime, args: ["host"], dialect: "enet" as const },
  })),
];
const SERVERS = ALL.filter(({ name }) => name.includes(values.only));

interface Measured {
  p50: number;
  p99: number;
  cpu: number;
}

type Server = typeof SERVERS[number];

async function measure({ runtime, args, dialect }: Server, mode: string): Promise<Measured> {
  const command = runtimeCommand(runtime, "programs/gateway_server.ts", args);
  await using server = new Program(command, "pipe");
  const [port, marks] = [await server.read("port"), await server.read("marks")];
  const load = [port, marks, clients, rate, seconds, mode, dialect];
  await using program = new Program(runtimeCommand("node", "programs/gateway_clients.ts", load));
  const { p50, p99, measured } = await program.readAll("p50", "p99", "measured");
  const usage = await server.readAll("seconds", "user", "system");
  warnOfLoss(measured, "back");
  return { p50, p99, cpu: (usage.user + usage.system) / usage.seconds };
}

/** Servers with a program at their standard input and output. */
const PIPED: { name: string; command(port: number): string[] }[] = [
  ...RUNTIMES.map((runtime) => ({
    name: `enet gateway, ${runtime}`,
    command: (port: number) =>
      runtimeCommand(runtime, "../lib/cli/main.ts", [
        ...["gateway", "--std", "--addr", HOSTNAME, "--port", port],
      ]),
  })),
  ...values.gwsocket === undefined ? [] : [{
    name: "gwsocket",
    command: (port: number) => [values.gwsocket!, "--std", `--addr=${HOSTNAME}`, `--port=${port}`],
  }],
].filter(({ name }) => name.includes(values.only));

/** A port that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, HOSTNAME), "listening");
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function measurePiped({ command }: typeof PIPED[number]): Promise<Measured> {
  const port = await freePort();
  const load = [port, clients, rate, seconds, ...command(port)];
  await using program = new Program(runtimeCommand("node", "programs/gateway_std.ts", load));
  const { p50, p99, cpu, measured, heard } = await program
    .readAll("p50", "p99", "cpu", "measured", "heard");
  for (const [what, count] of [["to clients", measured], ["to the program", heard]] as const) {
    warnOfLoss(count, what);
  }
  return { p50, p99, cpu };
}

/** Says so if messages were lost. */
function warnOfLoss(count: number, what: string): void {
  const share = count / (clients * rate * seconds);
  if (share < 0.98) console.warn(`only ${(share * 100).toFixed(0)} % of the messages came ${what}`);
}

const MODES = ["reads", "stalls"] as const;
const results = new Map<string, Measured[]>();
for (let round = 0; round < rounds; round++) {
  for (const server of SERVERS) {
    // The order of the two changes, so that a drift of the machine meets both.
    for (const mode of round % 2 === 0 ? MODES : MODES.toReversed()) {
      const key = `${server.name} ${mode}`;
      results.set(key, [...results.get(key) ?? [], await measure(server, mode)]);
    }
  }
  for (const server of PIPED) {
    results.set(server.name, [...results.get(server.name) ?? [], await measurePiped(server)]);
  }
}

const of = (list: Measured[], key: keyof Measured) => median(list.map((one) => one[key]));

/** The beginning of a row. */
function cells(name: string, list: Measured[]): string {
  const cpu = of(list, "cpu");
  return name.padEnd(20) + `${(cpu * 100 / clients).toFixed(3)} %`.padStart(13) +
    (cpu * 1e6 / (clients * rate)).toFixed(1).padStart(12) +
    [of(list, "p50"), of(list, "p99")].map((us) => (us / 1000).toFixed(2).padStart(10)).join("");
}

console.log(`${clients} clients, ${rate} messages a second each way; medians of ${rounds} rounds`);
console.log("server               CPU a client  µs/message    p50 ms    p99 ms   p99 stalled");
for (const { name } of SERVERS) {
  const [reads, stalls] = MODES.map((mode) => results.get(`${name} ${mode}`)!);
  const ratio = median(stalls.map(({ p99 }, i) => p99 / reads[i].p99));
  const stalled = (of(stalls, "p99") / 1000).toFixed(2).padStart(10);
  console.log(`${cells(name, reads)}${stalled} × ${ratio.toFixed(2)}`);
}
for (const { name } of PIPED) console.log(cells(name, results.get(name)!));
