/**
 * The command `enet sniff`: explains the ENet datagrams of a capture, command by command.
 *
 * @module
 */
import { show } from "../../../ffi/show.ts";
import { formatIp, hostAndPort, parseIp } from "../../internal/ip.ts";
import { type Command, command, type Values } from "../frame/command.ts";
import { type OptionTable, UsageError } from "../frame/options.ts";
import type { Json, Terminal } from "../frame/terminal.ts";
import { type Checksum, type EnetDatagram, readEnet } from "./enet.ts";
import { type Flow, Flows } from "./flows.ts";
import { CaptureError, readCapture, type ReadReport } from "./records.ts";
import { readSecurity } from "./security.ts";
import { openFile, openInterface, type Source } from "./source.ts";
import { commandText, headerText, securityText } from "./text.ts";
import { findDatagram, type Skipped, type UdpDatagram } from "./udp.ts";

const OPERANDS = {
  file: {
    value: "FILE",
    help: "a pcap or pcapng file; - is standard input",
    isOptional: true,
  },
} as const;

const OPTIONS = {
  interface: {
    kind: "text",
    short: "i",
    value: "NAME",
    help: "capture from an interface of this machine, such as eth0, lo or any; needs tcpdump and root",
  },
  to: {
    kind: "text",
    value: "HOST:PORT",
    help: "only what goes to or comes from this address; :PORT is the port of any address",
  },
  count: {
    kind: "integer",
    short: "c",
    value: "N",
    minimum: 1,
    maximum: 2 ** 31 - 1,
    help: "end after so many datagrams",
    told: "all",
  },
  checksum: {
    kind: "choice",
    value: "WHICH",
    choices: ["auto", "none", "crc32"],
    initial: "auto",
    help: "what the hosts were set to; auto finds it out",
  },
  data: { kind: "flag", help: "show the first 16 bytes of each message" },
  quiet: { kind: "flag", short: "q", help: "only the summary" },
} as const satisfies OptionTable;

const LINES = {
  datagram: {
    help: "each datagram, unless `--quiet` is given",
    fields: {
      number: "of the packet in the capture, from 1",
      timeMs: "milliseconds since 1970, with fractions",
      from: "address and port",
      to: "address and port",
      bytes: "of the datagram",
      dropped: "how many are missing before it, where the file says so",
      protocol: "`enet`, `encryption`, or `other`",
      peer: "the receiver's number of the peer, 4095 before it has one",
      session: "of ENet's header",
      sentTime: "of ENet's header, where a command has to be acknowledged",
      checksum: "`none`, `right`, `wrong`, or `unknown` where the capture begins later than the connection",
      compressed: "bytes of the commands as they were sent, if they were compressed",
      commands:
        "array: `name`, `channel`, `sequence`, `isAcknowledged`, `isUnsequenced`, `isAgain`, `bytes` of data, `data` in hexadecimal digits with `--data`, and the fields of the command in `fields`",
      fault: "what is wrong with it",
      encryption: "the kind of a datagram of encryption, and what stands in it unencrypted",
    },
  },
  flow: {
    help: "at the end, each pair of addresses",
    fields: {
      from: "who has sent first",
      to: "the other",
      datagrams: "both ways",
      bytes: "of these",
      encrypted: "datagrams of encryption",
      others: "datagrams that are not ENet's",
      faults: "damaged datagrams",
      commands: "how often each has come, by name",
      sentAgain: "commands that were sent again",
    },
  },
  summary: {
    help: "at the end",
    fields: {
      packets: "in the capture",
      datagrams: "that were explained",
      dropped: "packets that the capture misses, as it says itself",
      skipped: "packets that are none of these, by the reason",
      flows: "pairs of addresses",
      isCutOff: "whether the file ends within a packet",
    },
  },
} as const;

type SniffTerminal = Terminal<typeof LINES>;
type SniffValues = Values<typeof OPERANDS, typeof OPTIONS>;

/** Flows that people are shown. */
const SHOWN_FLOWS = 20;

/** Whether an address is the one that is asked for. */
function planFilter(to: string | undefined): (address: string) => boolean {
  if (to === undefined) return () => true;
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(to) ?? [];
  const hostname = bracketed ?? plain;
  const ip = hostname === undefined || hostname === "" ? undefined : parseIp(hostname);
  if (port === undefined || Number(port) > 65535 || (hostname !== "" && ip === undefined)) {
    throw new UsageError(
      `--to must be an IP address with a port, such as 192.0.2.7:7777, [2001:db8::7]:7777 or :7777, not ${show(to)}`,
    );
  }
  if (ip === undefined) return (address) => address.endsWith(`:${Number(port)}`);
  const wanted = hostAndPort({ hostname: formatIp(ip), port: Number(port) });
  return (address) => address === wanted;
}

