/**
 * The command `enet load`: many peers at once, and how the server takes it.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { PacketFlag } from "../../packet_flag.ts";
import { type Command, command, type Values } from "../frame/command.ts";
import type { Terminal } from "../frame/terminal.ts";
import { table } from "../frame/text.ts";
import { ADDRESS_OPERAND, routeOf } from "../net/connecting.ts";
import { pause } from "../net/pause.ts";
import { ms, summaryFields, summaryText } from "../net/round_trips.ts";
import { short } from "./charts.ts";
import { Crowd } from "./crowd.ts";
import { LINES, OPTIONS } from "./options.ts";
import { loadPlayer, plainPlayer } from "./player.ts";
import { reportPage } from "./report.ts";
import { type Counts, type Sample, Tally } from "./tally.ts";

type LoadValues = Values<typeof ADDRESS_OPERAND, typeof OPTIONS>;
type LoadTerminal = Terminal<typeof LINES>;

/** Above this lateness of a hundredth of the messages, the figures are those of this process. */
const LATE_MS = 50;

const SAMPLE_MS = 1000;

/** The last sample and the sums, for a person who watches. */
function liveTable(tally: Tally, values: LoadValues, sample: Sample): string[] {
  const rate = (value: number) => `${short(value)}/s`;
  const failed = [...tally.failures.values()].reduce((sum, one) => sum + one, 0);
  const { peers, sentPerSecond, receivedPerSecond, bytesOutPerSecond, bytesInPerSecond } = sample;
  return table([
    ["time", `${sample.atS.toFixed(0)} of ${(values.ramp + values.seconds).toFixed(0)} s`],
    ["peers", `${peers} of ${values.peers}${failed > 0 ? `, ${failed} failed` : ""}`],
    ["sent", rate(sentPerSecond), `${short(bytesOutPerSecond)}B/s`],
    ["received", rate(receivedPerSecond), `${short(bytesInPerSecond)}B/s`],
    ["messages", `p50 ${ms(sample.p50Ms)}`, `p99 ${ms(sample.p99Ms)}`],
    ["ENet", ms(sample.enetRoundTripMs), `loss ${(sample.loss * 100).toFixed(1)} %`],
    ...[...tally.counters].map(([name, count]) => [name, short(count)]),
  ]);
}

/** The last sample in one line, for a log. */
function logLine(
  { atS, peers, sentPerSecond, receivedPerSecond, p50Ms, p99Ms, loss }: Sample,
): string {
  return `${atS.toFixed(0)} s: ${peers} peers, ${short(sentPerSecond)} sent/s, ` +
    `${short(receivedPerSecond)} received/s, p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, ` +
    `loss ${(loss * 100).toFixed(1)} %`;
}

/** Shows what happens each second, until the signal aborts. */
async function watch(
  crowd: Crowd,
  tally: Tally,
  values: LoadValues,
  terminal: LoadTerminal,
  signal: AbortSignal,
): Promise<void> {
  while (await pause(SAMPLE_MS, signal)) {
    const sample = tally.sample(crowd.traffic(), crowd.quality());
    terminal.print("progress", { ...sample }, terminal.isLive ? undefined : logLine(sample));
    terminal.live(liveTable(tally, values, sample));
  }
}

function warningOf(tally: Tally): string | undefined {
  const late = tally.lateness.percentile(99);
  if (late < LATE_MS) return undefined;
  return `This process was too busy to send in time: 1 % of its messages were more than ${
    ms(late)
  } late. The ` +
    "figures are those of this machine, not of the server: use fewer peers, or several processes.";
}

const plainObject = (counts: Counts) => Object.fromEntries(counts);

