/**
 * Explains the datagrams of a capture, and counts them.
 *
 * @module
 */
import { count } from "../../internal/inspect.ts";
import type { Json } from "../frame/terminal.ts";
import { type Checksum, type EnetDatagram, readEnet } from "./enet.ts";
import { type Flow, Flows } from "./flows.ts";
import { planFilter, type SniffTerminal, type SniffValues } from "./options.ts";
import { readCapture, type ReadReport } from "./records.ts";
import { readSecurity } from "./security.ts";
import type { Source } from "./source.ts";
import { commandText, headerText, preview, securityText } from "./text.ts";
import { findDatagram, type Skipped, type UdpDatagram } from "./udp.ts";

/** Why packets were skipped, in words. */
const SKIPPED: Readonly<Record<Skipped, string>> = {
  link: "a link type that is not known",
  other: "not UDP",
  fragment: "a fragment of IP",
  damaged: "damaged",
};

/** Flows that people are shown. */
const SHOWN_FLOWS = 20;

/** Explains datagrams as they come. */
export class Sniffer {
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
    const { to, count: limit = Infinity } = this.#values;
    const isWanted = planFilter(to);
    for await (const packet of readCapture(source.chunks, this.report)) {
      this.#packets++;
      this.#dropped += packet.dropped;
      this.#unheard += packet.dropped;
      const datagram = findDatagram(packet);
      if (typeof datagram === "string") this.#skipped[datagram]++;
      else if (isWanted(datagram.from) || isWanted(datagram.to)) {
        this.#explain(datagram);
        if (++this.datagrams >= limit) return;
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
    // Where ENet was spoken before, what makes no sense is damaged; elsewhere it is something else.
    const isEnet = enet !== undefined && enet.commands.length > 0 &&
      (enet.makesSense || flow.commands.size > 0);
    if (!isEnet) {
      flow.others++;
      const reason = enet === undefined
        ? "it is too short"
        : enet.fault ?? "its commands make no sense";
      this.#print(datagram, "other", [`not ENet's: ${reason}`], { fault: reason });
      return;
    }
    this.#printEnet(datagram, enet, flow.note(datagram, enet));
  }

  #printEnet(datagram: UdpDatagram, enet: EnetDatagram, again: readonly boolean[]): void {
    if (this.#values.quiet) return;
    const { commands, peer, session, sentTime, checksum, compressed, fault } = enet;
    const lines = commands.map((command, i) => commandText(command, again[i], this.#values.data));
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
          data: this.#values.data && data !== undefined ? preview(data) : undefined,
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
    const missed = dropped > 0 ? [`${count(dropped, "packet")} missing before this one`] : [];
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
    const skipped = Object.entries(this.#skipped).filter(([, number]) => number > 0);
    const told = skipped.map(([reason, number]) =>
      `, ${number} skipped: ${SKIPPED[reason as Skipped]}`
    );
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
      `${count(this.#packets, "packet")}, ${count(this.datagrams, "datagram")} explained` +
        told.join("") +
        (this.#dropped > 0 ? `, ${this.#dropped} missing in the capture` : ""),
    );
  }

  #printFlow(flow: Flow, isShown: boolean): void {
    const { from, to, datagrams, bytes, encrypted, others, faults, sentAgain } = flow;
    const commands = [...flow.commands].map(([name, number]) => `${number} ${name}`);
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
      isShown
        ? `${head} ${count(datagrams, "datagram")}, ${bytes} bytes\n  ${counts.join(", ")}`
        : undefined,
    );
  }
}
