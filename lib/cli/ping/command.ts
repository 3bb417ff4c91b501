/**
 * The command `enet ping`: how long round trips to a server take.
 *
 * @module
 */
import type { Peer } from "../../peer.ts";
import { type Command, command, type Values } from "../frame/command.ts";
import { type OptionTable, UsageError } from "../frame/options.ts";
import type { Terminal } from "../frame/terminal.ts";
import {
  ADDRESS_OPERAND,
  type Client,
  CONNECT_OPTIONS,
  openClient,
  routeOf,
  TOKEN_OPTION,
} from "../net/connecting.ts";
import { pause } from "../net/pause.ts";
import { ms, RoundTrips, SUMMARY_FIELDS, summaryFields, summaryText } from "../net/round_trips.ts";
import { enetPing, HEAD_BYTES, type Probe, reliableMessage, unreliableEcho } from "./probe.ts";

const OPTIONS = {
  count: {
    kind: "integer",
    short: "c",
    value: "N",
    minimum: 1,
    maximum: 2 ** 32 - 1,
    told: "until Ctrl-C",
    help: "end after so many pings",
  },
  interval: {
    kind: "seconds",
    short: "i",
    value: "S",
    minimum: 0.001,
    maximum: 86_400,
    initial: 1,
    help: "seconds from one ping to the next",
  },
  timeout: {
    kind: "seconds",
    short: "W",
    value: "S",
    minimum: 0.001,
    maximum: 86_400,
    initial: 5,
    help: "seconds to wait for an answer; then it is lost",
  },
  flood: {
    kind: "flag",
    help: "ping again as soon as the answer is there; print only the summary",
  },
  size: {
    kind: "integer",
    value: "N",
    minimum: 0,
    maximum: 2 ** 25,
    told: "ENet's own ping",
    help: "ping with messages of N bytes, which the server's program gets",
  },
  unreliable: {
    kind: "flag",
    help: "ping with unreliable messages to a server that sends them back, as enet serve does",
  },
  ...CONNECT_OPTIONS,
  ...TOKEN_OPTION,
} as const satisfies OptionTable;

const LINES = {
  connected: {
    help: "the connection is there",
    fields: {
      address: "of the server",
      connectMs: "milliseconds that connecting has taken",
      channels: "of the connection",
      encrypted: "whether it is",
    },
  },
  reply: {
    help: "an answer has come; not with `--flood`",
    fields: {
      sequence: "of the ping, from 1",
      roundTripMs: "milliseconds",
      retransmitted: "whether ENet had to send it more than once",
    },
  },
  lost: {
    help: "no answer has come in time; not with `--flood`",
    fields: { sequence: "of the ping, from 1" },
  },
  summary: {
    help: "at the end, also after Ctrl-C",
    fields: {
      sent: "pings",
      answered: "of them",
      lost: "of them",
      retransmitted: "of those answered, how many ENet had to send more than once",
      loss: "share of both of these, 0–1",
      ...SUMMARY_FIELDS,
    },
  },
  ended: {
    help: "the connection has ended before the command",
    fields: {
      reason: "as in `peer.closed` of the library",
      data: "number of the server's program",
    },
  },
} as const;

type PingValues = Values<typeof ADDRESS_OPERAND, typeof OPTIONS>;
type PingTerminal = Terminal<typeof LINES>;

/** What has become of the pings. */
class Tally {
  readonly roundTrips = new RoundTrips();
  sent = 0;
  answered = 0;
  retransmitted = 0;

  /** Prints it. */
  print(terminal: PingTerminal, name: string): void {
    const { sent, answered, retransmitted } = this;
    const lost = sent - answered;
    const loss = sent === 0 ? 0 : (lost + retransmitted) / sent;
    const summary = this.roundTrips.summary();
    const percent = `${Number((loss * 100).toFixed(1))} %`;
    const again = retransmitted === 0 ? "" : `, ${retransmitted} retransmitted`;
    const text = [
      `--- ${name}: ${sent} pings, ${answered} answered, ${lost} lost${again}, loss ${percent}`,
      ...summary === undefined ? [] : [summaryText(summary)],
    ];
    const counts = { sent, answered, lost, retransmitted, loss };
    terminal.print("summary", { ...counts, ...summaryFields(summary) }, text.join("\n"));
  }
}

