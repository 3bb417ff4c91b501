/**
 * The options of `enet load`, and the lines that it prints.
 *
 * @module
 */
import type { OptionTable } from "../frame/options.ts";
import { CONNECT_OPTIONS } from "../net/connecting.ts";
import { SUMMARY_FIELDS } from "../net/round_trips.ts";

/** The options. */
export const OPTIONS = {
  peers: {
    kind: "integer",
    short: "n",
    value: "N",
    minimum: 1,
    maximum: 65_536,
    initial: 100,
    help: "how many peers",
  },
  rate: {
    kind: "number",
    short: "r",
    value: "N",
    minimum: 0.001,
    maximum: 10_000,
    initial: 20,
    help: "messages a second of each peer",
  },
  size: {
    kind: "integer",
    value: "N",
    minimum: 0,
    maximum: 2 ** 20,
    initial: 64,
    help: "bytes of a message; below 16, round trips are not measured",
  },
  ramp: {
    kind: "seconds",
    value: "S",
    minimum: 0,
    maximum: 86_400,
    initial: 0,
    help: "seconds over which peers connect, one after another",
  },
  seconds: {
    kind: "seconds",
    short: "t",
    value: "S",
    minimum: 0.001,
    maximum: 1_000_000,
    initial: 10,
    help: "how long to go on after that",
  },
  flags: {
    kind: "choice",
    value: "HOW",
    choices: ["unreliable", "reliable"],
    initial: "unreliable",
    help: "how messages are sent",
  },
  script: {
    kind: "text",
    value: "FILE",
    help: "let the function that this module exports play on each connection",
  },
  report: { kind: "text", value: "FILE", help: "write the report to this HTML file" },
  ...CONNECT_OPTIONS,
} as const satisfies OptionTable;

/** The lines. */
export const LINES = {
  progress: {
    help: "each second",
    fields: {
      atS: "seconds since the beginning",
      peers: "connected",
      sentPerSecond: "messages",
      receivedPerSecond: "messages",
      bytesOutPerSecond: "bytes of datagrams",
      bytesInPerSecond: "bytes of datagrams",
      p50Ms: "half of the round trips of messages in this second are not longer; 0 of none",
      p99Ms: "99 % of them are not longer",
      enetRoundTripMs: "mean round trip of ENet over all peers",
      loss: "mean share of reliable commands that were retransmitted, 0–1",
    },
  },
  summary: {
    help: "at the end, also after Ctrl-C",
    fields: {
      begun: "attempts to connect",
      connected: "of them",
      sent: "messages",
      received: "messages",
      seconds: "that all has taken",
      connectP50Ms: "half of the attempts took no longer, if any succeeded",
      connectP99Ms: "99 % of them took no longer",
      failures: "attempts that failed, by fault",
      ends: "connections that ended before the load, by reason",
      errors: "what the script has thrown, by message",
      counters: "what the script has counted",
      lateP99Ms: "99 % of the messages left no later than this after their time",
      ...SUMMARY_FIELDS,
    },
  },
} as const;
