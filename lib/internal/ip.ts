/**
 * IP addresses as text and as numbers.
 *
 * An IPv4 address is a number in host byte order. An IPv6 address is its four words of 32 bits, the most
 * significant first. A link-local one also has a zone: the name or number of a network interface. An IPv4-mapped
 * IPv6 address, `::ffff:192.0.2.7`, is the IPv4 address.
 *
 * @module
 */

/** An IPv6 address that is not IPv4-mapped. */
export interface IPv6Address {
  readonly words: readonly [number, number, number, number];
  /** Empty where there is none. */
  readonly zone: string;
}

/** An address of either version. */
export type IpAddress = number | IPv6Address;

/** 127.0.0.1 */
export const LOOPBACK = 0x7F000001;

/** ::1 */
export const LOOPBACK_IPV6: IPv6Address = { words: [0, 0, 0, 1], zone: "" };

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** An IPv4 literal as a number in host byte order, or undefined if it is none. */
export function parseIPv4(text: string): number | undefined {
  const match = IPV4.exec(text);
  if (match === null) return undefined;
  let address = 0;
  for (const part of match.slice(1)) {
    const byte = Number(part);
    if (byte > 255 || (part.length > 1 && part[0] === "0")) return undefined;
    address = address * 256 + byte;
  }
  return address;
}

/** A number in host byte order as an IPv4 literal. */
export function formatIPv4(address: number): string {
  return `${address >>> 24}.${address >>> 16 & 255}.${address >>> 8 & 255}.${address & 255}`;
}

/**
 * The groups of 16 bits of one side of `::`.
 *
 * @param isLast whether nothing follows, so that the last two may be written as an IPv4 address
 */
function parseGroups(text: string, isLast: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    const ipv4 = isLast && index === parts.length - 1 ? parseIPv4(part) : undefined;
    if (ipv4 !== undefined) groups.push(ipv4 >>> 16, ipv4 & 0xFFFF);
    else if (/^[\da-f]{1,4}$/i.test(part)) groups.push(parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function parseWords(text: string): readonly [number, number, number, number] | undefined {
  const sides = text.split("::");
  const [head, tail, ...others] = sides.map((side, index) =>
    parseGroups(side, index === sides.length - 1)
  );
  if (head === undefined || others.length > 0) return undefined;
  const isWhole = !text.includes("::");
  if (!isWhole && tail === undefined) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (isWhole ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail ?? []];
  const word = (index: number) => (groups[index] << 16 | groups[index + 1]) >>> 0;
  return [word(0), word(2), word(4), word(6)];
}

const isMapped = ([a, b, c]: readonly number[]) => a === 0 && b === 0 && c === 0xFFFF;

/** An IP literal, without brackets, or undefined if it is none. */
export function parseIp(text: string): IpAddress | undefined {
  const ipv4 = parseIPv4(text);
  if (ipv4 !== undefined) return ipv4;
  const [, literal, zone = ""] = /^([^%]*)(?:%([^%:/[\]\s]+))?$/.exec(text) ?? [];
  const words = literal?.includes(":") ? parseWords(literal) : undefined;
  if (words === undefined) return undefined;
  if (!isMapped(words)) return { words, zone };
  return zone === "" ? words[3] : undefined;
}

/** The words of an IPv6 address, or of an IPv4 address as an IPv4-mapped one. */
export function wordsOf(address: IpAddress): readonly [number, number, number, number] {
  return typeof address === "number" ? [0, 0, 0xFFFF, address] : address.words;
}

/** Begin and end of the longest run of zeros, of at least two groups. */
function longestZeros(groups: readonly number[]): [number, number] {
  let longest: [number, number] = [0, 0];
  for (let begin = 0; begin < 8; begin++) {
    let end = begin;
    while (end < 8 && groups[end] === 0) end++;
    if (end - begin > Math.max(1, longest[1] - longest[0])) longest = [begin, end];
    if (end > begin) begin = end;
  }
  return longest;
}

/** An address as text in its canonical form (RFC 5952), without brackets. */
export function formatIp(address: IpAddress): string {
  if (typeof address === "number") return formatIPv4(address);
  const { words, zone } = address;
  const groups = words.flatMap((word) => [word >>> 16, word & 0xFFFF]);
  const text = (some: number[]) => some.map((group) => group.toString(16)).join(":");
  const [begin, end] = longestZeros(groups);
  const literal = end === 0
    ? text(groups)
    : `${text(groups.slice(0, begin))}::${text(groups.slice(end))}`;
  return zone === "" ? literal : `${literal}%${zone}`;
}

/** Whether it is `::`. */
export function isUnspecified(address: IpAddress): boolean {
  return typeof address === "object" && address.words.every((word) => word === 0);
}

/** Whether an address means something only together with a zone: link-local ones, and multicast to a link. */
export function needsZone(address: IpAddress): boolean {
  if (typeof address === "number") return false;
  const first = address.words[0] >>> 16;
  // Of a multicast address, the flags stand between the two.
  return (first & 0xFFC0) === 0xFE80 || (first & 0xFF0F) === 0xFF02;
}

/** What counts as one address for limits, as in native code: an IPv4 address, or the /64 of an IPv6 address. */
export function networkOf(hostname: string): string {
  const address = parseIp(hostname);
  if (typeof address !== "object") return hostname;
  const [high, low] = address.words;
  return `${high}:${low}%${address.zone}`;
}

/** A host name or address as it stands before a port: an IPv6 address in brackets. */
export function bracketed(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

/** `hostname:port`, or `[address]:port`. */
export function hostAndPort({ hostname, port }: { hostname: string; port: number }): string {
  return `${bracketed(hostname)}:${port}`;
}
