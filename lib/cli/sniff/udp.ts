/**
 * Finds the UDP datagram in a captured packet: below it are Ethernet or another link, and IPv4 or IPv6.
 *
 * @module
 */
import { formatIp, hostAndPort } from "../../internal/ip.ts";
import type { CapturedPacket } from "./records.ts";

/** A UDP datagram. */
export interface UdpDatagram {
  readonly timeMs: number;
  /** Address and port, as `127.0.0.1:7777` or `[::1]:7777`. */
  readonly from: string;
  readonly to: string;
  readonly payload: Uint8Array;
  /** Bytes of the payload that the capture does not have. */
  readonly missing: number;
}

/** Why a packet has no datagram that can be explained. */
export type Skipped = "link" | "other" | "fragment" | "damaged";

const LINK = {
  NULL: 0,
  ETHERNET: 1,
  RAW_BSD: [12, 14],
  RAW: 101,
  LOOP: 108,
  LINUX: 113,
  IPV4: 228,
  IPV6: 229,
  LINUX_2: 276,
} as const;
const ETHER = { IPV4: 0x0800, IPV6: 0x86DD, VLAN: [0x8100, 0x88A8] } as const;
const UDP = 17;
/** Extension headers of IPv6 that are stepped over: hop-by-hop, routing, destination options. */
const EXTENSIONS = [0, 43, 60];
const FRAGMENT = 44;

/** Where IP begins behind a type of Ethernet, over tags of virtual networks. */
function behindEtherType(view: DataView, at: number): number | undefined {
  for (; at + 2 <= view.byteLength; at += 4) {
    const type = view.getUint16(at);
    if (type === ETHER.IPV4 || type === ETHER.IPV6) return at + 2;
    if (!ETHER.VLAN.some((vlan) => vlan === type)) return undefined;
  }
  return undefined;
}

/** Where IP begins. @returns undefined for another protocol, or "link" for a link that is not known */
function findIp(view: DataView, linkType: number): number | undefined | "link" {
  switch (linkType) {
    case LINK.ETHERNET:
      return behindEtherType(view, 12);
    case LINK.LINUX:
      return behindEtherType(view, 14);
    case LINK.LINUX_2:
      return view.byteLength >= 2 && behindEtherType(view, 0) === 2 ? 20 : undefined;
    case LINK.NULL:
    case LINK.LOOP:
      return 4;
    case LINK.RAW:
    case LINK.RAW_BSD[0]:
    case LINK.RAW_BSD[1]:
    case LINK.IPV4:
    case LINK.IPV6:
      return 0;
    default:
      return "link";
  }
}

/** Where UDP begins, and the addresses; both in the same form. */
interface IpContent {
  readonly at: number;
  readonly from: string;
  readonly to: string;
}

const ipv4Text = (view: DataView, at: number) => formatIp(view.getUint32(at));

const ipv6Text = (view: DataView, at: number) =>
  formatIp({
    words: [0, 4, 8, 12].map((i) => view.getUint32(at + i)) as [number, number, number, number],
    zone: "",
  });

function readIpv4(view: DataView): IpContent | Skipped {
  if (view.byteLength < 20) return "damaged";
  const headerBytes = (view.getUint8(0) & 15) * 4;
  if (headerBytes < 20 || headerBytes > view.byteLength) return "damaged";
  if (view.getUint8(9) !== UDP) return "other";
  if ((view.getUint16(6) & 0x3FFF) !== 0) return "fragment";
  return { at: headerBytes, from: ipv4Text(view, 12), to: ipv4Text(view, 16) };
}

function readIpv6(view: DataView): IpContent | Skipped {
  if (view.byteLength < 40) return "damaged";
  let next = view.getUint8(6);
  let at = 40;
  while (EXTENSIONS.includes(next)) {
    if (at + 2 > view.byteLength) return "damaged";
    next = view.getUint8(at);
    at += (view.getUint8(at + 1) + 1) * 8;
  }
  if (next === FRAGMENT) return "fragment";
  if (next !== UDP) return "other";
  return { at, from: ipv6Text(view, 8), to: ipv6Text(view, 24) };
}

/** Finds the datagram of a packet. @returns it, or why there is none */
export function findDatagram(packet: CapturedPacket): UdpDatagram | Skipped {
  const { bytes, linkType, timeMs } = packet;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = findIp(view, linkType);
  if (at === "link") return "link";
  if (at === undefined || at >= view.byteLength) return "other";
  const ip = new DataView(view.buffer, view.byteOffset + at, view.byteLength - at);
  const version = ip.getUint8(0) >> 4;
  if (version !== 4 && version !== 6) return "other";
  const content = version === 4 ? readIpv4(ip) : readIpv6(ip);
  if (typeof content === "string") return content;
  if (content.at + 8 > ip.byteLength) return "damaged";
  const length = ip.getUint16(content.at + 4) - 8;
  if (length < 0) return "damaged";
  const begin = bytes.byteOffset + at + content.at + 8;
  const there = Math.min(length, bytes.byteOffset + bytes.length - begin);
  return {
    timeMs,
    from: hostAndPort({ hostname: content.from, port: ip.getUint16(content.at) }),
    to: hostAndPort({ hostname: content.to, port: ip.getUint16(content.at + 2) }),
    payload: new Uint8Array(bytes.buffer, begin, there),
    missing: length - there,
  };
}
