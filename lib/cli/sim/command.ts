/**
 * The command `enet sim`: a relay with a simulated network, before any ENet server or client.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { type Address, validateAddress } from "../../address.ts";
import { hostAndPort, parseIp } from "../../internal/ip.ts";
import { loadLibrary } from "../../internal/library.ts";
import { type Command, command } from "../frame/command.ts";
import { UsageError } from "../frame/options.ts";
import type { Json, Terminal } from "../frame/terminal.ts";
import { table } from "../frame/text.ts";
import { planLink } from "./link.ts";
import { conditionsOf, LINES, OPERANDS, OPTIONS, type SimValues } from "./options.ts";
import { type Counters, Relay } from "./relay.ts";

type SimTerminal = Terminal<typeof LINES>;

/** Reads an address of the command line, and resolves its name. */
async function resolve(option: string, text: string, minimumPort: number): Promise<Address> {
  let address: Address;
  try {
    address = validateAddress(text, minimumPort);
  } catch (cause) {
    throw new UsageError(`--${option}: ${(cause as Error).message}`, { cause });
  }
  if (parseIp(address.hostname) !== undefined) return address;
  const found = await lookup(address.hostname);
  return { hostname: found.address, port: address.port };
}

const lost = (counters: Counters) =>
  counters.lost + counters.blackedOut + counters.queueFull + counters.memoryFull;

/** The counters as a table. */
function rows(relay: Relay): string[] {
  const [toServer, toClients] = relay.counters;
  const row = (name: string, counters: Counters) => [
    name,
    counters.passed,
    counters.bytes,
    lost(counters),
    counters.duplicated,
    counters.reordered,
    counters.corrupted,
    counters.held,
  ];
  return table([
    ["", "passed", "bytes", "lost", "twice", "late", "corrupt", "under way"],
    row("to the server", toServer),
    row("to clients", toClients),
  ]);
}

const countersOf = (relay: Relay) => ({
  toServer: relay.counters[0],
  toClients: relay.counters[1],
  refused: relay.refused,
});

/** Shows the counters until the command is stopped. */
async function watch(relay: Relay, intervalMs: number, terminal: SimTerminal): Promise<void> {
  const timer = setInterval(() => {
    if (terminal.isJson) {
      terminal.print("counters", { clients: relay.clients, ...countersOf(relay) });
    } else {
      terminal.live([...rows(relay), `${relay.clients} clients; Ctrl-C ends`]);
    }
  }, intervalMs);
  try {
    await terminal.untilStopped();
  } finally {
    clearInterval(timer);
  }
}

async function runSim(values: SimValues, terminal: SimTerminal): Promise<number> {
  if (values.to === undefined) throw new UsageError("say where the server is: --to HOST:PORT");
  const conditions = conditionsOf(values);
  const [listen, to] = await Promise.all([
    resolve("listen", values.listen, 0),
    resolve("to", values.to, 1),
  ]);
  const { native } = await loadLibrary();
  await using relay = await Relay.start(native, {
    listen,
    to,
    link: planLink(conditions),
    seed: values.seed,
    maximumClients: values.clients,
    idleMs: values.idle * 1000,
  }, {
    client: (address, port) =>
      terminal.print(
        "client",
        { address, port },
        `${address} reaches the server from port ${port}`,
      ),
    left: (address) =>
      terminal.print("left", { address }, `${address} has been quiet, and is forgotten`),
  });
  const address = hostAndPort(relay.address);
  terminal.print(
    "listening",
    { address, to: hostAndPort(to), conditions: { ...conditions } as Json },
    `${address} leads to ${hostAndPort(to)}: ${JSON.stringify(conditions)}`,
  );
  await watch(relay, values.interval * 1000, terminal);
  const refused = relay.refused > 0
    ? [`${relay.refused} datagrams of other clients were dropped`]
    : [];
  terminal.print(
    "summary",
    { clients: relay.clientsEver, ...countersOf(relay) },
    [...rows(relay), `${relay.clientsEver} clients`, ...refused].join("\n"),
  );
  return 0;
}

/** The command. */
export const sim: Command = command({
  name: "sim",
  summary: "Put a bad network between clients and any ENet server",
  operands: OPERANDS,
  options: OPTIONS,
  lines: LINES,
  example: "timeout -s INT 1 enet sim --to 127.0.0.1:7777 --preset mobile-bad",
  notes: [
    "It passes on the datagrams of any program, encrypted or not. Clients send to the address of --listen in place " +
    "of the server's. Each has a link of its own, and a socket of its own towards the server.",
    "Presets have the figures of LinkQuality, for each direction: wired 12 ms and 0.1 % loss, wifi 40 ms and 0.2 %, " +
    "mobile 100 ms and 2 %, mobile-bad 200 ms and 4 %, mobile-edge 300 ms and 6 %.",
    "Exit status: 0 after Ctrl-C, 1 after a failure, 2 for wrong usage.",
  ],
  run: runSim,
});
