/**
 * The command `enet discover`: the servers of the local network.
 *
 * @module
 */
import { discover as search } from "../../discovery/discover.ts";
import type { DiscoveredServer } from "../../discovery/found.ts";
import { toHex } from "../../internal/hex.ts";
import { hostAndPort } from "../../internal/ip.ts";
import { type Command, command, type Values } from "../frame/command.ts";
import { type OptionTable, UsageError } from "../frame/options.ts";
import type { Terminal } from "../frame/terminal.ts";
import { printable } from "../frame/text.ts";
import { PORT_OPTION } from "../net/discovery.ts";
import { ms } from "../net/round_trips.ts";

const OPERANDS = {
  game: { value: "GAME", help: "servers of this game only, as they announce it" },
} as const;

const OPTIONS = {
  "game-version": {
    kind: "integer",
    value: "N",
    minimum: 0,
    maximum: 2 ** 32 - 1,
    initial: 0,
    help: "version of the game's own protocol",
  },
  timeout: {
    kind: "seconds",
    value: "S",
    minimum: 0,
    maximum: 86_400,
    initial: 3,
    help: "seconds to look; 0: until Ctrl-C",
  },
  count: {
    kind: "integer",
    short: "c",
    value: "N",
    minimum: 1,
    maximum: 256,
    told: "all that answer",
    help: "end when so many have been found",
  },
  ...PORT_OPTION,
  interface: { kind: "list", value: "NAME", told: "all", help: "look on this network interface" },
  ask: {
    kind: "list",
    value: "IP",
    help: "ask this address in place of the networks",
  },
} as const satisfies OptionTable;

const LINES = {
  server: {
    help: "a server was found, says something else than before, or is lost",
    fields: {
      status: "`found`, `changed` or `lost`",
      id: "tells the servers of one search apart",
      address: "where to connect to",
      name: "of the server",
      data: "what else it announces, in hexadecimal",
      peers: "how many are connected",
      maximumPeers: "how many may be",
      roundTripMs: "milliseconds from the question to the answer",
    },
  },
} as const;

type DiscoverValues = Values<typeof OPERANDS, typeof OPTIONS>;
type DiscoverTerminal = Terminal<typeof LINES>;

function print(server: DiscoveredServer, terminal: DiscoverTerminal): void {
  const { status, id, name, peers, maximumPeers } = server;
  const address = hostAndPort(server.address);
  const roundTripMs = Math.round(server.roundTripMs * 1000) / 1000;
  const what = status === "lost"
    ? terminal.style("red", "lost")
    : `${peers} of ${maximumPeers}  ${ms(roundTripMs)}`;
  terminal.print(
    "server",
    { status, id, address, name, data: toHex(server.data), peers, maximumPeers, roundTripMs },
    `${address}  ${printable(name)}  ${what}`,
  );
}

/** Looks for servers; what the library refuses is wrong usage. */
function start(values: DiscoverValues, signal: AbortSignal) {
  const { game, "game-version": version, timeout, interface: interfaces, ask } = values;
  try {
    return search({
      game,
      version,
      discoveryPort: values["discovery-port"],
      signal,
      timeoutMs: timeout === 0 ? Infinity : Math.ceil(timeout * 1000),
      ...interfaces.length > 0 && { interfaces },
      ...ask.length > 0 && { addresses: ask },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

async function runDiscover(values: DiscoverValues, terminal: DiscoverTerminal): Promise<number> {
  const found = new Set<string>();
  for await (const server of start(values, terminal.stop)) {
    print(server, terminal);
    found.add(server.id);
    if (found.size === values.count) break;
  }
  if (found.size > 0) return 0;
  terminal.report(`no server of ${JSON.stringify(values.game)} has answered`);
  return 1;
}

/** The command. */
export const discover: Command = command({
  name: "discover",
  summary: "Find the servers of a game on the local network",
  operands: OPERANDS,
  options: OPTIONS,
  lines: LINES,
  example: "enet discover star-chase --count 1 --timeout 10s",
  notes: [
    "Servers answer that announce themselves, with announce() of the library or with enet serve --announce. A server " +
    "is printed when it is found, when it says something else, and when it no longer answers.",
    "Exit status: 0 when a server was found, 1 when none was, 2 for wrong usage.",
  ],
  run: runDiscover,
});
