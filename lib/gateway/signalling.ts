/**
 * How both sides of a connection of `enet.1` agree on a data channel of WebRTC: two control frames of the WebSocket.
 *
 *     OFFER   255 | 5 | fingerprint, 32 bytes | "NAME PASSWORD"                         browser to gateway, once at most
 *     ANSWER  255 | 6 | fingerprint, 32 bytes | "NAME PASSWORD PORT ADDRESS ADDRESS…"   gateway to browser
 *     ANSWER  255 | 6                                                                  gateway to browser: no
 *
 * The fingerprint is the SHA-256 hash of the side's certificate. Name and password are those of ICE, 4 to 64 and 22 to
 * 64 of its characters. The addresses are where the gateway waits for UDP; the browser tells none, since the gateway
 * sends to where authenticated checks have come from. The browser is the controlling side of ICE and the DTLS server.
 * Everything else is fixed: data channel 0, negotiated, not ordered, without retransmissions.
 *
 * So a description in SDP never crosses the border: each side writes the other's description itself, from parts that
 * have been checked. This file is shared by both sides, and runs in browsers.
 *
 * @module
 */
import { CONTROL, FRAGMENT, HEADER, TYPE } from "./wire.ts";

/** What a side tells of itself. */
export interface RtcSide {
  /** SHA-256 of its certificate. */
  readonly fingerprint: Uint8Array;
  /** Name of ICE, `ice-ufrag`. */
  readonly name: string;
  /** Password of ICE, `ice-pwd`. */
  readonly password: string;
}

/** What a gateway tells of itself. */
export interface RtcAnswer extends RtcSide {
  /** Where it waits for UDP. */
  readonly port: number;
  /** IP addresses that it is reached by. */
  readonly addresses: readonly string[];
}

/** Addresses in an answer at most. */
export const MOST_ADDRESSES = 8;

/** Bytes of a message on the data channel at most. */
export const MOST_CHANNEL_BYTES = 8 + FRAGMENT;

const HASH = 32;
const LONGEST = HEADER + HASH + 600;
/** The characters of ICE, RFC 8839 (5.4). */
const ICE = "[A-Za-z0-9+/]";
const CREDENTIALS = `(${ICE}{4,64}) (${ICE}{22,64})`;
const OFFERED = new RegExp(`^${CREDENTIALS}$`);
const ANSWERED = new RegExp(
  `^${CREDENTIALS} (\\d{1,5})((?: [0-9A-Fa-f.:]{2,45}){1,${MOST_ADDRESSES}})$`,
);

function encode(type: number, { fingerprint }: RtcSide, text: string): Uint8Array {
  const bytes = new Uint8Array(HEADER + HASH + text.length);
  bytes.set([CONTROL, type]);
  bytes.set(fingerprint, HEADER);
  bytes.set(new TextEncoder().encode(text), HEADER + HASH);
  return bytes;
}

/** The parts of a frame that a pattern finds, behind the fingerprint. */
function decode(type: number, bytes: Uint8Array, pattern: RegExp) {
  if (bytes[1] !== type || bytes.length > LONGEST) return undefined;
  const match = new TextDecoder().decode(bytes.subarray(HEADER + HASH)).match(pattern);
  if (match === null) return undefined;
  const [, name, password, ...rest] = match;
  return { side: { fingerprint: bytes.slice(HEADER, HEADER + HASH), name, password }, rest };
}

/** Encodes an OFFER. */
export function encodeOffer(side: RtcSide): Uint8Array {
  return encode(TYPE.OFFER, side, `${side.name} ${side.password}`);
}

/** Encodes an ANSWER; without a side it says no. */
export function encodeAnswer(answer: RtcAnswer | undefined): Uint8Array {
  if (answer === undefined) return Uint8Array.of(CONTROL, TYPE.ANSWER);
  const { name, password, port, addresses } = answer;
  const known = addresses.slice(0, MOST_ADDRESSES);
  return encode(TYPE.ANSWER, answer, [name, password, port, ...known].join(" "));
}

/** Decodes an OFFER; undefined where it is none. */
export function decodeOffer(bytes: Uint8Array): RtcSide | undefined {
  return decode(TYPE.OFFER, bytes, OFFERED)?.side;
}

/** Decodes an ANSWER; null where it says no, undefined where it is none. */
export function decodeAnswer(bytes: Uint8Array): RtcAnswer | null | undefined {
  if (bytes.length === HEADER && bytes[1] === TYPE.ANSWER) return null;
  const decoded = decode(TYPE.ANSWER, bytes, ANSWERED);
  if (decoded === undefined) return undefined;
  const [port, addresses] = decoded.rest;
  const answer = { ...decoded.side, port: Number(port), addresses: addresses.slice(1).split(" ") };
  return answer.port > 0 && answer.port < 65_536 ? answer : undefined;
}

/** What a side's own description says of it; undefined where it has another hash, or is not complete. */
export function sideOf(sdp: string): RtcSide | undefined {
  const find = (attribute: string) => sdp.match(new RegExp(`^a=${attribute}:(.*?)\\r?$`, "m"))?.[1];
  const hash = find("fingerprint")?.match(/^sha-256 ((?:[0-9a-f]{2}:?){32})$/i)?.[1];
  const [name, password] = [find("ice-ufrag"), find("ice-pwd")];
  if (hash === undefined || !OFFERED.test(`${name} ${password}`)) return undefined;
  const fingerprint = Uint8Array.from(hash.split(":"), (byte) => parseInt(byte, 16));
  return { fingerprint, name: name!, password: password! };
}

/**
 * The description of the other side.
 *
 * @param setup its role in DTLS, `"actpass"` for the browser, `"active"` for the gateway
 * @param mid the name of the only section, as this side has it
 */
export function sdpOf(side: RtcSide, setup: "actpass" | "active", mid: string): string {
  const { port, addresses = [] } = side as Partial<RtcAnswer>;
  const hash = Array.from(side.fingerprint, (byte) => byte.toString(16).padStart(2, "0"));
  return [
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mid}`,
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    `a=mid:${mid}`,
    `a=ice-ufrag:${side.name}`,
    `a=ice-pwd:${side.password}`,
    `a=fingerprint:sha-256 ${hash.join(":").toUpperCase()}`,
    `a=setup:${setup}`,
    "a=sctp-port:5000",
    `a=max-message-size:${MOST_CHANNEL_BYTES}`,
    ...addresses.map((address, i) =>
      `a=candidate:${i + 1} 1 UDP ${2_130_706_431 - i} ${address} ${port} typ host`
    ),
    ...addresses.length > 0 ? ["a=end-of-candidates"] : [],
    "",
  ].join("\r\n");
}