function probeOf({ unreliable, size }: PingValues, client: Client): Probe {
  if (unreliable) return unreliableEcho(client.peer, size ?? 64);
  return size === undefined ? enetPing(client) : reliableMessage(client.peer, size);
}

/** How often ENet had to send something again, apart from what had arrived after all. */
function lostOnTheWay(peer: Peer): number {
  const { retransmitted, needlesslyRetransmitted } = peer.stats;
  return retransmitted - needlesslyRetransmitted;
}

/** Pings until all is done, the connection has ended or the command is stopped. */
async function pingAll(
  values: PingValues,
  { peer }: Client,
  probe: Probe,
  tally: Tally,
  terminal: PingTerminal,
) {
  const { count = Infinity, interval, timeout, flood } = values;
  const { stop } = terminal;
  const timeoutMs = Math.ceil(timeout * 1000);
  let due = performance.now();
  for (let sequence = 1; sequence <= count && peer.state === "connected"; sequence++) {
    if (stop.aborted) break;
    tally.sent++;
    const before = lostOnTheWay(peer);
    const roundTripMs = await probe(sequence, timeoutMs, stop);
    const retransmitted = !values.unreliable && lostOnTheWay(peer) > before;
    if (roundTripMs === undefined) {
      // What was on the way when it was stopped is neither answered nor lost.
      if (stop.aborted) tally.sent--;
      else if (!flood) {
        terminal.print("lost", { sequence }, terminal.style("red", `no answer to ${sequence}`));
      }
    } else {
      tally.answered++;
      if (retransmitted) tally.retransmitted++;
      tally.roundTrips.record(roundTripMs);
      if (!flood) {
        const again = retransmitted ? terminal.style("yellow", " (retransmitted)") : "";
        const fields = {
          sequence,
          roundTripMs: Math.round(roundTripMs * 1000) / 1000,
          retransmitted,
        };
        terminal.print("reply", fields, `answer to ${sequence}: ${ms(roundTripMs)}${again}`);
      }
    }
    if (flood) {
      if (sequence % 64 === 0) {
        terminal.live([
          `${tally.answered} of ${tally.sent}, p50 ${ms(tally.roundTrips.percentile(50))}`,
        ]);
      }
    } else if (sequence < count) {
      due = Math.max(due + interval * 1000, performance.now());
      await pause(due - performance.now(), stop);
    }
  }
}

async function runPing(values: PingValues, terminal: PingTerminal): Promise<number> {
  if (values.unreliable && values.size !== undefined && values.size < HEAD_BYTES) {
    throw new UsageError(
      `--size must be ${HEAD_BYTES} at least with --unreliable, not ${values.size}`,
    );
  }
  const route = await routeOf(values, terminal);
  await using client = await openClient(route);
  const { peer, connectMs } = client;
  const { channelCount: channels, encrypted } = peer;
  const how = `${channels} channel${channels === 1 ? "" : "s"}${encrypted ? ", encrypted" : ""}`;
  terminal.print(
    "connected",
    { address: route.name, connectMs: Math.round(connectMs * 1000) / 1000, channels, encrypted },
    `connected to ${route.name} in ${ms(connectMs)}, ${how}`,
  );
  const tally = new Tally();
  await pingAll(values, client, probeOf(values, client), tally, terminal);
  if (peer.state !== "connected") {
    const { reason, data } = await peer.closed;
    terminal.print("ended", { reason, data }, `the connection has ended: ${reason}, data ${data}`);
  }
  tally.print(terminal, route.name);
  return tally.answered > 0 ? 0 : 1;
}

/** The command. */
export const ping: Command = command({
  name: "ping",
  summary: "Measure how long connecting and round trips to a server take",
  operands: ADDRESS_OPERAND,
  options: OPTIONS,
  lines: LINES,
  example: "enet ping localhost:7777 -c 3 -i 100ms",
  notes: [
    "It connects, and pings as ENet does by itself: the server's program sees a client that comes and goes, and " +
    "gets no message. With --size or --unreliable its program gets messages.",
    "Loss is the share of the pings that were lost or had to be retransmitted. With --unreliable, ENet " +
    "retransmits nothing, so every datagram that is lost shows.",
    "When the connection cannot be made, it says what is at fault, as far as it can be known. Exit status: 0 when " +
    "there was an answer, 1 when there was none, 2 for wrong usage.",
  ],
  run: runPing,
});
