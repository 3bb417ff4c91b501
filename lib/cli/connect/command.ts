/**
 * The command `enet connect`: standard input to a server, and what it sends to standard output.
 *
 * @module
 */
import { once } from "node:events";
import { StringDecoder } from "node:string_decoder";
import { PacketFlag } from "../../packet_flag.ts";
import type { Peer } from "../../peer.ts";
import { toHex } from "../../internal/hex.ts";
import { type Command, command, type Values } from "../frame/command.ts";
import { type OptionTable, UsageError } from "../frame/options.ts";
import type { Terminal } from "../frame/terminal.ts";
import { printable } from "../frame/text.ts";
import {
  ADDRESS_OPERAND,
  CONNECT_OPTIONS,
  openClient,
  routeOf,
  TOKEN_OPTION,
} from "../net/connecting.ts";
import { pause } from "../net/pause.ts";

const OPTIONS = {
  channel: {
    kind: "integer",
    value: "N",
    minimum: 0,
    maximum: 254,
    initial: 0,
    help: "send on this channel; messages of all channels are printed",
  },
  flags: {
    kind: "choice",
    value: "HOW",
    choices: ["reliable", "unreliable", "unsequenced"],
    initial: "reliable",
    help: "how messages are sent",
  },
  raw: {
    kind: "flag",
    help:
      "make a message of each piece that is read, in place of each line, and print bytes as they are",
  },
  linger: {
    kind: "seconds",
    value: "S",
    minimum: 0,
    maximum: 86_400,
    initial: 1,
    help: "after the end of the input, end when nothing has come for so many seconds",
  },
  ...CONNECT_OPTIONS,
  ...TOKEN_OPTION,
} as const satisfies OptionTable;

const LINES = {
  connected: {
    help: "the connection is there",
    fields: { address: "of the server", channels: "of the connection", encrypted: "whether it is" },
  },
  message: {
    help: "a message has come",
    fields: {
      channelId: "channel",
      text: "the message, if it is UTF-8",
      hex: "the message in hexadecimal, if it is not",
    },
  },
  ended: {
    help: "the connection has ended",
    fields: { reason: "why", data: "number of the side that has ended it" },
  },
} as const;

type ConnectValues = Values<typeof ADDRESS_OPERAND, typeof OPTIONS>;
type ConnectTerminal = Terminal<typeof LINES>;

const FLAGS = {
  reliable: PacketFlag.RELIABLE,
  unreliable: PacketFlag.UNRELIABLE_FRAGMENT,
  unsequenced: PacketFlag.UNSEQUENCED_FRAGMENT,
} as const;

/** The longest line that is waited for to end; a longer one is several messages. */
const LONGEST_LINE = 2 ** 20;

/** The messages of standard input. */
async function* messagesOf(input: AsyncIterable<Uint8Array | string>, isRaw: boolean) {
  const decoder = new StringDecoder("utf8");
  let line = "";
  for await (const chunk of input) {
    if (isRaw) {
      yield chunk;
      continue;
    }
    const lines = (line + (typeof chunk === "string" ? chunk : decoder.write(chunk as Buffer)))
      .split("\n");
    line = lines.pop()!;
    yield* lines;
    if (line.length > LONGEST_LINE) {
      yield line;
      line = "";
    }
  }
  if (line !== "") yield line;
}

/** Sends standard input. It waits while the queue is full. */
async function sendInput(
  { channel, flags, raw }: ConnectValues,
  peer: Peer,
  terminal: ConnectTerminal,
): Promise<void> {
  for await (const message of messagesOf(terminal.stdin, raw)) {
    if (!peer.send(channel, message, FLAGS[flags])) await peer.drain().catch(() => {});
    if (peer.state !== "connected") return;
  }
}

/** Prints what comes. */
class Printer {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  readonly #terminal: ConnectTerminal;
  readonly #isRaw: boolean;
  /** When it was done with the last message; `Infinity` while it prints one. */
  doneAt = 0;

  constructor(terminal: ConnectTerminal, isRaw: boolean) {
    this.#terminal = terminal;
    this.#isRaw = isRaw;
  }

