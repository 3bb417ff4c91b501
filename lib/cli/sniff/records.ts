/**
 * Reads capture files, pcap and pcapng, as a stream: tcpdump, Wireshark and `host.capture` write them.
 *
 * The bytes may be anybody's. So every length is compared with what is there, a record has at most {@linkcode
 * MAXIMUM_RECORD} bytes, and at most {@linkcode MAXIMUM_INTERFACES} interfaces are kept.
 *
 * @module
 */

/** A packet as a file has it. */
export interface CapturedPacket {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** What the bytes begin with: a LINKTYPE of https://www.tcpdump.org/linktypes.html */
  readonly linkType: number;
  /** The packet, or its beginning. */
  readonly bytes: Uint8Array;
  /** How long it was. */
  readonly length: number;
  /** How many packets are missing before it, as the file says. */
  readonly dropped: number;
}

/** A file is no capture, or is damaged. */
export class CaptureError extends Error {
  /** Makes the error. */
  constructor(message: string) {
    super(message);
    this.name = "CaptureError";
  }
}

const MAXIMUM_RECORD = 16 * 1024 * 1024;
const MAXIMUM_INTERFACES = 65_536;

const PCAP_MICROSECONDS = 0xA1B2C3D4;
const PCAP_NANOSECONDS = 0xA1B23C4D;
const PCAPNG_SECTION = 0x0A0D0D0A;
const PCAPNG_MAGIC = 0x1A2B3C4D;
const BLOCK = { INTERFACE: 1, OBSOLETE_PACKET: 2, SIMPLE_PACKET: 3, PACKET: 6 } as const;
const OPTION_RESOLUTION = 9;
const OPTION_DROP_COUNT = 4;

