/**
 * Links with distance: what bulk transfers, requests and game state meet on them, over stock ENet, this library, TCP,
 * WebSockets and QUIC. Two network namespaces are joined by bench/c/link.c, which gives each direction half of the round
 * trip, loss, a rate, and a queue of 100 ms. So every program passes the same link with its real kernel stack.
 *
 *     deno run -A bench/wan.ts [--short] [--rtt 10,50] [--loss 0,1] [--rate 20,100] [--seconds N] [--rounds N]
 *         [--only WORKLOAD] [--program NAME,…] [--runtime NAME]
 *
 * It needs Linux, root and /dev/net/tun; where they are not, it says so and measures nothing. It leaves nothing
 * behind, however it ends: the namespaces have no names and end with the programs in them.
 *
 * @module
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { fail, print, root } from "../tools/_run.ts";
import { build } from "../tools/build.ts";
import { dependencyFolder, setupDependencies } from "../tools/dependencies.ts";
import { installNpm } from "../tools/others.ts";
import { minimum, type Runtime } from "../tools/setup.ts";
import { certificateFile } from "./_certificate.ts";
import { cCommand, median, Program, runtimeCommand } from "./_program.ts";
import { short } from "./_report.ts";
import { WS_VERSION } from "./workloads/rivals.ts";

const RIGHT = "10.77.0.2";
const QUEUE_MS = 100;
const EARLY_SECONDS = 2;

/** How much longer the sender sends than the receiver counts. */
const MARGIN_SECONDS = 0.5;

/** What is sent at once: the sum of 1 (bulk), 2 (requests) and 4 (state). */
const WORKLOADS = { bulk: 1, request: 1 + 2, state: 4, together: 1 + 2 + 4 } as const;

/** How often the senders without a pump service their hosts. They run only where `--program` names one. */
const TICKS_PER_SECOND = [60, 1000] as const;
const isTicking = (program: string) => program.endsWith(" Hz");

/** Two bulk transfers at once over one link: whose part is told, and beside whom. */
const NEIGHBOURS = "neighbours";

/** A link. */
interface Link {
  readonly rttMs: number;
  readonly lossPercent: number;
  readonly mbit: number;
}

/** The commands of the two ends. */
interface Ends {
  readonly receive: (args: unknown[]) => string[];
  readonly send: (args: unknown[]) => string[];
}

/** What is measured. */
export interface Row extends Link {
  readonly workload: string;
  readonly program: string;
  readonly values: Readonly<Record<string, number>>;
}

function numbers(text: string, name: string): number[] {
  const list = text.split(",").map(Number);
  if (list.some((number) => !(number >= 0))) throw new Error(`--${name} must be numbers: ${text}`);
  return list;
}

function readArguments() {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((argument) => argument !== "--"),
    options: {
      short: { type: "boolean", default: false },
      rtt: { type: "string", default: "10,50,150" },
      loss: { type: "string", default: "0,1,5" },
      rate: { type: "string", default: "20,100" },
      seconds: { type: "string" },
      rounds: { type: "string" },
      only: { type: "string", default: "" },
      program: { type: "string", default: "" },
      runtime: { type: "string", default: "node" },
      out: { type: "string", default: `${root}/bench/out` },
    },
  });
  const [seconds] = numbers(values.seconds ?? (values.short ? "1" : "20"), "seconds");
  const [rounds] = numbers(values.rounds ?? (values.short ? "1" : "3"), "rounds");
  if (seconds < 1 || seconds > 60) throw new Error(`--seconds must be from 1 to 60: ${seconds}`);
  if (!(values.runtime in minimum)) {
    throw new Error(`--runtime must be one of ${Object.keys(minimum).join(", ")}`);
  }
  const rates = numbers(values.rate, "rate");
  const losses = numbers(values.loss, "loss");
  const links = numbers(values.rtt, "rtt").flatMap((rttMs) =>
    losses.flatMap((lossPercent) => rates.map((mbit): Link => ({ rttMs, lossPercent, mbit })))
  );
  const chosen = values.program === "" ? [] : values.program.split(",");
  return { ...values, seconds, rounds, links, chosen, runtime: values.runtime as Runtime };
}

