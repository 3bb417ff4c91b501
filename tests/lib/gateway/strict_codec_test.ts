import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ADDRESS_BYTES,
  encodeAddress,
  encodeFrame,
  FrameDecoder,
  FrameType,
  HEADER_BYTES,
} from "../../../lib/gateway/pipe/strict_codec.ts";

/** What a decoder tells, in order, as text that can be compared. */
interface Told {
  readonly events: string[];
  readonly decoder: FrameDecoder;
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16)).join(" ");

function decoderOf(maximum = 1024): Told {
  const events: string[] = [];
  const decoder = new FrameDecoder(maximum, {
    frame: (id, type, payload) => events.push(`${id} ${type} ${hex(payload)}`),
    tooLong: (id, length) => events.push(`${id} too long ${length}`),
    unknown: (type) => events.push(`unknown ${type}`),
  });
  return { events, decoder };
}

const bytes = (...values: number[]) => new Uint8Array(values);

/** A header with any numbers, without a payload. */
function header(id: number, type: number, length: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES));
  [id, type, length].forEach((value, i) => view.setUint32(4 * i, value));
  return new Uint8Array(view.buffer);
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

test("A frame is three big-endian numbers and the payload", () => {
  assert.equal(
    hex(encodeFrame(0x01020304, FrameType.BINARY, bytes(9, 8))),
    "1 2 3 4 0 0 0 2 0 0 0 2 9 8",
  );
  assert.equal(
    hex(encodeFrame(0xffffffff, FrameType.CLOSE, bytes())),
    "ff ff ff ff 0 0 0 8 0 0 0 0",
  );
});

test("The address of an open frame is text of 46 bytes, padded with NUL", () => {
  const longest = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255";
  for (const address of ["", "127.0.0.1", longest]) {
    const payload = encodeAddress(address);
    assert.equal(payload.length, ADDRESS_BYTES);
    assert.equal(new TextDecoder().decode(payload), address.padEnd(ADDRESS_BYTES, "\0"));
  }
  assert.equal(encodeAddress(`${longest}%an-interface`).length, ADDRESS_BYTES);
});

test("Reads may be split at each of the 11 places of the header, and anywhere in the payload", () => {
  const stream = joined(
    encodeFrame(7, FrameType.TEXT, bytes(65, 66, 67)),
    encodeFrame(0, FrameType.BINARY, bytes()),
    encodeFrame(0xfffffffe, FrameType.BINARY, bytes(1, 2)),
  );
  const expected = ["7 1 41 42 43", "0 2 ", "4294967294 2 1 2"];
  for (let at = 0; at <= stream.length; at++) {
    const { events, decoder } = decoderOf();
    decoder.push(stream.subarray(0, at));
    decoder.push(stream.subarray(at));
    assert.deepEqual(events, expected, `split at ${at}`);
    assert.equal(decoder.isWithinFrame, false);
  }
  const { events, decoder } = decoderOf();
  for (const byte of stream) decoder.push(bytes(byte));
  assert.deepEqual(events, expected, "byte by byte");
});

test("What has been taken does not change when the reader uses its buffer again", () => {
  const frame = encodeFrame(1, FrameType.BINARY, bytes(1, 2, 3, 4));
  const buffer = new Uint8Array(4);
  const { events, decoder } = decoderOf();
  for (let at = 0; at < frame.length; at += 4) {
    buffer.set(frame.subarray(at, at + 4));
    decoder.push(buffer);
  }
  assert.deepEqual(events, ["1 2 1 2 3 4"]);
});

test("A payload of the longest length passes; of one more exactly that many bytes are skipped", () => {
  const next = encodeFrame(3, FrameType.TEXT, bytes(42));
  for (const step of [1, 5, 12, 13, 1000]) {
    const { events, decoder } = decoderOf(4);
    const stream = joined(
      header(1, 2, 4),
      bytes(1, 2, 3, 4),
      header(2, 1, 5),
      bytes(0, 0, 0, 0, 0),
      next,
    );
    for (let at = 0; at < stream.length; at += step) decoder.push(stream.subarray(at, at + step));
    assert.deepEqual(events, ["1 2 1 2 3 4", "2 too long 5", "3 1 2a"], `in steps of ${step}`);
  }
});

test("A length of 4 GiB takes no memory, and is skipped", () => {
  const { events, decoder } = decoderOf();
  decoder.push(header(1, FrameType.BINARY, 0xffffffff));
  const block = new Uint8Array(1 << 24);
  for (let i = 0; i < 255; i++) decoder.push(block);
  decoder.push(block.subarray(1));
  assert.equal(decoder.isWithinFrame, false);
  decoder.push(encodeFrame(1, FrameType.BINARY, bytes(5)));
  assert.deepEqual(events, ["1 too long 4294967295", "1 2 5"]);
});

test("After an unknown type nothing is taken until reset, whatever its length is", () => {
  for (const type of [0, 3, FrameType.CLOSE, FrameType.OPEN, 0x01000000, 0xffffffff]) {
    const { events, decoder } = decoderOf();
    decoder.push(joined(header(1, type, 0xffffffff), encodeFrame(1, FrameType.TEXT, bytes(1))));
    assert.deepEqual(events, [`unknown ${type}`]);
    assert.equal(decoder.isLost, true);
    decoder.push(encodeFrame(1, FrameType.TEXT, bytes(1)));
    decoder.reset();
    assert.equal(decoder.isLost, false);
    decoder.push(encodeFrame(1, FrameType.TEXT, bytes(2)));
    assert.deepEqual(events, [`unknown ${type}`, "1 1 2"]);
  }
});

test("10,000 fuzzed frames, in pieces of any length, are told as a plain model does", () => {
  let state = 12345;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  const maximum = 40;
  const { events, decoder } = decoderOf(maximum);
  const expected: string[] = [];
  for (let batch = 0; batch < 500; batch++) {
    const parts: Uint8Array[] = [];
    for (let i = 0; i < 20; i++) {
      const [id, length] = [random(4) * 0x40000001, random(maximum + 8)];
      const type = 1 + random(2);
      const payload = Uint8Array.from({ length }, () => random(256));
      parts.push(encodeFrame(id, type, payload));
      expected.push(
        length > maximum ? `${id} too long ${length}` : `${id} ${type} ${hex(payload)}`,
      );
    }
    const stream = joined(...parts);
    for (let at = 0; at < stream.length;) {
      const length = random(3) === 0 ? random(3) : random(100);
      decoder.push(stream.slice(at, at + length));
      at += length;
    }
    // Sometimes what nobody can read, and a new beginning.
    if (random(10) > 0) continue;
    const type = 3 + random(1000);
    decoder.push(header(random(9), type, random(1 << 30)));
    decoder.push(Uint8Array.from({ length: random(50) }, () => random(256)));
    expected.push(`unknown ${type}`);
    decoder.reset();
  }
  assert.deepEqual(events, expected);
});
