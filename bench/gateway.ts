/**
 * Many WebSocket clients at one server: CPU time for each client, and the time of a message there and back, beside the
 * package `ws` alone. With one client more, that reads a stream of 1.3 MB a second, and with that client stalled.
 *
 *     deno run -A bench/gateway.ts [--clients 1000] [--rate 20] [--seconds 5] [--rounds 5] [--only PART]
 *
 * @module
 */
import { parseArgs } from "node:util";
import process from "node:process";
import { installNpm } from "../tools/others.ts";
import { type Runtime, setup } from "../tools/setup.ts";
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
const ALL: { name: string; runtime: Runtime; args: string[] }[] = [
  { name: "ws alone, Node", runtime: "node", args: ["ws", ws] },
  ...(["node", "bun", "deno"] as const).map((runtime) => ({
    name: `listenSockets, ${runtime}`,
    runtime,
    args: ["sockets"],
  })),
];
const SERVERS = ALL.filter(({ name }) => name.includes(values.only));

interface Measured {
  p50: number;
  p99: number;
  cpu: number;
}

async function measure({ runtime, args }: typeof SERVERS[number], mode: string): Promise<Measured> {
  const command = runtimeCommand(runtime, "programs/gateway_server.ts", args);
  await using server = new Program(command, "pipe");
  const port = await server.read("port");
  const load = [port, clients, rate, seconds, mode];
  await using program = new Program(runtimeCommand("node", "programs/gateway_clients.ts", load));
  const { p50, p99 } = await program.readAll("p50", "p99");
  const usage = await server.readAll("seconds", "user", "system");
  return { p50, p99, cpu: (usage.user + usage.system) / usage.seconds };
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
}

console.log(`${clients} clients, ${rate} messages a second each way; medians of ${rounds} rounds`);
console.log("server                  CPU of a core   µs/message    p50 ms    p99 ms   p99 stalled");
for (const { name } of SERVERS) {
  const [reads, stalls] = MODES.map((mode) => results.get(`${name} ${mode}`)!);
  const of = (list: Measured[], key: keyof Measured) => median(list.map((one) => one[key]));
  const ratio = median(stalls.map(({ p99 }, i) => p99 / reads[i].p99));
  const cpu = of(reads, "cpu");
  console.log([
    name.padEnd(22),
    `${(cpu * 100).toFixed(0)} %`.padStart(14),
    (cpu * 1e6 / (clients * rate)).toFixed(1).padStart(13),
    ...[of(reads, "p50"), of(reads, "p99"), of(stalls, "p99")].map((us) =>
      (us / 1000).toFixed(2).padStart(10)
    ),
    `× ${ratio.toFixed(2)}`.padStart(8),
  ].join(""));
}
