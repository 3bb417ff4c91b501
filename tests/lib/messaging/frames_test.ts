import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameDecoder } from "../../../lib/messaging/frames.ts";
import { randomOf } from "../../_relay.ts";

function frame(length: number, fill: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + length).fill(fill);
  new DataView(bytes.buffer).setUint32(0, length);
  return bytes;
}

function join(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** The frames of a stream in these pieces, as their lengths and first bytes. */
function decode(pieces: Iterable<Uint8Array<ArrayBuffer>>, maximum = 100_000): string[] {
  const decoder = new FrameDecoder(maximum);
  const found: string[] = [];
  for (const piece of pieces) {
    assert.ok(decoder.isIdle);
    decoder.push(piece);
    while (decoder.next()) {
      const bytes = decoder.buffer.subarray(decoder.start, decoder.end);
      assert.ok(bytes.every((byte) => byte === bytes[0]));
      found.push(`${bytes.length}:${bytes[0]}`);
    }
  }
  return found;
}

test("Frames come out whole, wherever the stream is cut", () => {
  const stream = join([frame(8, 1), frame(9, 2), frame(300, 3), frame(8, 4)]);
  const expected = ["8:1", "9:2", "300:3", "8:4"];
  assert.deepEqual(decode([stream]), expected);
  assert.deepEqual(decode([...stream].map((byte) => new Uint8Array([byte]))), expected);
  for (let cut = 0; cut <= stream.length; cut++) {
    assert.deepEqual(decode([stream.slice(0, cut), stream.slice(cut)]), expected, `cut at ${cut}`);
  }
  const random = randomOf(1);
  for (let run = 0; run < 300; run++) {
    const pieces = [];
    for (let at = 0; at < stream.length;) {
      const end = at + 1 + Math.floor(random() * 40);
      pieces.push(stream.slice(at, end));
      at = end;
    }
    assert.deepEqual(decode(pieces), expected);
  }
});

test("A length is checked as soon as it is there, and takes no memory", () => {
  for (
    const [length, isGood] of [[7, false], [8, true], [0, false], [1000, true], [1001, false], [
      0xFFFFFFFF,
      false,
    ]] as const
  ) {
    const decoder = new FrameDecoder(1000);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, length);
    for (const byte of bytes) {
      assert.equal(decoder.fault, undefined);
      decoder.push(new Uint8Array([byte]));
      assert.equal(decoder.next(), false);
    }
    assert.equal(decoder.fault === undefined, isGood, String(length));
    decoder.push(frame(8, 1));
    if (!isGood) assert.equal(decoder.next(), false);
  }
});

test("A frame takes memory as it arrives, and not as it promises", () => {
  const decoder = new FrameDecoder(2 ** 30);
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, 2 ** 30);
  decoder.push(head);
  assert.equal(decoder.next(), false);
  for (let i = 0; i < 100; i++) {
    decoder.push(new Uint8Array(100));
    assert.equal(decoder.next(), false);
  }
  assert.ok(decoder.reservedBytes <= 2 * 10_004 + 1024, String(decoder.reservedBytes));
});