/**
 * The programs: stock ENet and the library, each with each; TCP; WebSockets; QUIC, which Deno has; a browser before a
 * gateway, without and with WebRTC.
 */
async function programs(runtime: Runtime): Promise<Record<string, Ends>> {
  const of = (command: (args: unknown[]) => string[]): Ends => ({
    receive: (args) => command(["receive", ...args]),
    send: (args) => command(["send", ...args]),
  });
  const carried = (runtime: Runtime, carrier: string, parameter: string | number = 0) =>
    of(([role, ...args]) =>
      runtimeCommand(runtime, "programs/wan.ts", [role, carrier, parameter, ...args])
    );
  const c = of((args) => cCommand("wan", args));
  const library = carried(runtime, "enet");
  const certificate = certificateFile();
  if (certificate === undefined) print("QUIC is left out: openssl makes its certificate\n");
  return {
    c,
    [runtime]: library,
    [`${runtime} to c`]: { send: library.send, receive: c.receive },
    [`c to ${runtime}`]: { send: c.send, receive: library.receive },
    tcp: carried(runtime, "tcp"),
    ws: carried("node", "ws", await installNpm("ws", WS_VERSION)),
    ...certificate === undefined ? {} : { quic: carried("deno", "quic", certificate) },
    gateway: carried(runtime, "gateway"),
    ...existsSync(dependencyFolder("node-datachannel")) && { webrtc: carried(runtime, "webrtc") },
    ...Object.fromEntries(TICKS_PER_SECOND.map((perSecond) => [
      `${runtime} ${perSecond} Hz`,
      { ...library, send: carried(runtime, "enet", perSecond).send },
    ])),
  };
}

/** Opens a link; it ends when it is disposed of. */
function openLink({ rttMs, lossPercent, mbit }: Link, seed: number): Program {
  const rate = mbit * 1e6 / 8;
  return new Program(
    cCommand("link", ["open", rttMs, 0, lossPercent, rate, QUEUE_MS, seed]),
    "pipe",
  );
}

/** Starts a program in the namespace at one end of a link. */
type Start = (end: "left" | "right", command: string[]) => Program;

/** What starts programs on a link. */
async function starter(emulated: Program): Promise<Start> {
  const at = await emulated.readAll("pid", "left", "right");
  return (end, command) =>
    new Program(cCommand("link", ["run", `/proc/${at.pid}/fd/${at[end]}`, ...command]));
}

/** Measures two programs that send bulk at once on one link: bytes of each after a while. */
async function measureNeighbours(
  link: Link,
  both: readonly Ends[],
  seconds: number,
  seed: number,
) {
  await using emulated = openLink(link, seed);
  const start = await starter(emulated);
  await using programs = new AsyncDisposableStack();
  const receivers: Program[] = [];
  for (const ends of both) {
    const receiver = programs.use(start("right", ends.receive([RIGHT, seconds])));
    const port = await receiver.read("port");
    const time = seconds + MARGIN_SECONDS;
    programs.use(start("left", ends.send([RIGHT, port, time, WORKLOADS.bulk])));
    receivers.push(receiver);
  }
  const early = Math.min(seconds, EARLY_SECONDS);
  const rates = await Promise.all(receivers.map(async (receiver) => {
    const came = await receiver.readAll("early", "bytes");
    return (came.bytes - came.early) / Math.max(seconds - early, 1) / 1e6;
  }));
  return { "MB/s": rates[0], "MB/s beside": rates[1] };
}

/** Measures one program with one workload on one link. */
async function measure(link: Link, ends: Ends, loads: number, seconds: number, seed: number) {
  await using emulated = openLink(link, seed);
  const start = await starter(emulated);
  await using receiver = start("right", ends.receive([RIGHT, seconds]));
  const port = await receiver.read("port");
  const time = seconds + MARGIN_SECONDS;
  await using sender = start("left", ends.send([RIGHT, port, time, loads]));
  const came = await receiver.readAll("early", "bytes", "states", "last", "age50", "age99");
  const asked = await sender.readAll("requests", "p50", "p99");
  const early = Math.min(seconds, EARLY_SECONDS);
  const rest = seconds - early;
  return {
    ...(loads & 1) === 0 ? {} : {
      "MB/s": came.bytes / seconds / 1e6,
      ...rest > 0 ? { "MB/s after 2 s": (came.bytes - came.early) / rest / 1e6 } : {},
    },
    ...(loads & 2) === 0 ? {} : { "p50 ms": asked.p50, "p99 ms": asked.p99 },
    ...(loads & 4) === 0 ? {} : {
      "age p50 ms": came.age50,
      "age p99 ms": came.age99,
      "arrive %": came.last > 0 ? came.states / came.last * 100 : 0,
    },
  };
}

