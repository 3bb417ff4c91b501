/**
 * The operand, the options and the lines of `enet top`.
 *
 * @module
 */
import { SORTS } from "../../metrics/status.ts";
import type { OperandTable, OperandValues, OptionTable, OptionValues } from "../frame/options.ts";
import type { LineTable, Terminal } from "../frame/terminal.ts";

/** What is watched. */
export const OPERANDS = {
  url: { value: "URL", help: "where the program serves its metrics" },
} as const satisfies OperandTable;

/** The options. */
export const OPTIONS = {
  interval: {
    kind: "seconds",
    short: "i",
    value: "S",
    minimum: 0.1,
    maximum: 3600,
    initial: 1,
    help: "time between two looks",
  },
  count: {
    kind: "integer",
    short: "n",
    value: "N",
    minimum: 1,
    maximum: 1_000_000_000,
    told: "until Ctrl-C",
    help: "look so many times",
  },
  sort: {
    kind: "choice",
    short: "s",
    value: "ORDER",
    choices: SORTS,
    initial: "traffic",
    help: "what comes first",
  },
  filter: {
    kind: "text",
    short: "f",
    value: "TEXT",
    help: "only peers whose address contains this",
  },
  peers: {
    kind: "integer",
    short: "p",
    value: "N",
    minimum: 0,
    maximum: 1000,
    told: "those that fit, or 20",
    help: "show so many peers of each host",
  },
  kick: {
    kind: "integer",
    value: "PEER",
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    help: "disconnect the peer with this number, and end; the program has to allow it",
  },
  host: {
    kind: "text",
    value: "NAME",
    help: "with --kick, of which host, where there are several",
  },
  "token-file": {
    kind: "text",
    value: "FILE",
    help: "where the token is, if the program asks for one; - is standard input",
  },
} as const satisfies OptionTable;

const RATE_FIELDS = {
  receivedBytesPerSecond: "null at the first look",
  sentBytesPerSecond: "null at the first look",
  receivedBytes: "in all",
  sentBytes: "in all",
} as const;

/** What `--json` prints. */
export const LINES = {
  host: {
    help: "at each look, for each host",
    fields: {
      host: "its address, and what tells it from others of that address",
      closed: "whether it is closed",
      peers: "connected",
      peersMaximum: "that it takes",
      halfOpen: "connections that wait for the client",
      roundTripMs: "median and 99th percentile of the peers, `{ p50, p99 }`; null without peers",
      loss: "mean of the peers, 0 to 1",
      queuedBytes: "sum of the peers",
      memoryBytes: "that count towards `maximumHostData`",
      ...RATE_FIELDS,
      refused: "connections since the host was created",
      backPressure: "times that the event ring was full",
      matching: "peers that match the filter",
    },
  },
  peer: {
    help: "at each look, for each peer that is shown",
    fields: {
      host: "as above",
      id: "the number of the peer",
      address: "the peer's",
      encrypted: "whether the connection is",
      roundTripMs: "smoothed; null before the first",
      jitterMs: "mean deviation of the round trip",
      loss: "retransmitted share of reliable commands, 0 to 1",
      incomingLoss: "missing share of unreliable messages, 0 to 1",
      queuedBytes: "queued or not yet acknowledged",
      ...RATE_FIELDS,
    },
  },
  metric: {
    help: "at each look, for each number of another source, such as a gateway",
    fields: {
      name: "of the metric",
      labels: "of the number",
      value: "the number; of a distribution, how many values it has",
    },
  },
  kick: {
    help: "with `--kick`",
    fields: { host: "the host", peer: "the number of the peer", kicked: "whether it was there" },
  },
} as const satisfies LineTable;

/** Their values. */
export type TopValues = OperandValues<typeof OPERANDS> & OptionValues<typeof OPTIONS>;

/** Where `enet top` prints. */
export type TopTerminal = Terminal<typeof LINES>;
