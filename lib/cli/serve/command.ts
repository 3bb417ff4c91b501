/**
 * The command `enet serve`: a server to test clients against.
 *
 * @module
 */
import { announce } from "../../discovery/announcement.ts";
import { Host } from "../../host.ts";
import { hostAndPort } from "../../internal/ip.ts";
import type { Packet } from "../../packet.ts";
import type { Peer } from "../../peer.ts";
import { type Command, command, type Values } from "../frame/command.ts";
import { type OptionTable, UsageError } from "../frame/options.ts";
import type { Terminal } from "../frame/terminal.ts";
import { printable } from "../frame/text.ts";
import { PORT_OPTION } from "../net/discovery.ts";
import { LISTEN_OPTIONS, listeningOf } from "../net/listening.ts";

const OPERANDS = {
  mode: {
    value: "MODE",
    help: "what happens to messages: they go back, nowhere, or to all others",
    choices: ["echo", "sink", "chat"],
    isOptional: true,
  },
} as const;

const OPTIONS = {
  verbose: { kind: "flag", short: "v", help: "print every message" },
  announce: {
    kind: "text",
    value: "GAME",
    help: "answer those of the local network who look for this game, as enet discover does",
  },
  name: { kind: "text", value: "TEXT", initial: "enet serve", help: "with --announce, its name" },
  ...PORT_OPTION,
  ...LISTEN_OPTIONS,
} as const satisfies OptionTable;

const LINES = {
  listening: {
    help: "clients may connect",
    fields: {
      address: "where",
      mode: "`echo`, `sink` or `chat`",
      publicKey: "with `--key`, what clients need",
    },
  },
  joined: {
    help: "a client has connected",
    fields: {
      peer: "number of the client",
      address: "of it",
      data: "its number",
      encrypted: "whether it is",
    },
  },
  left: {
    help: "a client has gone",
    fields: { peer: "number of the client", reason: "why", data: "its number" },
  },
  message: {
    help: "a message has come; with `--verbose` only",
    fields: {
      peer: "number of the client",
      channelId: "channel",
      bytes: "how many",
      text: "what it is as UTF-8",
    },
  },
  summary: {
    help: "at the end",
    fields: { clients: "that have connected", messages: "that have come", bytes: "of these" },
  },
} as const;

type ServeValues = Values<typeof OPERANDS, typeof OPTIONS>;
type ServeTerminal = Terminal<typeof LINES>;

/** Takes the events of a server. */
class Server {
  readonly #terminal: ServeTerminal;
  readonly #mode: NonNullable<ServeValues["mode"]>;
  readonly #isVerbose: boolean;
  readonly #numbers = new Map<Peer, number>();
  #clients = 0;
  #messages = 0;
  #bytes = 0;

  constructor({ mode = "echo", verbose }: ServeValues, terminal: ServeTerminal) {
    this.#mode = mode;
    this.#isVerbose = verbose;
    this.#terminal = terminal;
  }

  /** Takes the events of a host until it is closed. */
  async run(host: Host): Promise<void> {
    for await (const event of host) {
      if (event.type === "receive") this.#receive(event.peer, event.channelId, event.packet);
      else if (event.type === "connect") this.#join(event.peer, event.data);
      else if (event.type === "disconnect") this.#leave(event.peer, event.reason, event.data);
    }
  }

  /** Prints what has come. */
  end(): void {
    const [clients, messages, bytes] = [this.#clients, this.#messages, this.#bytes];
    const text = `${clients} clients, ${messages} messages, ${bytes} bytes`;
    this.#terminal.print("summary", { clients, messages, bytes }, text);
  }

  #join(peer: Peer, data: number): void {
    const number = ++this.#clients;
    this.#numbers.set(peer, number);
    const { encrypted } = peer;
    const address = hostAndPort(peer.address);
    this.#terminal.print(
      "joined",
      { peer: number, address, data, encrypted },
      `${number} has come from ${address}${encrypted ? ", encrypted" : ""}`,
    );
    if (this.#mode === "chat") this.#tell(peer, `${number} has come`);
  }

  #leave(peer: Peer, reason: string, data: number): void {
    const number = this.#numbers.get(peer)!;
    this.#numbers.delete(peer);
    this.#terminal.print("left", { peer: number, reason, data }, `${number} has left (${reason})`);
    if (this.#mode === "chat") this.#tell(peer, `${number} has left`);
  }

  #receive(peer: Peer, channelId: number, packet: Packet): void {
    const bytes = packet.view.length;
    this.#messages++;
    this.#bytes += bytes;
    const number = this.#numbers.get(peer)!;
    if (this.#isVerbose) {
      const text = packet.text();
      const fields = { peer: number, channelId, bytes, text };
      this.#terminal.print("message", fields, `${number}: ${printable(text)}`);
    }
    if (this.#mode === "echo") peer.send(channelId, packet, packet.flags);
    else if (this.#mode === "chat") this.#tell(peer, `${number}: ${packet.text()}`);
  }

  /** Sends text to all others. */
  #tell(from: Peer, text: string): void {
    for (const peer of this.#numbers.keys()) if (peer !== from) peer.send(0, text);
  }
}

async function runServe(values: ServeValues, terminal: ServeTerminal): Promise<number> {
  const { announce: game, name, mode = "echo" } = values;
  const { options, publicKey } = await listeningOf(values, terminal);
  await using host = await Host.listen(options);
  try {
    if (game !== undefined) {
      await announce(host, { game, name, discoveryPort: values["discovery-port"] });
    }
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new UsageError(`--announce: ${error.message}`, { cause: error });
  }
  const address = hostAndPort(host.address);
  const key = publicKey === undefined ? "" : `\nclients connect with --server-key ${publicKey}`;
  terminal.print("listening", { address, mode, publicKey }, `${mode} on ${address}${key}`);
  const server = new Server(values, terminal);
  const running = server.run(host);
  await Promise.race([running, terminal.untilStopped()]);
  await host.close();
  await running;
  server.end();
  return 0;
}

/** The command. */
export const serve: Command = command({
  name: "serve",
  summary: "Run a server to test clients against: an echo, a sink or a chat",
  operands: OPERANDS,
  options: OPTIONS,
  lines: LINES,
  example: "enet serve chat --port 7777",
  notes: [
    "echo, which is the default, sends each message back on its channel, as reliably as it came. sink counts " +
    "messages. chat passes each on to all other clients, with the number of its sender in front.",
    "Ctrl-C ends it: clients get what is queued for them. Exit status: 0 after a clean end, 1 after a failure, 2 " +
    "for wrong usage.",
  ],
  run: runServe,
});
