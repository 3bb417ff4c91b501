/**
 * The command `enet bench`: throughput and latency of one connection.
 *
 * @module
 */
import { Host } from "../../host.ts";
import type { Peer } from "../../peer.ts";
import { type Command, command, type Values } from "../frame/command.ts";
import { type OptionTable, UsageError } from "../frame/options.ts";
import type { Terminal } from "../frame/terminal.ts";
import {
  CONNECT_OPTIONS,
  openClient,
  routeOf,
  TOKEN_OPTION,
  wireOptions,
} from "../net/connecting.ts";
import { RoundTrips, SUMMARY_FIELDS, summaryFields, summaryText } from "../net/round_trips.ts";

const OPERANDS = {
  address: {
    value: "HOST:PORT",
    help: "the server; none with --local",
    isOptional: true,
  },
} as const;

const OPTIONS = {
  local: { kind: "flag", help: "measure this machine: two hosts of one process" },
  only: {
    kind: "choice",
    value: "WHAT",
    choices: ["both", "latency", "throughput"],
    initial: "both",
    help: "what to measure",
  },
  seconds: {
    kind: "seconds",
    short: "t",
    value: "S",
    minimum: 0.001,
    maximum: 86_400,
    initial: 5,
    help: "how long to measure each",
  },
  size: {
    kind: "integer",
    value: "N",
    minimum: 0,
    maximum: 2 ** 25,
    initial: 64,
    help: "bytes of a message",
  },
  ...CONNECT_OPTIONS,
  ...TOKEN_OPTION,
} as const satisfies OptionTable;

const LINES = {
  latency: {
    help: "when the latency has been measured",
    fields: { size: "bytes of a message", messages: "one after another", ...SUMMARY_FIELDS },
  },
  throughput: {
    help: "when the throughput has been measured",
    fields: {
      size: "bytes of a message",
      messages: "that the server has acknowledged",
      seconds: "that this has taken",
      messagesPerSecond: "both divided",
      bytesPerSecond: "of the messages, without headers",
      retransmitted: "commands that ENet had to send again",
    },
  },
} as const;

type BenchValues = Values<typeof OPERANDS, typeof OPTIONS>;
type BenchTerminal = Terminal<typeof LINES>;

/** Messages that are sent before the clock is looked at. */
const BATCH = 32;

/** How often what is known so far is shown. */
const SHOWN_MS = 200;

/** Numbers for people: `1,234,567`. */
const grouped = (value: number) => Math.round(value).toLocaleString("en-US");

/** Bytes a second for people. */
const rate = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e8 ? 2 : 0)} MB/s`;

/** One message after another: the next one leaves when the last one has been acknowledged. */
async function measureLatency({ seconds, size }: BenchValues, peer: Peer, terminal: BenchTerminal) {
  const roundTrips = new RoundTrips();
  const bytes = new Uint8Array(size);
  const end = performance.now() + seconds * 1000;
  let shownAt = 0;
  for (let now = performance.now(); now < end && !terminal.stop.aborted;) {
    await peer.deliver(0, bytes);
    const after = performance.now();
    roundTrips.record(after - now);
    now = after;
    if (now - shownAt < SHOWN_MS) continue;
    shownAt = now;
    terminal.live([`latency     ${summaryText(roundTrips.summary()!)}`]);
  }
  const summary = roundTrips.summary();
  const { count: messages } = roundTrips;
  const text = summary && `latency     ${summaryText(summary)}`;
  terminal.print("latency", { size, messages, ...summaryFields(summary) }, text);
}

/** As many messages as the server acknowledges. */
async function measureThroughput(
  { seconds, size }: BenchValues,
  peer: Peer,
  terminal: BenchTerminal,
) {
  const bytes = new Uint8Array(size);
  const before = peer.stats.retransmitted;
  const start = performance.now();
  const end = start + seconds * 1000;
  let messages = 0;
  let shownAt = start;
  const perSecond = () => messages * 1000 / (performance.now() - start);
  for (let now = start; now < end && !terminal.stop.aborted; now = performance.now()) {
    let hasRoom = true;
    for (let i = 0; i < BATCH && hasRoom; i++, messages++) hasRoom = peer.send(0, bytes);
    if (!hasRoom) await peer.drain();
    if (now - shownAt < SHOWN_MS) continue;
    shownAt = now;
    terminal.live([`throughput  ${grouped(perSecond())} messages/s`]);
  }
  await peer.deliver(0, bytes); // The channel is in order: all before it have arrived, too.
  messages++;
  const messagesPerSecond = Math.round(perSecond());
  const bytesPerSecond = messagesPerSecond * size;
  const retransmitted = peer.stats.retransmitted - before;
  const passed = Math.round(performance.now() - start) / 1000;
  const fields = {
    size,
    messages,
    seconds: passed,
    messagesPerSecond,
    bytesPerSecond,
    retransmitted,
  };
  const again = retransmitted === 0 ? "" : `, ${grouped(retransmitted)} retransmitted`;
  terminal.print(
    "throughput",
    fields,
    `throughput  ${grouped(messagesPerSecond)} messages/s of ${size} bytes, ${
      rate(bytesPerSecond)
    }${again}`,
  );
}

async function measure(values: BenchValues, peer: Peer, terminal: BenchTerminal): Promise<number> {
  if (values.only !== "throughput") await measureLatency(values, peer, terminal);
  if (values.only !== "latency" && !terminal.stop.aborted) {
    await measureThroughput(values, peer, terminal);
  }
  return 0;
}

async function runBench(values: BenchValues, terminal: BenchTerminal): Promise<number> {
  const { local, address } = values;
  if (local === (address !== undefined)) {
    throw new UsageError("say what to measure: HOST:PORT, or --local");
  }
  if (!local) {
    const route = await routeOf({ ...values, address: address! }, terminal);
    await using client = await openClient(route);
    return await measure(values, client.peer, terminal);
  }
  if (values["server-key"] !== undefined) {
    throw new UsageError("--server-key is for HOST:PORT: --local has no encryption");
  }
  const hostname = "127.0.0.1";
  await using server = await Host.listen({ hostname, ...wireOptions(values) }, { receive() {} });
  const name = `${hostname}:${server.address.port}`;
  const route = await routeOf({ ...values, address: name }, terminal);
  await using client = await openClient(route);
  return await measure(values, client.peer, terminal);
}

/** The command. */
export const bench: Command = command({
  name: "bench",
  summary: "Measure the throughput and the latency of a connection",
  operands: OPERANDS,
  options: OPTIONS,
  lines: LINES,
  example: "enet bench --local --seconds 0.2",
  notes: [
    "Latency: one reliable message after another, each until it has been acknowledged. Throughput: as many reliable " +
    "messages as the server acknowledges. The server's program gets all of them: enet serve sink is one that takes " +
    "them.",
    "With --local, both sides share a thread: a server of its own has more throughput. Exit status: 0 after a " +
    "measurement, also one that Ctrl-C has ended; 1 after a failure; 2 for wrong usage.",
  ],
  run: runBench,
});
