/**
 * How both sides of a connection of `enet.1` agree on a data channel of WebRTC: two control frames of the WebSocket.
 *
 *     OFFER   255 | 5 | fingerprint, 32 bytes | "NAME PASSWORD"                         browser to gateway, once at most
 *     ANSWER  255 | 6 | fingerprint, 32 bytes | "NAME PASSWORD PORT ADDRESS ADDRESS…"   gateway to browser
 *     ANSWER  255 | 6                                                                  gateway to browser: no
 *
 * The fingerprint is the SHA-256 hash of the side's certificate. Name and password are those of ICE, 4 to 64 and 22 to
 * 64 of its characters. The addresses are where the gateway waits for UDP; the browser names none, since the gateway
 * sends to where authenticated checks have come from. The browser is the controlling side of ICE and the DTLS server.
 * Everything else is fixed: data channel 0, negotiated, not ordered, without retransmissions.
 *
 * So a description in SDP never crosses the border: each side writes the other's description itself, from parts that
 * have been checked. This file is shared by both sides, and runs in browsers.
 *
 * @module
 */
import { CONTROL, FRAGMENT, HEADER, TYPE } from "./wire.ts";

/** What a side says of itself. */
export interface RtcSide {
  /** SHA-256 of its certificate. */
  readonly fingerprint: Uint8Array;
  /** Name of ICE, `ice-ufrag`. */
  readonly name: string;
  /** Password of ICE, `ice-pwd`. */
  readonly password: string;
}

/** What a gateway says of itself. */
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
const START = HEADER + HASH;
/** Bytes of an offer at most: two texts of 64 characters. */
const LONGEST_OFFER = START + 129;

/** Name and password in the characters of ICE, RFC 8839 (5.4). */
const OFFERED = /^([A-Za-z0-9+/]{4,64}) ([A-Za-z0-9+/]{22,64})$/;
/** What an answer is written in: nothing that could end a line of SDP. */
const ANSWERED = /^[\w+/.: ]{32,600}$/;

function encode(type: number, { fingerprint }: RtcSide, ...texts: unknown[]): Uint8Array {
  const text = new TextEncoder().encode(texts.join(" "));
  const bytes = new Uint8Array(START + text.length);
  bytes.set([CONTROL, type]);
  bytes.set(fingerprint, HEADER);
  bytes.set(text, START);
  return bytes;
}

const fingerprintIn = (bytes: Uint8Array) => bytes.slice(HEADER, START);
const textIn = (bytes: Uint8Array) => new TextDecoder().decode(bytes.subarray(START));

/** Encodes an OFFER. */
export function encodeOffer(side: RtcSide): Uint8Array {
  return encode(TYPE.OFFER, side, side.name, side.password);
}

/** Encodes an ANSWER; without a side it says no. */
export function encodeAnswer(answer: RtcAnswer | undefined): Uint8Array {
  if (answer === undefined) return Uint8Array.of(CONTROL, TYPE.ANSWER);
  const { name, password, port, addresses } = answer;
  return encode(TYPE.ANSWER, answer, name, password, port, ...addresses.slice(0, MOST_ADDRESSES));
}

/** Decodes an OFFER, which a stranger may have written; undefined where it is none. */
export function decodeOffer(bytes: Uint8Array): RtcSide | undefined {
  if (bytes[1] !== TYPE.OFFER || bytes.length > LONGEST_OFFER) return undefined;
  const [, name, password] = textIn(bytes).match(OFFERED) ?? [];
  return name === undefined ? undefined : { fingerprint: fingerprintIn(bytes), name, password };
}

/**
 * Decodes an ANSWER, of which the browser will refuse what makes no sense; null where it says no, undefined where it is
 * none.
 */
export function decodeAnswer(bytes: Uint8Array): RtcAnswer | null | undefined {
  if (bytes[1] !== TYPE.ANSWER) return undefined;
  if (bytes.length === HEADER) return null;
  const text = textIn(bytes);
  if (!ANSWERED.test(text)) return undefined;
  const [name, password, port, ...addresses] = text.split(" ");
  return { fingerprint: fingerprintIn(bytes), name, password, port: Number(port), addresses };
}

/** What a side's own description says of it; undefined where it has another hash, or is not complete. */
export function sideOf(sdp: string): RtcSide | undefined {
  const find = (pattern: RegExp) => sdp.match(pattern)?.[1];
  const hash = find(/fingerprint:sha-256 (.*)/i)?.split(":");
  const [name, password] = [find(/ice-ufrag:(.*)/), find(/ice-pwd:(.*)/)];
  if (hash?.length !== HASH || !name || !password) return undefined;
  return { fingerprint: Uint8Array.from(hash, (byte) => parseInt(byte, 16)), name, password };
}

/**
 * The description of the other side. Its only section has the name that all browsers give to the first one.
 *
 * @param setup its role in DTLS, `"actpass"` for the browser, `"active"` for the gateway
 */
export function sdpOf(side: RtcSide, setup: "actpass" | "active"): string {
  const { fingerprint, name, password, port, addresses = [] } = side as
    & RtcSide
    & Partial<RtcAnswer>;
  const hash = Array.from(fingerprint, (byte) => byte.toString(16).padStart(2, "0"));
  return [
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=mid:0",
    `a=ice-ufrag:${name}`,
    `a=ice-pwd:${password}`,
    `a=fingerprint:sha-256 ${hash.join(":").toUpperCase()}`,
    `a=setup:${setup}`,
    "a=sctp-port:5000",
    ...addresses.map((address, i) =>
      `a=candidate:${i + 1} 1 UDP ${2_130_706_431 - i} ${address} ${port} typ host`
    ),
    "",
  ].join("\r\n");
}