function planSource({ file, interface: name }: SniffValues, terminal: SniffTerminal): Source {
  if ((file === undefined) === (name === undefined)) {
    throw new UsageError("say what to read: either a FILE or --interface");
  }
  return name === undefined ? openFile(file!, terminal) : openInterface(name, terminal);
}

/** Explains datagrams as they come. */
class Sniffer {
  readonly #terminal: SniffTerminal;
  readonly #values: SniffValues;
  readonly #hasChecksum: boolean | undefined;
  readonly #flows = new Flows();
  readonly #skipped: Record<Skipped, number> = { link: 0, other: 0, fragment: 0, damaged: 0 };
  readonly report: ReadReport = { isCutOff: false };
  #packets = 0;
  #dropped = 0;
  #unheard = 0;
  #firstMs: number | undefined;
  datagrams = 0;

  constructor(terminal: SniffTerminal, values: SniffValues) {
    this.#terminal = terminal;
    this.#values = values;
    this.#hasChecksum = values.checksum === "auto" ? undefined : values.checksum === "crc32";
  }

  async read(source: Source): Promise<void> {
    const { to, count = Infinity } = this.#values;
    const isWanted = planFilter(to);
    for await (const packet of readCapture(source.chunks, this.report)) {
      this.#packets++;
      this.#dropped += packet.dropped;
      this.#unheard += packet.dropped;
      const datagram = findDatagram(packet);
      if (typeof datagram === "string") this.#skipped[datagram]++;
      else if (isWanted(datagram.from) || isWanted(datagram.to)) {
        this.#explain(datagram);
        if (++this.datagrams >= count) return;
      }
      if (this.#terminal.stop.aborted) return;
    }
  }

  #explain(datagram: UdpDatagram): void {
    const { payload } = datagram;
    const flow = this.#flows.of(datagram);
    this.#firstMs ??= datagram.timeMs;
    const security = readSecurity(payload);
    if (security !== undefined) {
      flow.encrypted++;
      const { kind, fields } = security;
      this.#print(datagram, "encryption", [securityText(security)], {
        encryption: { kind, ...fields },
      });
      return;
    }
    const rules = { hasChecksum: this.#hasChecksum, connectId: flow.connectId };
    const enet = readEnet(payload, rules);
    // The first command decides whether it is ENet's at all; more of it may be damaged.
    if (enet === undefined || enet.commands.length === 0) {
      flow.others++;
      const reason = enet?.fault ?? "it is too short";
      this.#print(datagram, "other", [`not ENet's: ${reason}`], { fault: reason });
      return;
    }
    this.#printEnet(datagram, enet, flow.note(datagram, enet));
  }

  #printEnet(datagram: UdpDatagram, enet: EnetDatagram, again: readonly boolean[]): void {
    if (this.#values.quiet) return;
    const { commands, peer, session, sentTime, checksum, compressed, fault } = enet;
    const lines = commands.map((command, i) =>
      commandText(command, again[i], this.#values.data)
    );
    const missing = datagram.missing > 0 ? "the capture has not all of it" : undefined;
    const wrong = fault === undefined ? undefined : missing ?? fault;
    this.#print(
      datagram,
      "enet",
      [headerText(enet), ...lines, ...wrong === undefined ? [] : [`damaged: ${wrong}`]],
      {
        peer,
        session,
        sentTime,
        checksum,
        compressed,
        fault: wrong,
        commands: commands.map(({ data, ...command }, i) => ({
          ...command,
          isAgain: again[i],
          bytes: data?.length,
          data: this.#values.data && data !== undefined
            ? data.subarray(0, 16).reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "")
            : undefined,
        })),
      },
    );
  }

  #print(
    { from, to, payload, missing, timeMs }: UdpDatagram,
    protocol: "enet" | "encryption" | "other",
    lines: readonly string[],
    fields: {
      peer?: number;
      session?: number;
      sentTime?: number;
      checksum?: Checksum;
      compressed?: number;
      commands?: readonly Record<string, Json | undefined>[];
      fault?: string;
      encryption?: Record<string, Json>;
    },
  ): void {
    const dropped = this.#unheard;
    this.#unheard = 0;
    if (this.#values.quiet) return;
    const bytes = payload.length + missing;
    const seconds = ((timeMs - this.#firstMs!) / 1000).toFixed(6);
    const head = this.#terminal.style("bold", `${seconds} ${from} > ${to} ${bytes} bytes`);
    const missed = dropped > 0 ? [`${dropped} packets are missing before this one`] : [];
    this.#terminal.print(
      "datagram",
      {
        number: this.#packets,
        timeMs,
        from,
        to,
        bytes,
        dropped: dropped > 0 ? dropped : undefined,
        protocol,
        peer: undefined,
        session: undefined,
        sentTime: undefined,
        checksum: undefined,
        compressed: undefined,
        commands: undefined,
        fault: undefined,
        encryption: undefined,
        ...fields,
      },
      [head, ...[...missed, ...lines].map((line) => `  ${line}`)].join("\n"),
    );
  }

  /** Prints what is known so far. */
  summarize(): void {
    const { all, forgotten } = this.#flows;
    all.forEach((flow, index) => this.#printFlow(flow, index < SHOWN_FLOWS));
    if (all.length > SHOWN_FLOWS) this.#terminal.say(`… and ${all.length - SHOWN_FLOWS} more`);
    const skipped = Object.entries(this.#skipped).filter(([, count]) => count > 0);
    const told = skipped.map(([reason, count]) => `, ${count} skipped: ${SKIPPED[reason as Skipped]}`);
    this.#terminal.print(
      "summary",
      {
        packets: this.#packets,
        datagrams: this.datagrams,
        dropped: this.#dropped,
        skipped: Object.fromEntries(skipped),
        flows: all.length + forgotten,
        isCutOff: this.report.isCutOff,
      },
      `${this.#packets} packets, ${this.datagrams} datagrams explained${told.join("")}` +
        (this.#dropped > 0 ? `, ${this.#dropped} missing in the capture` : ""),
    );
  }

  #printFlow(flow: Flow, isShown: boolean): void {
    const { from, to, datagrams, bytes, encrypted, others, faults, sentAgain } = flow;
    const commands = [...flow.commands].map(([name, count]) => `${count} ${name}`);
    const counts = [
      ...commands,
      ...sentAgain > 0 ? [`${sentAgain} sent again`] : [],
      ...encrypted > 0 ? [`${encrypted} encrypted`] : [],
      ...others > 0 ? [`${others} not ENet's`] : [],
      ...faults > 0 ? [`${faults} damaged`] : [],
    ];
    const head = this.#terminal.style("bold", `${from} > ${to}`);
    this.#terminal.print(
      "flow",
      {
        from,
        to,
        datagrams,
        bytes,
        encrypted,
        others,
        faults,
        sentAgain,
        commands: Object.fromEntries(flow.commands),
      },
      isShown ? `${head} ${datagrams} datagrams, ${bytes} bytes\n  ${counts.join(", ")}` : undefined,
    );
  }
}

const SKIPPED: Readonly<Record<Skipped, string>> = {
  link: "a link type that is not known",
  other: "not UDP",
  fragment: "a fragment of IP",
  damaged: "damaged",
};

async function runSniff(values: SniffValues, terminal: SniffTerminal): Promise<number> {
  planFilter(values.to);
  using source = planSource(values, terminal);
  const sniffer = new Sniffer(terminal, values);
  let isWhole = true;
  try {
    await sniffer.read(source);
  } catch (error) {
    if (!(error instanceof CaptureError) || sniffer.datagrams === 0) throw nameFile(error, values);
    terminal.report(nameFile(error, values).message);
    isWhole = false;
  }
  if (sniffer.report.isCutOff) terminal.report("the file ends within a packet");
  sniffer.summarize();
  return isWhole ? 0 : 1;
}

/** Says which file is no capture. */
function nameFile(error: unknown, { file }: SniffValues): Error {
  if (!(error instanceof CaptureError) || file === undefined) return error as Error;
  return new Error(`${show(file)}: ${error.message}`, { cause: error });
}

/** The command. */
export const sniff: Command = command({
  name: "sniff",
  summary: "Explain the ENet datagrams of a capture, command by command",
  operands: OPERANDS,
  options: OPTIONS,
  lines: LINES,
  example: "enet sniff --quiet capture.pcapng",
  notes: [
    "Captures come from tcpdump, Wireshark, host.capture() and ENETJS_TRACE. Times are seconds since the first " +
    "datagram. A command is the same as an earlier one, sent again, when its channel and its sequence number are.",
    "What is encrypted is named, and cannot be read: capture it with plain: true, or with ENETJS_TRACE_PLAIN=1. " +
    "Another program's capture can be piped: tcpdump -U -w - udp | enet sniff -.",
    "Exit status: 0 when all was read, 1 when the capture is damaged or there is none, 2 for wrong usage.",
  ],
  run: runSniff,
});