function printSummary(tally: Tally, warning: string | undefined, terminal: LoadTerminal): void {
  const { begun, connected, sent, received, failures, ends, errors, counters } = tally;
  const { summary } = tally;
  const connecting = tally.connectTimes.summary();
  const list = (title: string, counts: Counts) =>
    counts.size === 0
      ? []
      : [`${title}: ${[...counts].map(([name, count]) => `${name} ${count}`).join(", ")}`];
  const text = [
    `${connected} of ${begun} connected, ${sent} messages sent, ${received} received in ${
      tally.seconds.toFixed(1)
    } s`,
    ...connecting === undefined ? [] : [`connecting: ${summaryText(connecting)}`],
    ...summary === undefined ? [] : [`messages:   ${summaryText(summary)}`],
    ...list("failed", failures),
    ...list("ended too early", ends),
    ...list("errors of the script", errors),
    ...list("counted", counters),
  ];
  terminal.print("summary", {
    begun,
    connected,
    sent,
    received,
    seconds: Math.round(tally.seconds * 1000) / 1000,
    connectP50Ms: connecting?.p50Ms,
    connectP99Ms: connecting?.p99Ms,
    failures: plainObject(failures),
    ends: plainObject(ends),
    errors: plainObject(errors),
    counters: plainObject(counters),
    lateP99Ms: tally.lateness.percentile(99),
    ...summaryFields(summary),
  }, text.join("\n"));
  if (warning !== undefined) terminal.report(warning);
}

function writeReport(
  path: string,
  name: string,
  values: LoadValues,
  warning: string | undefined,
  tally: Tally,
) {
  const { peers, rate, size, ramp, seconds, script } = values;
  const settings = {
    peers,
    "messages a second of each": rate,
    "bytes of a message": size,
    "ramp-up in seconds": ramp,
    seconds,
    ...script !== undefined && { script },
  };
  writeFileSync(path, reportPage({ name, settings, warning }, tally));
}

async function runLoad(values: LoadValues, terminal: LoadTerminal): Promise<number> {
  const { script, flags, ramp, seconds, report } = values;
  const route = await routeOf(values, terminal);
  const player = script === undefined
    ? plainPlayer(flags === "reliable" ? PacketFlag.RELIABLE : PacketFlag.UNRELIABLE_FRAGMENT)
    : await loadPlayer(script);
  const tally = new Tally();
  const over = new AbortController();
  const signal = AbortSignal.any([terminal.stop, over.signal]);
  const { peers, rate, size } = values;
  const onFailure = (message: string) => terminal.report(message);
  const options = { route, peers, rate, size, rampMs: ramp * 1000, player, onFailure };
  const crowd = new Crowd(options, tally, signal);
  void pause((ramp + seconds) * 1000, signal).then(() => over.abort());
  const watching = watch(crowd, tally, values, terminal, signal);
  try {
    await crowd.run();
  } finally {
    over.abort();
    await watching;
  }
  const warning = warningOf(tally);
  printSummary(tally, warning, terminal);
  if (report !== undefined) {
    writeReport(report, route.name, values, warning, tally);
    terminal.report(`the report is in ${report}`);
  }
  return tally.connected > 0 && tally.errors.size === 0 ? 0 : 1;
}

/** The command. */
export const load: Command = command({
  name: "load",
  summary: "Put many peers on a server, and see how it takes that",
  operands: ADDRESS_OPERAND,
  options: OPTIONS,
  lines: LINES,
  example: "enet load localhost:7777 --peers 20 --ramp 200ms --seconds 1 --report load.html",
  notes: [
    "Peers connect one after another over --ramp, and play for --seconds after that. Each sends --rate messages a " +
    "second; what an echo server sends back is measured. They share one process: when it is too busy to send in " +
    "time, it says so.",
    "With --script, a module of yours plays on each connection. Its default export is a function that gets a LoadPeer; " +
    "docs/command-line.md has an example.",
    "The report is one HTML file with charts, which loads nothing. Exit status: 0 when peers have connected and no " +
    "script has thrown; 1 otherwise; 2 for wrong usage.",
  ],
  run: runLoad,
});