  /** Prints until the connection ends. A reader of the output that is slow slows the server down. */
  async run(peer: Peer): Promise<void> {
    for await (const { channelId, packet } of peer) {
      this.doneAt = Infinity;
      await this.#print(channelId, packet.bytes);
      this.doneAt = performance.now();
    }
  }

  async #print(channelId: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { stdout, isJson, stop } = this.#terminal;
    if (isJson) {
      const text = this.#textOf(bytes);
      const hex = text === undefined ? toHex(bytes) : undefined;
      this.#terminal.print("message", { channelId, text, hex });
    } else if (this.#isRaw) stdout.write(bytes);
    else {
      const text = new TextDecoder().decode(bytes);
      // A terminal obeys control characters; a program wants what was sent.
      this.#terminal.say(stdout.isTTY ? printable(text) : text);
    }
    if (stdout.writableNeedDrain) await once(stdout, "drain", { signal: stop }).catch(() => {});
  }

  #textOf(bytes: Uint8Array): string | undefined {
    try {
      return this.#decoder.decode(bytes);
    } catch {
      return undefined;
    }
  }
}

/** How often it is looked whether the server has acknowledged everything. */
const LOOK_MS = 10;

/** Resolves when the server has acknowledged everything, and nothing has come for so many milliseconds after that. */
async function untilQuiet(
  printer: Printer,
  peer: Peer,
  lingerMs: number,
  stop: AbortSignal,
): Promise<void> {
  while (peer.queuedBytes > 0 && await pause(LOOK_MS, stop));
  const begun = performance.now();
  for (;;) {
    const left = Math.max(begun, printer.doneAt) + lingerMs - performance.now();
    if (left <= 0 || !await pause(left === Infinity ? LOOK_MS : left, stop)) return;
  }
}

async function runConnect(values: ConnectValues, terminal: ConnectTerminal): Promise<number> {
  const { channel, channels, raw, linger, json } = values;
  if (channel >= channels) {
    throw new UsageError(`--channel ${channel} needs --channels ${channel + 1} at least`);
  }
  if (raw && json) throw new UsageError("--raw and --json exclude each other: leave one out");
  const route = await routeOf(values, terminal);
  await using client = await openClient(route);
  const { peer } = client;
  const { encrypted, channelCount } = peer;
  if (terminal.isJson) {
    terminal.print("connected", { address: route.name, channels: channelCount, encrypted });
  } else if (terminal.isLive) terminal.report(`connected to ${route.name}`);
  if (channel >= channelCount) {
    throw new Error(
      `the server has granted ${channelCount} channels: --channel ${channel} is not there`,
    );
  }
  const printer = new Printer(terminal, raw);
  const printing = printer.run(peer);
  const sending = sendInput(values, peer, terminal).then(() =>
    untilQuiet(printer, peer, linger * 1000, terminal.stop)
  );
  const outcome = await Promise.race([
    sending.then(() => "sent" as const),
    printing.then(() => "ended" as const),
    terminal.untilStopped().then(() => "stopped" as const),
  ]);
  terminal.stdin.destroy();
  if (outcome !== "ended") await peer.disconnectLater();
  const { reason, data } = await peer.closed;
  terminal.print("ended", { reason, data });
  if (outcome !== "ended") return 0;
  terminal.report(`the connection has ended: ${reason}, data ${data}`);
  return reason === "remote" ? 0 : 1;
}

/** The command. */
export const connect: Command = command({
  name: "connect",
  summary: "Send lines of standard input to a server, and print what it sends",
  operands: ADDRESS_OPERAND,
  options: OPTIONS,
  lines: LINES,
  example: "echo hello | enet connect localhost:7777",
  notes: [
    "Each line is a message without its line feed, and each message is printed as a line. With --raw, bytes go " +
    "through as they are.",
    "It ends some time after the end of its input, by Ctrl-C, and when the server ends the connection. What was sent " +
    "reliably has been acknowledged then. Exit status: 0 after a clean end, also by the server; 1 when there was " +
    "no connection or it was lost; 2 for wrong usage.",
  ],
  run: runConnect,
});
