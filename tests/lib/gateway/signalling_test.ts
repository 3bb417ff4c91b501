/** Offers and answers of data channels: what they carry, and what is none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeAnswer,
  decodeOffer,
  encodeAnswer,
  encodeOffer,
  MOST_ADDRESSES,
  type RtcSide,
  sdpOf,
  sideOf,
} from "../../../lib/gateway/link/signalling.ts";

const fingerprint = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
const hash = Array.from(fingerprint, (byte) => byte.toString(16).padStart(2, "0")).join(":");
const side: RtcSide = { fingerprint, name: "Ab+/", password: "0123456789abcdefghijKL" };
const answer = { ...side, port: 40_000, addresses: ["192.0.2.1", "2001:db8::1"] };

/** A frame with any text behind the fingerprint. */
function frame(type: number, text: string | Uint8Array): Uint8Array {
  const rest = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return Uint8Array.of(255, type, ...fingerprint, ...rest);
}

test("Offers and answers have the bytes that docs/gateway.md writes down", () => {
  const offer = encodeOffer(side);
  assert.deepEqual([...offer], [...frame(5, "Ab+/ 0123456789abcdefghijKL")]);
  assert.deepEqual(decodeOffer(offer), side);
  const encoded = encodeAnswer(answer);
  const text = "Ab+/ 0123456789abcdefghijKL 40000 192.0.2.1 2001:db8::1";
  assert.deepEqual([...encoded], [...frame(6, text)]);
  assert.deepEqual(decodeAnswer(encoded), answer);
  assert.deepEqual([...encodeAnswer(undefined)], [255, 6]);
  assert.equal(decodeAnswer(Uint8Array.of(255, 6)), null);
  const many = Array.from({ length: 20 }, (_, i) => `192.0.2.${i}`);
  assert.equal(
    decodeAnswer(encodeAnswer({ ...answer, addresses: many }))?.addresses.length,
    MOST_ADDRESSES,
  );
});

const P = "p".repeat(22);

const NO_OFFERS: Record<string, Uint8Array> = {
  "nothing": Uint8Array.of(255, 5),
  "half a fingerprint": Uint8Array.of(255, 5, ...fingerprint.subarray(16)),
  "no name": frame(5, ""),
  "a name alone": frame(5, "name"),
  "a name that is too short": frame(5, `nam ${P}`),
  "a name that is too long": frame(5, `${"n".repeat(65)} ${P}`),
  "a password that is too short": frame(5, `name ${P.slice(1)}`),
  "a password that is too long": frame(5, `name ${"p".repeat(65)}`),
  "a line of SDP in the name": frame(5, `name\r\na=candidate:1 ${P}`),
  "a line of SDP in the password": frame(5, `name ${P}\r\na=candidate:1`),
  "a line end behind the password": frame(5, `name ${P}\n`),
  "a candidate": frame(5, `name ${P} 9 10.0.0.1`),
  "two spaces": frame(5, `name  ${P}`),
  "a NUL": frame(5, `na\0me ${P}`),
  "what is no UTF-8": frame(
    5,
    Uint8Array.of(0xFF, 0xFE, 0xFF, 0xFE, 32, ...P.split("").map(Number)),
  ),
  "letters beyond ASCII": frame(5, `nämé ${P}`),
  "64 KiB": frame(5, `name ${"p".repeat(65_536)}`),
  "an answer": encodeAnswer(answer),
};

for (const [what, bytes] of Object.entries(NO_OFFERS)) {
  test(`${what} is no offer`, () => assert.equal(decodeOffer(bytes), undefined));
}

const NO_ANSWERS: Record<string, string> = {
  "nothing behind the fingerprint": "",
  "a line of SDP": `name ${P} 40000 192.0.2.1\r\na=mid:1`,
  "a line end": `name ${P} 40000 192.0.2.1\n`,
  "letters beyond ASCII": `nämé ${P} 40000 192.0.2.1`,
  "64 KiB": `name ${P} 40000 ${"1".repeat(65_536)}`,
};

for (const [what, text] of Object.entries(NO_ANSWERS)) {
  test(`With ${what} it is no answer`, () => {
    assert.equal(decodeAnswer(frame(6, text)), undefined);
  });
}

test("20,000 offers of random bytes are none, or are what they seem", () => {
  let seed = 1;
  const random = (below: number) => {
    seed = Math.imul(seed, 1664525) + 1013904223 >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
  const good = encodeOffer(side);
  for (let i = 0; i < 20_000; i++) {
    const bytes = random(2) === 0 ? good.slice() : frame(5, new Uint8Array(random(80)));
    for (let j = random(4); j >= 0; j--) bytes[2 + random(bytes.length - 2)] = random(256);
    const offer = decodeOffer(bytes);
    if (offer === undefined) continue;
    const sdp = sdpOf(offer, "actpass");
    assert.equal(sdp.split("\r\n").length, 14, sdp);
    assert.doesNotMatch(sdp, /candidate/);
  }
});

/** What browsers say of themselves, shortened to what matters. */
const BROWSERS: Record<string, string> = {
  Chromium: `v=0\r\na=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n` +
    `a=ice-ufrag:Ab+/\r\na=ice-pwd:0123456789abcdefghijKL\r\na=ice-options:trickle\r\n` +
    `a=fingerprint:sha-256 ${hash.toUpperCase()}\r\na=setup:actpass\r\na=mid:0\r\n`,
  Firefox: `v=0\r\na=fingerprint:sha-256 ${hash.toUpperCase()}\r\na=group:BUNDLE 0\r\n` +
    `m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-pwd:0123456789abcdefghijKL\r\n` +
    `a=ice-ufrag:Ab+/\r\na=mid:0\r\na=setup:actpass\r\n`,
  "another with bare line ends": `a=ice-ufrag:Ab+/\na=ice-pwd:0123456789abcdefghijKL\n` +
    `a=fingerprint:SHA-256 ${hash}\n`,
};

for (const [name, sdp] of Object.entries(BROWSERS)) {
  test(`${name} tells its side`, () => assert.deepEqual(sideOf(sdp), side));
}

test("A description with another hash, or without a part, is no side", () => {
  const sdp = BROWSERS.Chromium;
  for (const part of [/sha-256/, /a=ice-ufrag.*\r\n/, /a=ice-pwd.*\r\n/, /a=fingerprint.*\r\n/]) {
    assert.equal(sideOf(sdp.replace(part, "sha-512")), undefined, String(part));
  }
  assert.equal(sideOf(""), undefined);
});

test("What is written for the other side is read as that side, with its candidates", () => {
  const sdp = sdpOf(answer, "active");
  assert.deepEqual(sideOf(sdp), side);
  assert.match(sdp, /^a=candidate:1 1 UDP \d+ 192\.0\.2\.1 40000 typ host\r$/m);
  assert.match(sdp, /^a=candidate:2 1 UDP \d+ 2001:db8::1 40000 typ host\r$/m);
});
