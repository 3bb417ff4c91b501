/**
 * Takes a datagram of ENet's protocol apart: the header, and the commands in it.
 *
 * Whether hosts put a checksum behind the header is not in the datagram. It is found by looking where commands begin
 * that fill the rest.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { decompress } from "./range_coder.ts";

/** A field of a command. */
export type Fields = Readonly<Record<string, number>>;

/** A command. */
export interface Command {
  readonly name: string;
  /** 255 for what concerns the connection. */
  readonly channel: number;
  /** Its reliable sequence number: of a reliable command its own, else that of the reliable one before it. */
  readonly sequence: number;
  /** Whether the other side acknowledges it. */
  readonly isAcknowledged: boolean;
  readonly isUnsequenced: boolean;
  /** What else it says, by the names of ENet's protocol. */
  readonly fields: Fields;
  /** Bytes of the message or fragment that it carries. */
  readonly data: Uint8Array | undefined;
}

/** What is said of a checksum. */
export type Checksum = "none" | "right" | "wrong" | "unknown";

/** A datagram of ENet. */
export interface EnetDatagram {
  /** The receiver's number of the peer, 4095 before it has one. */
  readonly peer: number;
  readonly session: number;
  /** The sender's clock in milliseconds, 16 bits of it; where a command has to be acknowledged. */
  readonly sentTime: number | undefined;
  readonly checksum: Checksum;
  /** Bytes of the commands as they were sent, where they were compressed. */
  readonly compressed: number | undefined;
  /** Bytes of the commands. */
  readonly bytes: number;
  readonly commands: readonly Command[];
  /** What is wrong with it; the commands before that are there. */
  readonly fault: string | undefined;
  /** Whether a host of ENet may have sent that: other datagrams look like commands now and then. */
  readonly makesSense: boolean;
}

/** How to read datagrams: what is not in them. */
export interface EnetRules {
  /** Whether there is a checksum; undefined: to be found out. */
  readonly hasChecksum: boolean | undefined;
  /** The connect id of the receiver's peer, which counts into the checksum; undefined: not known. */
  readonly connectId: number | undefined;
}

const FLAG_SENT_TIME = 0x8000;
const FLAG_COMPRESSED = 0x4000;
/** The peer of a sender that has none yet. */
export const NO_PEER = 0xFFF;
const CHECKSUM_BYTES = 4;
/** Bytes of a datagram that ENet receives. */
const MAXIMUM = 4096;
/** More commands than ENet puts into a datagram; each has 4 bytes at least. */
const MAXIMUM_COMMANDS = 1024;

const FLAG_ACKNOWLEDGE = 0x80;
const FLAG_UNSEQUENCED = 0x40;

/** A field of a command: its name, and its bytes. */
type Layout = readonly (readonly [name: string, bytes: 1 | 2 | 4])[];

const CONNECT: Layout = [
  ["outgoingPeer", 2],
  ["incomingSession", 1],
  ["outgoingSession", 1],
  ["mtu", 4],
  ["windowSize", 4],
  ["channels", 4],
  ["incomingBandwidth", 4],
  ["outgoingBandwidth", 4],
  ["throttleInterval", 4],
  ["throttleAcceleration", 4],
  ["throttleDeceleration", 4],
  ["connectId", 4],
];
const FRAGMENT: Layout = [
  ["startSequence", 2],
  ["dataLength", 2],
  ["fragments", 4],
  ["fragment", 4],
  ["totalLength", 4],
  ["offset", 4],
];

/** The commands by their numbers. What has `dataLength` has as many bytes of data behind it. */
const COMMANDS: readonly (readonly [name: string, layout: Layout] | undefined)[] = [
  undefined,
  ["acknowledge", [["receivedSequence", 2], ["receivedSentTime", 2]]],
  ["connect", [...CONNECT, ["data", 4]]],
  ["verify connect", CONNECT],
  ["disconnect", [["data", 4]]],
  ["ping", []],
  ["reliable", [["dataLength", 2]]],
  ["unreliable", [["unreliableSequence", 2], ["dataLength", 2]]],
  ["fragment", FRAGMENT],
  ["unsequenced", [["group", 2], ["dataLength", 2]]],
  ["bandwidth limit", [["incomingBandwidth", 4], ["outgoingBandwidth", 4]]],
  ["throttle", [["interval", 4], ["acceleration", 4], ["deceleration", 4]]],
  ["unreliable fragment", FRAGMENT],
];

/** The names of all commands. */
export const COMMAND_NAMES: readonly string[] = COMMANDS.flatMap((command) => command?.[0] ?? []);

const viewOf = ({ buffer, byteOffset, length }: Uint8Array) =>
  new DataView(buffer, byteOffset, length);

/** ENet sends the connect id as it has it in memory, which nearly all machines do in this order. */
const isLittleEndian = (field: string) => field === "connectId";

function readField(view: DataView, at: number, field: string, size: 1 | 2 | 4): number {
  if (size === 1) return view.getUint8(at);
  return size === 2 ? view.getUint16(at) : view.getUint32(at, isLittleEndian(field));
}

interface CommandRead {
  readonly command: Command;
  /** Where the next one begins. */
  readonly end: number;
}

