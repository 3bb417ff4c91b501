import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { LineSplitter, ReadSplitter } from "../../../lib/gateway/pipe/plain_codec.ts";

const encode = (text: string) => new TextEncoder().encode(text);

test("Each read is a message, and an incomplete character waits for the next read", () => {
  const text = "aé€😀z";
  const bytes = encode(text);
  for (let at = 0; at <= bytes.length; at++) {
    const messages: string[] = [];
    const splitter = new ReadSplitter((message) => messages.push(message));
    splitter.push(bytes.subarray(0, at));
    splitter.push(bytes.subarray(at));
    splitter.end();
    assert.equal(messages.join(""), text, `split at ${at}`);
    assert.ok(messages.length <= 2 && messages.every((message) => message !== ""));
  }
});

test("What is no UTF-8 becomes U+FFFD, also an incomplete character at the end; a BOM stays", () => {
  const messages: string[] = [];
  const splitter = new ReadSplitter((message) => messages.push(message));
  splitter.push(Uint8Array.of(0x61, 0xff, 0x62));
  splitter.push(encode("\u{feff}x"));
  splitter.push(Uint8Array.of(0xe2, 0x82));
  splitter.end();
  assert.deepEqual(messages, ["a\ufffdb", "\u{feff}x", "\ufffd"]);
});

/** The lines of bytes that come in pieces of a length. */
function linesOf(bytes: Uint8Array, step: number, maximum: number): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter(
    maximum,
    (line) => lines.push(line),
    () => lines.push("TOO LONG"),
  );
  const buffer = new Uint8Array(step);
  for (let at = 0; at < bytes.length; at += step) {
    const part = bytes.subarray(at, at + step);
    buffer.set(part);
    splitter.push(buffer.subarray(0, part.length)); // which is used again, as a reader does
  }
  splitter.end();
  return lines;
}

test("Each line is a message, however it is split, without newline and carriage return", () => {
  const bytes = encode("one\ntwo\r\n\n€uro\r\r\n123456789\n1234567890\r\n12345678901\nend");
  const expected = ["one", "two", "", "€uro\r", "123456789", "1234567890", "TOO LONG", "end"];
  for (const step of [1, 2, 3, 7, 1000]) {
    assert.deepEqual(linesOf(bytes, step, 10), expected, `in steps of ${step}`);
  }
  assert.deepEqual(linesOf(encode("a\n"), 1, 10), ["a"], "nothing follows the last newline");
});

test("A line without an end takes no more memory than the longest line", () => {
  let tooLong = 0;
  const splitter = new LineSplitter(1000, () => {}, () => tooLong++);
  const block = new Uint8Array(1 << 20).fill(120);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 128; i++) splitter.push(block);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 26);
  assert.equal(tooLong, 0);
  splitter.push(encode("\n"));
  assert.equal(tooLong, 1);
});
