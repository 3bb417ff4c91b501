/**
 * Datagrams and captures made by hand, for the tests of `enet sniff`.
 *
 * @module
 */

/** The bytes of hexadecimal digits; spaces do not count. */
export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.replace(/\s/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

const u16 = (value: number) => value.toString(16).padStart(4, "0");

/** An IPv4 packet from 10.0.0.1:1000 to 10.0.0.2:7777, without checksums. */
export function ipv4(payload: Uint8Array, protocol = 17): Uint8Array {
  const head = `4500 ${u16(28 + payload.length)} 0000 4000 40 ${
    protocol.toString(16).padStart(2, "0")
  } 0000 0a000001 0a000002 03e8 1e61 ${u16(8 + payload.length)} 0000`;
  return Uint8Array.from([...bytesOf(head), ...payload]);
}

/** How to write a pcap file. */
export interface PcapOptions {
  readonly linkType?: number;
  readonly littleEndian?: boolean;
  readonly nanoseconds?: boolean;
}

/** A pcap file, with a packet each second from 1970 on. */
export function pcap(packets: readonly Uint8Array[], options: PcapOptions = {}): Uint8Array {
  const { linkType = 101, littleEndian = true, nanoseconds = false } = options;
  const size = packets.reduce((sum, { length }) => sum + 16 + length, 24);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  view.setUint32(0, nanoseconds ? 0xA1B23C4D : 0xA1B2C3D4, littleEndian);
  view.setUint16(4, 2, littleEndian);
  view.setUint16(6, 4, littleEndian);
  view.setUint32(16, 65535, littleEndian);
  view.setUint32(20, linkType, littleEndian);
  let at = 24;
  packets.forEach((packet, second) => {
    view.setUint32(at, second, littleEndian);
    view.setUint32(at + 4, nanoseconds ? 250_000_000 : 250_000, littleEndian);
    view.setUint32(at + 8, packet.length, littleEndian);
    view.setUint32(at + 12, packet.length, littleEndian);
    file.set(packet, at + 16);
    at += 16 + packet.length;
  });
  return file;
}