/** Reads the command at a place. @returns it, or what is wrong */
function readCommand(bytes: Uint8Array, view: DataView, at: number): CommandRead | string {
  if (at + 4 > bytes.length) return "a command is cut off";
  const kind = bytes[at];
  const found = COMMANDS[kind & 15];
  if (found === undefined) return `there is no command ${kind & 15}`;
  const [name, layout] = found;
  const fields: Record<string, number> = {};
  let end = at + 4;
  for (const [field, size] of layout) {
    if (end + size > bytes.length) return `a command ${name} is cut off`;
    fields[field] = readField(view, end, field, size);
    end += size;
  }
  const { dataLength } = fields;
  if (dataLength !== undefined && end + dataLength > bytes.length) {
    return `a command ${name} says ${dataLength} bytes, and ${bytes.length - end} are there`;
  }
  const data = dataLength === undefined ? undefined : bytes.subarray(end, end + dataLength);
  return {
    command: {
      name,
      channel: bytes[at + 1],
      sequence: view.getUint16(at + 2),
      isAcknowledged: (kind & FLAG_ACKNOWLEDGE) !== 0,
      isUnsequenced: (kind & FLAG_UNSEQUENCED) !== 0,
      fields,
      data,
    },
    end: end + (dataLength ?? 0),
  };
}

function readCommands(bytes: Uint8Array): { commands: Command[]; fault: string | undefined } {
  const commands: Command[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length;) {
    if (commands.length === MAXIMUM_COMMANDS) return { commands, fault: "too many commands" };
    const read = readCommand(bytes, view, at);
    if (typeof read === "string") return { commands, fault: read };
    commands.push(read.command);
    at = read.end;
  }
  return { commands, fault: commands.length === 0 ? "there is no command" : undefined };
}

interface Reading {
  readonly hasChecksum: boolean;
  readonly body: Uint8Array;
  readonly commands: readonly Command[];
  readonly fault: string | undefined;
}

/** Reads what is behind the header, with or without a checksum. */
function read(rest: Uint8Array, hasChecksum: boolean, isCompressed: boolean): Reading {
  const sent = rest.subarray(hasChecksum ? CHECKSUM_BYTES : 0);
  const body = isCompressed ? decompress(sent, MAXIMUM) : sent;
  if (body === undefined) {
    const fault = "it is compressed in another way than ENet's range coder does";
    return { hasChecksum, body: sent, commands: [], fault };
  }
  return { hasChecksum, body, ...readCommands(body) };
}

/** Commands of the connection itself, which are sent on channel 255. */
const OF_CONNECTION = [
  "connect",
  "verify connect",
  "disconnect",
  "ping",
  "bandwidth limit",
  "throttle",
];

/** Whether a host may have sent that. A checksum looks like a ping now and then. */
function makesSense({ commands, fault }: Reading): boolean {
  return fault === undefined &&
    commands.every(({ name, channel }) => channel === 255 || !OF_CONNECTION.includes(name));
}

/** The reading that makes sense, or else the one that gets further. */
function choose(rest: Uint8Array, isCompressed: boolean, wanted: boolean | undefined): Reading {
  if (wanted !== undefined) return read(rest, wanted, isCompressed);
  const plain = read(rest, false, isCompressed);
  if (makesSense(plain)) return plain;
  const summed = read(rest, true, isCompressed);
  return makesSense(summed) || summed.commands.length > plain.commands.length ? summed : plain;
}

/** CRC32 of header, connect id and commands, as ENet computes it. */
function verify(
  header: Uint8Array,
  rest: Uint8Array,
  { hasChecksum, body }: Reading,
  connectId: number | undefined,
): Checksum {
  if (!hasChecksum) return "none";
  if (connectId === undefined || rest.length < CHECKSUM_BYTES) return "unknown";
  const bytes = new Uint8Array(header.length + CHECKSUM_BYTES + body.length);
  bytes.set(header);
  bytes.set(body, header.length + CHECKSUM_BYTES);
  viewOf(bytes).setUint32(header.length, connectId, isLittleEndian("connectId"));
  return crc32(bytes) === viewOf(rest).getUint32(0) ? "right" : "wrong";
}

/**
 * Takes a datagram apart.
 *
 * @returns it, or undefined when it is too short for a header
 */
export function readEnet(bytes: Uint8Array, rules: EnetRules): EnetDatagram | undefined {
  if (bytes.length < 2) return undefined;
  const view = viewOf(bytes);
  const word = view.getUint16(0);
  const hasTime = (word & FLAG_SENT_TIME) !== 0;
  const isCompressed = (word & FLAG_COMPRESSED) !== 0;
  const headerBytes = hasTime ? 4 : 2;
  if (bytes.length < headerBytes) return undefined;
  const header = bytes.subarray(0, headerBytes);
  const rest = bytes.subarray(headerBytes);
  const reading = choose(rest, isCompressed, rules.hasChecksum);
  const peer = word & NO_PEER;
  return {
    peer,
    session: word >> 12 & 3,
    sentTime: hasTime ? view.getUint16(2) : undefined,
    checksum: verify(header, rest, reading, peer === NO_PEER ? 0 : rules.connectId),
    compressed: isCompressed ? rest.length - (reading.hasChecksum ? CHECKSUM_BYTES : 0) : undefined,
    bytes: reading.body.length,
    commands: reading.commands,
    fault: reading.fault,
    makesSense: makesSense(reading),
  };
}
