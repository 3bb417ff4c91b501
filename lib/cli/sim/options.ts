/**
 * Operands, options and lines of `enet sim`, and what the options say of the link.
 *
 * @module
 */
import { show } from "../../../ffi/show.ts";
import { type LinkConditions, LinkQuality, type TwoWayConditions } from "../../conditions.ts";
import type { Values } from "../frame/command.ts";
import { type OptionTable, UsageError } from "../frame/options.ts";

/** Presets, as docs/real-networks.md lists them. */
const PRESETS = {
  none: {},
  wired: LinkQuality.VERY_GOOD,
  wifi: LinkQuality.GOOD,
  mobile: LinkQuality.AVERAGE,
  "mobile-bad": LinkQuality.POOR,
  "mobile-edge": LinkQuality.VERY_POOR,
} as const;

const PRESET_NAMES = Object.keys(PRESETS) as (keyof typeof PRESETS)[];
const SHARE = "a share such as 2% or 0.02";

/** What the command takes besides options. */
export const OPERANDS = {} as const;

/** Its own options. */
export const OPTIONS = {
  listen: {
    kind: "text",
    value: "HOST:PORT",
    initial: "127.0.0.1:0",
    help: "where clients send to, in place of the server; port 0 takes any free port",
  },
  to: { kind: "text", value: "HOST:PORT", help: "the server" },
  preset: {
    kind: "choice",
    value: "NAME",
    choices: PRESET_NAMES,
    initial: "none",
    help: "conditions to begin with; the options below replace single ones",
  },
  latency: {
    kind: "seconds",
    value: "TIME",
    minimum: 0,
    maximum: 60,
    help: "how long a datagram takes in each direction: 50ms",
  },
  jitter: {
    kind: "seconds",
    value: "TIME",
    minimum: 0,
    maximum: 60,
    help: "by how much that varies",
  },
  loss: { kind: "text", value: "SHARE", help: `how many are lost: ${SHARE}` },
  duplicate: { kind: "text", value: "SHARE", help: "how many arrive twice" },
  reorder: { kind: "text", value: "SHARE", help: "how many are overtaken, because they are late" },
  corrupt: { kind: "text", value: "SHARE", help: "in how many a bit is changed" },
  rate: {
    kind: "integer",
    value: "BYTES",
    minimum: 1,
    maximum: 2 ** 32 - 1,
    help: "bytes a second that pass, of each client; what exceeds it waits in a queue",
    told: "no limit",
  },
  direction: {
    kind: "choice",
    value: "WHICH",
    choices: ["both", "up", "down"],
    initial: "both",
    help: "where the conditions hold: up is to the server",
  },
  seed: {
    kind: "integer",
    value: "N",
    minimum: 0,
    maximum: 2 ** 32 - 1,
    initial: 1,
    help: "of all random decisions",
  },
  clients: {
    kind: "integer",
    value: "N",
    minimum: 1,
    maximum: 4096,
    initial: 256,
    help: "clients at a time; what others send is dropped",
  },
  idle: {
    kind: "seconds",
    value: "TIME",
    minimum: 1,
    maximum: 86_400,
    initial: 60,
    help: "after which a client that is quiet is forgotten",
  },
  interval: {
    kind: "seconds",
    value: "TIME",
    minimum: 0.1,
    maximum: 3600,
    initial: 1,
    help: "between two looks at the counters",
  },
} as const satisfies OptionTable;

const COUNTERS = {
  clients: "at present",
  toServer:
    "counters of what clients have sent: those of `host.conditions.stats`, and `bytes` that came",
  toClients: "the same of what the server has sent",
  refused: "datagrams of clients beyond `--clients`",
} as const;

/** The lines of `--json`. */
export const LINES = {
  listening: {
    help: "at the beginning",
    fields: {
      address: "where clients send to",
      to: "the server",
      conditions: "as `host.conditions` takes them",
    },
  },
  client: {
    help: "when a client appears",
    fields: { address: "of the client", port: "from which the server gets its datagrams" },
  },
  left: { help: "when a client has been quiet for `--idle`", fields: { address: "of the client" } },
  counters: { help: "every `--interval`", fields: COUNTERS },
  summary: { help: "at the end", fields: { ...COUNTERS, clients: "that there have been" } },
} as const;

/** The values that the command gets. */
export type SimValues = Values<typeof OPERANDS, typeof OPTIONS>;

/** Reads `2%` or `0.02`. */
function share(value: string | undefined, name: string): number | undefined {
  if (value === undefined) return undefined;
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(value) ?? [];
  const number = Number(digits) / (percent === "%" ? 100 : 1);
  if (digits === undefined || number > 1) {
    throw new UsageError(`--${name} must be ${SHARE}, not ${show(value)}`);
  }
  return number;
}

const milliseconds = (seconds: number | undefined) =>
  seconds === undefined ? undefined : seconds * 1000;

/** The conditions that the options describe. `send` is what goes to the server. */
export function conditionsOf(values: SimValues): TwoWayConditions {
  const given = {
    latencyMs: milliseconds(values.latency),
    jitterMs: milliseconds(values.jitter),
    loss: share(values.loss, "loss"),
    duplicate: share(values.duplicate, "duplicate"),
    reorder: share(values.reorder, "reorder"),
    corrupt: share(values.corrupt, "corrupt"),
    rate: values.rate,
  } satisfies LinkConditions;
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  const link: LinkConditions = { ...PRESETS[values.preset], ...Object.fromEntries(present) };
  if (values.direction === "both") return link;
  return values.direction === "up" ? { send: link } : { receive: link };
}
