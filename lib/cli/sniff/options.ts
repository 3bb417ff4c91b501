/**
 * Operands, options and lines of `enet sniff`, and the filter of addresses.
 *
 * @module
 */
import { show } from "../../../ffi/show.ts";
import { formatIp, hostAndPort, parseIp } from "../../internal/ip.ts";
import type { Values } from "../frame/command.ts";
import { type OptionTable, UsageError } from "../frame/options.ts";
import type { Terminal } from "../frame/terminal.ts";

/** What the command takes besides options. */
export const OPERANDS = {
  file: {
    value: "FILE",
    help: "a pcap or pcapng file; - is standard input",
    isOptional: true,
  },
} as const;

/** Its own options. */
export const OPTIONS = {
  interface: {
    kind: "text",
    short: "i",
    value: "NAME",
    help:
      "capture from an interface of this machine, such as eth0, lo or any; needs tcpdump and root",
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

/** The lines of `--json`. */
export const LINES = {
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
      checksum:
        "`none`, `right`, `wrong`, or `unknown` where the capture begins later than the connection",
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

/** Where it prints. */
export type SniffTerminal = Terminal<typeof LINES>;
/** The values that it gets. */
export type SniffValues = Values<typeof OPERANDS, typeof OPTIONS>;

/** Whether an address is the one that is asked for. */
export function planFilter(to: string | undefined): (address: string) => boolean {
  if (to === undefined) return () => true;
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(to) ?? [];
  const hostname = bracketed ?? plain;
  const ip = hostname === undefined || hostname === "" ? undefined : parseIp(hostname);
  if (port === undefined || Number(port) > 65535 || (hostname !== "" && ip === undefined)) {
    throw new UsageError(
      `--to must be an IP address with a port, such as 192.0.2.7:7777, [2001:db8::7]:7777 or :7777, not ${
        show(to)
      }`,
    );
  }
  if (ip === undefined) return (address) => address.endsWith(`:${Number(port)}`);
  const wanted = hostAndPort({ hostname: formatIp(ip), port: Number(port) });
  return (address) => address === wanted;
}
