/**
 * What a flood of forged CONNECTs does to those who want to connect meanwhile, and what it costs the
 * server. The addresses are random ones of 127.0.0.0/8; sixteen honest clients connect with a round
 * trip of 100 ms, again and again. Run it on the runtime that it is to measure, after
 * `npx -y deno task build`:
 *
 *     deno run -A bench/flood.ts                     0, 5,000 and 50,000 a second, ten seconds each
 *     deno run -A bench/flood.ts 1000 20000          these many a second, up to 100,000
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
const rates = process.argv.slice(2).map(Number);
const runtime = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
const server = new Program([
  process.execPath,
  ...runtime,
  fileURLToPath(new URL("./flood_server.ts", import.meta.url)),
]);
const { port } = await server.read("port");

console.log("a second   forged  connected  failed  p50 ms  p99 ms  most ms  CPU %  half-open");
for (const rate of rates.length > 0 ? rates : [0, 5000, 50_000]) {
  const load = new Program([flood, ...[port, rate, SECONDS, CLIENTS, DELAY_MS].map(String)]);
  server.mark();
  await server.read("cpu");
  const { forged, connected, failed, p50, p99, most } = await load.read("most");
  server.mark();
  const { cpu, "half-open": halfOpen } = await server.read("cpu");
  load.end();
  const columns: [number, number][] = [[rate, 8], [forged, 9], [connected, 11], [failed, 8]];
  const times: [number, number][] = [[p50, 8], [p99, 8], [most, 9], [100 * cpu / SECONDS, 7]];
  console.log(
    columns.map(([number, width]) => `${number}`.padStart(width)).join("") +
      times.map(([number, width]) => number.toFixed(0).padStart(width)).join("") +
      `${halfOpen}`.padStart(11),
  );
}
server.end();
