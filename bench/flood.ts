/**
 * What a flood of forged CONNECTs, or HELLOs of encrypted connections, does to those who want to connect meanwhile, and
 * what it costs the server. The addresses are random ones of 127.0.0.0/8; sixteen honest clients connect with a round
 * trip of 100 ms, again and again. Run it on the runtime that it is to measure, after
 * `npx -y deno task build`:
 *
 *     deno run -A bench/flood.ts                     0, 5,000 and 50,000 a second, ten seconds each
 *     deno run -A bench/flood.ts 0 20000             these many a second, up to 1,000,000
 *     deno run -A bench/flood.ts --hellos            HELLOs without a cookie: 0, 50,000 and 300,000 a second
 *
 * `user µs` is the CPU time of the server outside the kernel for each HELLO, so all that is not system calls, without
 * what the server has used while nothing was forged. `a core` is how many HELLOs one core would answer in a second, by
 * what the server has used, system calls included.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "../tools/build.ts";

const SECONDS = 10;
const CLIENTS = 16;
const DELAY_MS = 50;

/** A running program whose lines are a word and a number each. */
class Program {
  readonly #child;
  readonly #lines;

  constructor(command: string[]) {
    const stdio = ["pipe", "pipe", "inherit"] as const;
    this.#child = spawn(command[0], command.slice(1), { stdio: [...stdio] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Reads up to the line with this word. */
  async read(last: string): Promise<Record<string, number>> {
    const values: Record<string, number> = {};
    while (!(last in values)) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`The program has ended before it printed ${last}`);
      const [word, number] = value.split(" ");
      values[word] = Number(number);
    }
    return values;
  }

  /** Has it begin a new measurement. */
  mark(): void {
    this.#child.stdin!.write("\n");
  }

  /** Ends its input. */
  end(): void {
    this.#child.stdin!.end();
  }
}

const flood = `${await build("benches")}/bench_flood`;
const hellos = process.argv.includes("--hellos");
const rates = process.argv.slice(2).filter((argument) => argument !== "--hellos").map(Number);

/** The command of a program of this folder, on this runtime. */
const program = (file: string, ...args: number[]) => [
  ...["env", `ENCRYPTED=${hellos ? "chacha" : ""}`, process.execPath],
  ..."Deno" in globalThis ? ["run", "-A", "--no-check"] : [],
  fileURLToPath(new URL(file, import.meta.url)),
  ...args.map(String),
];

/** Floods the server. @returns what the flood and the honest clients tell */
async function load(port: number, rate: number): Promise<Record<string, number>> {
  const flooding = [flood, ...[port, rate, SECONDS].map(String)];
  if (!hellos) {
    const both = new Program([...flooding, `${CLIENTS}`, `${DELAY_MS}`]);
    const told = await both.read("most");
    both.end();
    return told;
  }
  const forging = new Program(flooding);
  const clients = new Program(program("./flood_clients.ts", port, SECONDS, CLIENTS, DELAY_MS));
  const told = { ...await forging.read("forged"), ...await clients.read("most") };
  forging.end();
  clients.end();
  return told;
}

const server = new Program(program("./flood_server.ts"));
const { port } = await server.read("port");

const more = hellos ? "  answered  user µs   a core" : "";
console.log(
  `a second   forged  connected  failed  p50 ms  p99 ms  most ms  CPU %  half-open${more}`,
);
let userBefore = 0;
const all = hellos ? [0, 50_000, 300_000] : [0, 5000, 50_000];
for (const rate of rates.length > 0 ? rates : all) {
  server.mark();
  await server.read("cpu");
  const { forged, connected, failed, p50, p99, most } = await load(port, rate);
  server.mark();
  const { cpu, user, retries, "half-open": halfOpen } = await server.read("cpu");
  const columns: [number, number][] = [[rate, 8], [forged, 9], [connected, 11], [failed, 8]];
  const times: [number, number][] = [[p50, 8], [p99, 8], [most, 9], [100 * cpu / SECONDS, 7]];
  const ofHellos = [
    `${retries}`.padStart(10),
    rate === 0 ? "".padStart(9) : (1e6 * (user - userBefore) / retries).toFixed(2).padStart(9),
    (retries / cpu).toFixed(0).padStart(9),
  ];
  if (rate === 0) userBefore = user;
  console.log(
    columns.map(([number, width]) => `${number}`.padStart(width)).join("") +
      times.map(([number, width]) => number.toFixed(0).padStart(width)).join("") +
      `${halfOpen}`.padStart(11) + (hellos ? ofHellos.join("") : ""),
  );
}
server.end();
