/**
 * Receiving large packets and forwarding each to eight peers: without a copy, with copies, and a C
 * program on the same libenet. The load is a C program every time. Run it with
 *
 *     deno run -A bench/forward.ts
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "../tools/build.ts";
import { runtimes } from "../tools/setup.ts";

const ROUNDS = 5;
const PEERS = 8;
const WORKLOADS = [
  { name: "64 KiB", size: 65_536 + 1, count: 800 },
  { name: "1 MiB", size: 2 ** 20, count: 60 },
];

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const program = `${await build("benches")}/bench_forward`;
const { deno, bun, node } = runtimes();
const server = path("./forward_server.ts");
const SERVERS: [string, string[]][] = [
  ["c", [program, "serve"]],
  ["deno", [deno, "run", "-A", "--no-check", server]],
  ["bun", [bun, server]],
  ["node", [node, "--disable-warning=ExperimentalWarning", server]],
];

/** A running program whose lines are a word and a number each. */
class Program {
  readonly ended: Promise<unknown>;
  readonly #values = new Map<string, PromiseWithResolvers<number>>();

  constructor(command: string[]) {
    const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
    this.ended = once(child, "close");
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [word, number] = line.split(" ");
      this.#value(word).resolve(Number(number));
    });
  }

  #value(word: string): PromiseWithResolvers<number> {
    const value = this.#values.get(word) ?? Promise.withResolvers<number>();
    this.#values.set(word, value);
    return value;
  }

  /** The number behind a word, once it has been printed. */
  read(word: string): Promise<number> {
    return this.#value(word).promise;
  }
}

/** One run: seconds until everything has arrived, and CPU seconds of the server. */
async function measure(command: string[], size: number, count: number) {
  const server = new Program(command);
  const port = await server.read("port");
  const load = new Program([program, "load", `${port}`, `${size}`, `${count}`, `${PEERS}`]);
  const seconds = await load.read("seconds");
  const cpu = await server.read("cpu");
  await Promise.all([server.ended, load.ended]);
  return { seconds, cpu };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

console.log(
  `MB/s received and forwarded to ${PEERS} peers, median of ${ROUNDS} rounds; server's CPU`,
);
console.log("size      server  way          MB/s   to C    CPU s   to C");
for (const { name, size, count } of WORKLOADS) {
  const seen = new Map<string, { seconds: number[]; cpu: number[] }>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [runtime, command] of SERVERS) {
      for (const way of runtime === "c" ? ["zero-copy"] : ["zero-copy", "copy"]) {
        const { seconds, cpu } = await measure(
          runtime === "c" ? command : [...command, way],
          size,
          count,
        );
        const key = `${runtime.padEnd(8)}${way}`;
        const entry = seen.get(key) ?? { seconds: [], cpu: [] };
        entry.seconds.push(seconds);
        entry.cpu.push(cpu);
        seen.set(key, entry);
      }
    }
  }
  const c = seen.get("c       zero-copy")!;
  for (const [key, { seconds, cpu }] of seen) {
    const rate = size * count * PEERS / 1e6 / median(seconds);
    console.log(
      `${name.padEnd(10)}${key.padEnd(20)}${rate.toFixed(0).padStart(6)}` +
        `${(median(c.seconds) / median(seconds)).toFixed(2).padStart(7)}` +
        `${median(cpu).toFixed(2).padStart(9)}${
          (median(cpu) / median(c.cpu)).toFixed(2).padStart(7)
        }`,
    );
  }
}