/** Whether there can be a link here; says why not. */
async function canEmulate(): Promise<boolean> {
  try {
    if (process.platform !== "linux") throw new Error("network namespaces are Linux's");
    await using emulated = openLink({ rttMs: 1, lossPercent: 0, mbit: 1 }, 1);
    await emulated.read("pid");
    return true;
  } catch (error) {
    print(`No link can be emulated here, so nothing is measured: ${(error as Error).message}\n`);
    return false;
  }
}

const keyOf = ({ rttMs, lossPercent, mbit, workload, program }: Row) =>
  [rttMs, lossPercent, mbit, workload, program].join();

/** The medians of the rounds. */
function medians(samples: readonly Row[]): Row[] {
  const groups = Map.groupBy(samples, keyOf);
  return [...groups.values()].map((rows) => ({
    ...rows[0],
    values: Object.fromEntries(
      Object.keys(rows[0].values).map((metric) => [
        metric,
        median(rows.map(({ values }) => values[metric])),
      ]),
    ),
  }));
}

function toLine({ rttMs, lossPercent, mbit, workload, program, values }: Row): string {
  const link = `${rttMs} ms ${lossPercent} % ${mbit} Mbit/s`.padEnd(24);
  const cells = Object.entries(values).map(([metric, value]) =>
    `${short(value)} ${metric}`.padEnd(22)
  );
  return `${link}${workload.padEnd(11)}${program.padEnd(14)}${cells.join("")}`.trimEnd();
}

async function main(): Promise<void> {
  const { links, seconds, rounds, only, chosen, runtime, out } = readArguments();
  await build("benches");
  if (!await canEmulate()) return;
  await setupDependencies();
  const ends = await programs(runtime);
  const isChosen = (name: string) => chosen.length === 0 ? !isTicking(name) : chosen.includes(name);
  const all = Object.entries(ends).filter(([name]) => isChosen(name));
  const pairs = [["c", "c"], ["c", runtime], [runtime, runtime]] as const;
  const workloads = Object.entries(WORKLOADS).filter(([name]) => name.includes(only));
  const jobs = links.flatMap((link) => [
    ...workloads.flatMap(([workload, loads]) =>
      all.map(([name, ends]) => ({
        ...{ link, workload, name },
        run: (seed: number) => measure(link, ends, loads, seconds, seed),
      }))
    ),
    ...pairs.filter((pair) => NEIGHBOURS.includes(only) && pair.every(isChosen)).map((
      [one, other],
    ) => ({
      ...{ link, workload: NEIGHBOURS, name: `${one} by ${other}` },
      run: (seed: number) => measureNeighbours(link, [ends[one], ends[other]], seconds, seed),
    })),
  ]);
  if (jobs.length === 0) throw new Error("No program and workload have these names");
  const samples: Row[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const { link, workload, name, run } of jobs) {
      try {
        const values = await run(round);
        const row: Row = { ...link, workload, program: name, values };
        samples.push(row);
        print(`${toLine(row)}\n`);
      } catch (error) {
        process.exitCode = 1;
        print(`${name}, ${workload} failed: ${(error as Error).message}\n`);
      }
    }
  }
  const rows = medians(samples);
  mkdirSync(out, { recursive: true });
  writeFileSync(`${out}/wan.json`, `${JSON.stringify({ seconds, rounds, rows }, null, 2)}\n`);
  if (rounds > 1) print(`\nMedians of ${rounds} rounds\n\n${rows.map(toLine).join("\n")}\n`);
}

if (import.meta.main) await main().catch(fail);
