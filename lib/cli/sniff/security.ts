/**
 * Recognizes datagrams of the library's encryption. What they carry cannot be read without the keys of the session;
 * `host.capture(path, { plain: true })` writes it before encryption. The layout is that of docs/security-protocol.md.
 *
 * @module
 */

/** A datagram of the security protocol. */
export interface SecurityDatagram {
  readonly kind: "HELLO" | "RETRY" | "REPLY" | "DATA" | "CONTROL";
  /** What stands in it unencrypted, by name. */
  readonly fields: Readonly<Record<string, number | boolean>>;
}

const VERSION = 1;
const COOKIE = [8, 24] as const;
/** Of a DATA: what stands before and behind ENet's datagram. */
const OVERHEAD = 29;
const SHORTEST_DATA = OVERHEAD + 2;

/** Receiver's index, epoch and number, which DATA and CONTROL begin with. */
function sealed(view: DataView): Record<string, number> {
  return {
    index: view.getUint32(1),
    epoch: view.getUint8(5) >> 4,
    // Numbers above 2^53 are not reached.
    number: (view.getUint32(5) & 0x0FFFFFFF) * 2 ** 32 + view.getUint32(9),
  };
}

/** Reads a datagram. @returns undefined when it is none of the protocol */
export function readSecurity(bytes: Uint8Array): SecurityDatagram | undefined {
  const { length } = bytes;
  if (length < 2 || (bytes[0] & 15) !== 15 || bytes[1] === 0xFF) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  switch (bytes[0] >> 4) {
    case 0:
      if (length < 256 || length > 1200 || bytes[1] !== VERSION) return undefined;
      return {
        kind: "HELLO",
        fields: {
          index: view.getUint32(4),
          pattern: bytes[2],
          hasCookie: bytes.subarray(...COOKIE).some((byte) => byte !== 0),
        },
      };
    case 1:
      if (length !== 24 || bytes[1] !== VERSION) return undefined;
      return { kind: "RETRY", fields: { index: view.getUint32(4) } };
    case 2:
      return length === 80 ? { kind: "REPLY", fields: {} } : undefined;
    case 3:
      if (length < SHORTEST_DATA) return undefined;
      return { kind: "DATA", fields: { ...sealed(view), enetBytes: length - OVERHEAD } };
    case 4:
      return length === 34 ? { kind: "CONTROL", fields: sealed(view) } : undefined;
    default:
      return undefined;
  }
}
