/**
 * How old reliable messages of a steady stream are when they arrive, where some datagrams are lost: the simulated
 * network of `conditions` on loopback, both ends in this process, so that they share a clock.
 *
 *     deno run -A bench/age.ts [--rtt 50] [--loss 1] [--jitter 0] [--rate 60] [--seconds 20] [--streams 8]
 *         [--checkout FOLDER]
 *
 * Times are milliseconds, `--loss` is percent in each direction, `--rate` messages a second of each stream.
 * `--jitter` is how much the delay of each direction varies at most. With `--checkout`, the library of
 * another checkout, which is built, is measured beside this one, in turns of a few seconds, each in a process.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs, promisify } from "node:util";
import { fail, print, root } from "../tools/_run.ts";
import { runtimeCommand } from "./_program.ts";

type Peer = import("../mod.ts").Peer;
type Library = typeof import("../mod.ts");

const TURN_SECONDS = 5;
const HEADER_BYTES = 64;
const PATIENCE_MS = 10_000;

function readArguments() {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((argument) => argument !== "--"),
    options: {
      rtt: { type: "string", default: "50" },
      loss: { type: "string", default: "1" },
      jitter: { type: "string", default: "0" },
      rate: { type: "string", default: "60" },
      seconds: { type: "string", default: "20" },
      streams: { type: "string", default: "8" },
      checkout: { type: "string" },
      turn: { type: "string" },
    },
  });
  const number = (
    name: "rtt" | "loss" | "jitter" | "rate" | "seconds" | "streams",
    low: number,
  ) => {
    const value = Number(values[name]);
    if (!(value >= low)) {
      throw new Error(`--${name} must be a number from ${low}, not ${values[name]}`);
    }
    return value;
  };
  return {
    rtt: number("rtt", 0),
    loss: number("loss", 0),
    jitter: number("jitter", 0),
    rate: number("rate", 1),
    seconds: number("seconds", 1),
    streams: number("streams", 1),
    checkout: values.checkout,
    /** In the process of a turn: its number. */
    turn: values.turn === undefined ? undefined : Number(values.turn),
  };
}

type Arguments = ReturnType<typeof readArguments>;

/** What came of the streams of some seconds. */
interface Result {
  readonly ages: number[];
  /** `null` where the library does not tell. */
  readonly resent: number | null;
  readonly needless: number | null;
}

async function measure(library: Library, options: Arguments, seed: number): Promise<Result> {
  const { rtt, loss, jitter, rate, streams, seconds } = options;
  const ages: number[] = [];
  await using server = await library.Host.listen({ hostname: "127.0.0.1" }, {
    receive(_peer, _channelId, packet) {
      const view = packet.view;
      ages.push(performance.now() - new DataView(view.buffer, view.byteOffset).getFloat64(0));
    },
  });
  await using stack = new AsyncDisposableStack();
  const peers: Peer[] = [];
  for (let i = 0; i < streams; i++) {
    // An own host each, so that each has its own link.
    const conditions = {
      latencyMs: rtt / 2,
      jitterMs: jitter,
      loss: loss / 100,
      seed: seed * 100 + i,
    };
    const host = stack.use(await library.Host.create({ conditions }));
    peers.push(await host.connect(server.address, { timeoutMs: PATIENCE_MS }));
  }
  const message = new Uint8Array(HEADER_BYTES);
  const view = new DataView(message.buffer);
  const began = performance.now();
  const total = Math.round(seconds * rate);
  for (let tick = 0; tick < total; tick++) {
    const wait = began + tick * 1000 / rate - performance.now();
    if (wait > 0) await sleep(wait);
    for (const peer of peers) {
      view.setFloat64(0, performance.now());
      peer.send(0, message);
    }
  }
  const end = performance.now() + PATIENCE_MS;
  while (ages.length < total * streams && performance.now() < end) await sleep(10);
  const sum = (name: string) =>
    peers.reduce(
      (sum, { stats }) => sum + Number((stats as unknown as Record<string, unknown>)[name] ?? NaN),
      0,
    );
  return { ages, resent: sum("retransmitted"), needless: sum("needlesslyRetransmitted") };
}

const percentile = (sorted: readonly number[], percent: number) =>
  sorted[Math.floor((sorted.length - 1) * percent / 100)];

function toLine(name: string, results: readonly Result[], rtt: number): string {
  const ages = results.flatMap(({ ages }) => ages).sort((a, b) => a - b);
  const sum = (of: (result: Result) => number | null) =>
    results.reduce((sum, result) => sum + (of(result) ?? 0), 0);
  const shown = [50, 99, 99.9].map((percent) => {
    const age = percentile(ages, percent);
    return `p${percent} ${age.toFixed(1)} ms (${(age / rtt).toFixed(2)} round trips)`;
  });
  const counted = results.some(({ resent }) => resent === null)
    ? ""
    : `, ${sum(({ resent }) => resent)} sent again, ${
      sum(({ needless }) => needless)
    } of them needlessly`;
  return `${name.padEnd(10)}${ages.length} messages: ${shown.join(", ")}${counted}`;
}

/** Measures one library for one turn, in a process of its own: a process can load one native library. */
async function measureInProcess(
  folder: string,
  options: Arguments,
  seconds: number,
  turn: number,
): Promise<Result> {
  const { rtt, loss, jitter, rate, streams } = options;
  const numbers = { rtt, loss, jitter, rate, streams, seconds, turn };
  const [command, ...args] = runtimeCommand("deno", "age.ts", [
    ...Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, value]),
    ...["--checkout", folder],
  ]);
  const { stdout } = await promisify(execFile)(command, args, { maxBuffer: 2 ** 28 });
  return JSON.parse(stdout);
}

async function main(): Promise<void> {
  const options = readArguments();
  const { rtt, loss, jitter, rate, seconds, checkout, turn } = options;
  if (turn !== undefined) {
    const library: Library = await import(pathToFileURL(resolve(checkout ?? root, "mod.ts")).href);
    return print(JSON.stringify(await measure(library, options, turn)));
  }
  const folders: [string, string][] = [["here", root]];
  if (checkout !== undefined) folders.push(["checkout", resolve(checkout)]);
  const results = folders.map((): Result[] => []);
  for (let left = seconds, turn = 1; left > 0; left -= TURN_SECONDS, turn++) {
    for (const [i, [, folder]] of folders.entries()) {
      results[i].push(await measureInProcess(folder, options, Math.min(left, TURN_SECONDS), turn));
    }
  }
  print(`${rtt} ms round trip, ${loss} % loss, ${jitter} ms jitter, ${rate} messages a second\n`);
  for (const [i, [name]] of folders.entries()) print(`${toLine(name, results[i], rtt)}\n`);
}

await main().catch(fail);