/** Bytes of a stream, taken in pieces of a known length. */
class Input {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #buffer: Uint8Array = new Uint8Array(0);
  /** Bytes that were taken. */
  at = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next bytes; fewer at the end of the stream. They are valid until the next call. */
  async take(length: number): Promise<Uint8Array> {
    if (this.#buffer.length < length) await this.#fill(length);
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(taken.length);
    this.at += taken.length;
    return taken;
  }

  async #fill(length: number): Promise<void> {
    const chunks = [this.#buffer];
    let bytes = this.#buffer.length;
    while (bytes < length) {
      const { done, value } = await this.#chunks.next();
      if (done) break;
      chunks.push(value);
      bytes += value.length;
    }
    const buffer = new Uint8Array(bytes);
    let at = 0;
    for (const chunk of chunks) {
      buffer.set(chunk, at);
      at += chunk.length;
    }
    this.#buffer = buffer;
  }
}

const viewOf = ({ buffer, byteOffset, length }: Uint8Array) =>
  new DataView(buffer, byteOffset, length);

/** What a reader tells beside the packets. */
export interface ReadReport {
  /** The file ends within a record. */
  isCutOff: boolean;
}

/** The header of a pcap file: 24 bytes. */
async function* readPcap(
  input: Input,
  header: Uint8Array,
  report: ReadReport,
): AsyncGenerator<CapturedPacket> {
  const littleEndian = [PCAP_MICROSECONDS, PCAP_NANOSECONDS]
    .includes(viewOf(header).getUint32(0, true));
  const perMs = viewOf(header).getUint32(0, littleEndian) === PCAP_NANOSECONDS ? 1e6 : 1e3;
  const rest = await input.take(20);
  if (rest.length < 20) throw new CaptureError("the file ends within its header");
  const linkType = viewOf(rest).getUint32(16, littleEndian) & 0xFFFF;
  for (;;) {
    const record = await input.take(16);
    if (record.length === 0) return;
    if (record.length < 16) break;
    const view = viewOf(record);
    const captured = view.getUint32(8, littleEndian);
    const length = view.getUint32(12, littleEndian);
    const timeMs = view.getUint32(0, littleEndian) * 1000 + view.getUint32(4, littleEndian) / perMs;
    if (captured > MAXIMUM_RECORD) {
      throw new CaptureError(
        `the file is damaged at byte ${input.at - 16}: a packet of ${captured} bytes`,
      );
    }
    const bytes = await input.take(captured);
    if (bytes.length < captured) break;
    yield { timeMs, linkType, bytes, length, dropped: 0 };
  }
  report.isCutOff = true;
}

/** An interface of a pcapng file. */
interface Interface {
  readonly linkType: number;
  /** Ticks of its clock in a millisecond. */
  readonly perMs: number;
}

/** The value of an option. @param at where the options begin */
function findOption(
  view: DataView,
  at: number,
  wanted: number,
  littleEndian: boolean,
): DataView | undefined {
  while (at + 4 <= view.byteLength) {
    const code = view.getUint16(at, littleEndian);
    const length = view.getUint16(at + 2, littleEndian);
    if (code === 0 || at + 4 + length > view.byteLength) return undefined;
    if (code === wanted) return new DataView(view.buffer, view.byteOffset + at + 4, length);
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return undefined;
}

function readInterface(body: DataView, littleEndian: boolean): Interface | undefined {
  if (body.byteLength < 8) return undefined;
  const resolution = findOption(body, 8, OPTION_RESOLUTION, littleEndian);
  const value = resolution === undefined || resolution.byteLength < 1 ? 6 : resolution.getUint8(0);
  const perSecond = (value & 0x80) === 0 ? 10 ** value : 2 ** (value & 0x7F);
  return { linkType: body.getUint16(0, littleEndian), perMs: perSecond / 1000 };
}

/** The packet of an Enhanced Packet Block, or of the block that was its predecessor. */
function readPacket(
  type: number,
  body: DataView,
  interfaces: readonly Interface[],
  littleEndian: boolean,
): CapturedPacket | undefined {
  if (body.byteLength < 20) return undefined;
  const isOld = type === BLOCK.OBSOLETE_PACKET;
  const number = isOld ? body.getUint16(0, littleEndian) : body.getUint32(0, littleEndian);
  const found = interfaces[number];
  const captured = body.getUint32(12, littleEndian);
  if (found === undefined || captured > body.byteLength - 20) return undefined;
  const ticks = body.getUint32(4, littleEndian) * 2 ** 32 + body.getUint32(8, littleEndian);
  const options = 20 + Math.ceil(captured / 4) * 4;
  const drops = isOld ? undefined : findOption(body, options, OPTION_DROP_COUNT, littleEndian);
  return {
    timeMs: ticks / found.perMs,
    linkType: found.linkType,
    bytes: new Uint8Array(body.buffer, body.byteOffset + 20, captured),
    length: body.getUint32(16, littleEndian),
    dropped: drops?.byteLength === 8 ? Number(drops.getBigUint64(0, littleEndian)) : 0,
  };
}

function readSimplePacket(body: DataView, interfaces: readonly Interface[], littleEndian: boolean) {
  if (body.byteLength < 4 || interfaces.length === 0) return undefined;
  const length = body.getUint32(0, littleEndian);
  const bytes = new Uint8Array(
    body.buffer,
    body.byteOffset + 4,
    Math.min(length, body.byteLength - 4),
  );
  return { timeMs: 0, linkType: interfaces[0].linkType, bytes, length, dropped: 0 };
}

/** Reads the blocks of a pcapng file. The first four bytes, the type of the first block, have been taken. */
async function* readPcapng(input: Input, report: ReadReport): AsyncGenerator<CapturedPacket> {
  let littleEndian = true;
  let interfaces: Interface[] = [];
  for (let isFirst = true;; isFirst = false) {
    const start = isFirst ? 0 : input.at;
    const damaged = (what: string) =>
      new CaptureError(`the file is damaged at byte ${start}: ${what}`);
    const typeBytes = isFirst ? undefined : await input.take(4);
    if (typeBytes?.length === 0) return;
    if (typeBytes !== undefined && typeBytes.length < 4) break;
    const type = typeBytes === undefined
      ? PCAPNG_SECTION
      : viewOf(typeBytes).getUint32(0, littleEndian);
    // The type of a section is the same in both byte orders.
    const isSection = type === PCAPNG_SECTION;
    const head = await input.take(isSection ? 8 : 4);
    if (head.length < (isSection ? 8 : 4)) break;
    if (isSection) {
      littleEndian = viewOf(head).getUint32(4, true) === PCAPNG_MAGIC;
      if (!littleEndian && viewOf(head).getUint32(4, false) !== PCAPNG_MAGIC) {
        throw damaged("a section without byte order");
      }
      interfaces = [];
    }
    const length = viewOf(head).getUint32(0, littleEndian);
    if (length < (isSection ? 28 : 12) || length % 4 !== 0 || length > MAXIMUM_RECORD) {
      throw damaged(`a block of ${length} bytes`);
    }
    const rest = length - (isSection ? 12 : 8);
    const bytes = await input.take(rest);
    if (bytes.length < rest) break;
    if (viewOf(bytes).getUint32(rest - 4, littleEndian) !== length) {
      throw damaged("a block with two lengths");
    }
    const body = viewOf(bytes.subarray(0, rest - 4));
    if (type === BLOCK.INTERFACE) {
      const read = readInterface(body, littleEndian);
      if (read === undefined) throw damaged("an interface without a type");
      if (interfaces.length === MAXIMUM_INTERFACES) throw damaged("too many interfaces");
      interfaces.push(read);
    } else if (type === BLOCK.PACKET || type === BLOCK.OBSOLETE_PACKET) {
      const packet = readPacket(type, body, interfaces, littleEndian);
      if (packet === undefined) throw damaged("a packet that does not fit its block or interface");
      yield packet;
    } else if (type === BLOCK.SIMPLE_PACKET) {
      const packet = readSimplePacket(body, interfaces, littleEndian);
      if (packet === undefined) throw damaged("a packet without an interface");
      yield packet;
    }
  }
  report.isCutOff = true;
}

/**
 * Reads the packets of a capture.
 *
 * @param chunks its bytes
 * @param report is told when the file ends too early; the packets before that are there
 * @returns the packets; their bytes are valid until the next one
 * @throws {CaptureError} When it is no capture, or is damaged.
 */
export async function* readCapture(
  chunks: AsyncIterable<Uint8Array>,
  report: ReadReport,
): AsyncGenerator<CapturedPacket> {
  const input = new Input(chunks);
  const magic = (await input.take(4)).slice();
  if (magic.length === 0) throw new CaptureError("there is nothing in it");
  if (magic.length === 4) {
    const value = viewOf(magic).getUint32(0, true);
    const swapped = viewOf(magic).getUint32(0, false);
    if (value === PCAPNG_SECTION) return yield* readPcapng(input, report);
    if ([value, swapped].some((v) => v === PCAP_MICROSECONDS || v === PCAP_NANOSECONDS)) {
      return yield* readPcap(input, magic, report);
    }
  }
  throw new CaptureError("it is neither a pcap nor a pcapng file");
}
