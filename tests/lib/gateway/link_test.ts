import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CLOSE,
  closeReason,
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeMessage,
  encodePing,
  encodePong,
  encodeWelcome,
  endOf,
  FRAGMENT,
  FRAME_COST,
  u32,
} from "../../../lib/gateway/link/wire.ts";
import { Link } from "../../../lib/gateway/link/link.ts";
import { equalBytes } from "../../_helpers.ts";
import { pass, side } from "./_pipe.ts";

const WINDOW = 65_536;

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
}

test("The greetings have the bytes that docs/gateway.md writes down", () => {
  const hello = encodeHello({ channels: 2, data: 0xDEADBEEF, window: 65_536 });
  assert.deepEqual([...hello], [255, 1, 2, 0xDE, 0xAD, 0xBE, 0xEF, 0, 1, 0, 0]);
  assert.deepEqual(decodeHello(hello), { channels: 2, data: 0xDEADBEEF, window: 65_536 });
  const welcome = encodeWelcome({ channels: 255, window: 1, largest: 2 ** 25 });
  assert.deepEqual([...welcome], [255, 2, 255, 0, 0, 0, 1, 2, 0, 0, 0]);
  assert.deepEqual(decodeWelcome(welcome), { channels: 255, window: 1, largest: 2 ** 25 });
  assert.deepEqual([...encodePing(1)], [255, 3, 0, 0, 0, 1]);
  assert.deepEqual([...encodePong(1, 2 ** 32 + 5)], [255, 4, 0, 0, 0, 1, 0, 0, 0, 5]);
  assert.deepEqual([...encodeMessage(3, 2, Uint8Array.of(9))[0]], [3, 2, 9]);
  for (let length = 0; length < hello.length; length++) {
    assert.equal(decodeHello(hello.subarray(0, length)), undefined);
  }
  assert.equal(decodeHello(Uint8Array.of(...hello, 0)), undefined);
  assert.equal(decodeHello(welcome), undefined);
  assert.equal(decodeHello(encodeHello({ channels: 0, data: 0, window: 1 })), undefined);
  assert.equal(decodeHello(encodeHello({ channels: 1, data: 0, window: 0 })), undefined);
});

test("The data of a disconnect survives the close frame, and each code has its meaning", () => {
  for (const data of [0, 1, 999, 4000, 2 ** 32 - 1]) {
    assert.deepEqual(endOf(CLOSE.DISCONNECT, closeReason(data)), { reason: "remote", data });
    assert.deepEqual(endOf(CLOSE.REFUSED, closeReason(data)), { reason: "refused", data });
  }
  for (const text of ["", "-1", "4294967296", "1e3", "0x10", "bye", " 1", "99999999999"]) {
    assert.deepEqual(endOf(CLOSE.DISCONNECT, text), { reason: "remote", data: 0 }, text);
  }
  for (const code of [1000, 1001, 1005]) {
    assert.deepEqual(endOf(code, "5"), { reason: "remote", data: 0 });
  }
  assert.equal(endOf(1006, "").reason, "timeout");
  assert.equal(endOf(CLOSE.TIMEOUT, "").reason, "timeout");
  for (const code of [CLOSE.FAULT, 1002, 1009, 1011, 4999]) {
    assert.equal(endOf(code, "").reason, "reset");
  }
});

test("Messages of every size arrive as they were sent, in order on each channel", () => {
  const [a, b] = [side(), side()];
  const sizes = [0, 1, FRAGMENT - 1, FRAGMENT, FRAGMENT + 1, 3 * FRAGMENT, 500_000];
  for (const size of sizes) a.send(size % 2, pattern(size));
  a.send(0, "last", 2);
  pass(a, b);
  assert.deepEqual(a.told.filter((text) => text !== "drained"), []);
  for (const channelId of [0, 1]) {
    const expected = sizes.filter((size) => size % 2 === channelId);
    const of = b.bytes.filter((_, i) => b.got[i].startsWith(`${channelId} `));
    assert.deepEqual(
      of.map(({ length }) => length),
      channelId === 0 ? [...expected, 4] : expected,
    );
  }
  for (const bytes of b.bytes.filter(({ length }) => length !== 4)) {
    equalBytes(bytes, pattern(bytes.length));
    assert.equal(bytes.byteOffset, 0);
  }
  assert.equal(b.got.filter((text) => text.startsWith("0 ")).at(-1), "0 2 last");
  assert.equal(b.held, 0);
  a.link.ping();
  pass(a, b);
  assert.deepEqual([a.link.queuedBytes, a.link.queuedMessages, a.link.inFlight], [0, 0, 0]);
  assert.ok(a.link.pace.roundTripTime > 0);
});

test("A message in parts delays those of other channels by one frame", () => {
  const [a, b] = [side(), side()];
  a.send(0, pattern(100_000));
  a.send(1, "small");
  a.link.flush();
  const channels = a.line.map((frame) => frame[0]);
  assert.equal(channels.indexOf(1), 1, String(channels));
  a.send(1, pattern(40_000));
  pass(a, b);
  assert.deepEqual(b.bytes.map(({ length }) => length), [5, 100_000, 40_000]);
});

test("No more is under way than the window allows, and the rest follows what is taken", () => {
  const [a, b] = [side(), side()];
  b.link.inbox.paused = true;
  const size = 1000;
  for (let i = 0; i < 200; i++) a.send(0, pattern(size));
  pass(a, b);
  assert.ok(a.link.inFlight >= WINDOW && a.link.inFlight < WINDOW + size + FRAME_COST);
  assert.equal(b.got.length, 0);
  assert.ok(b.link.inbox.waitingBytes < WINDOW + size);
  for (let now = 0; now < 20; now++) {
    a.link.tick(performance.now());
    pass(a, b);
  }
  assert.deepEqual(a.told.concat(b.told), []);
  b.link.inbox.paused = false;
  pass(a, b);
  assert.equal(b.got.length, 200);
  assert.equal(b.link.inbox.waitingBytes, 0);
});

test("A pause within a message holds back the next one", () => {
  const [a, b] = [side(), side()];
  b.onMessage = () => b.link.inbox.paused = true;
  for (const text of ["1", "2", "3"]) a.send(0, text);
  pass(a, b);
  assert.equal(b.got.length, 1);
  b.link.inbox.paused = false;
  assert.deepEqual(b.got, ["0 1 1", "0 1 2"]);
});

test("send() tells when the queue is above the mark, and drained comes at half of it", () => {
  const [a, b] = [side({}, 1000), side()];
  b.link.inbox.paused = true;
  assert.equal(a.send(0, pattern(1000)), true);
  assert.equal(a.send(0, pattern(1)), false);
  pass(a, b);
  assert.deepEqual([a.link.queuedBytes, a.told], [1001, []]);
  b.link.inbox.paused = false;
  a.link.ping();
  pass(a, b);
  assert.deepEqual([a.link.queuedBytes, a.told], [0, ["drained"]]);
});

test("A token is told when the other side has taken the message, and not before", () => {
  const [a, b] = [side(), side()];
  b.link.inbox.paused = true;
  a.send(0, "one", 1, 7);
  a.send(0, pattern(50_000), 1, 8);
  pass(a, b);
  assert.deepEqual(a.told, []);
  b.link.inbox.paused = false;
  pass(a, b);
  assert.deepEqual(a.told, ["delivered 7", "delivered 8"]);
});

test("A newer unreliable message replaces those of its channel that wait, and no others", () => {
  const [a, b] = [side(), side()];
  b.link.inbox.paused = true;
  for (let i = 0; i < 100; i++) a.send(0, pattern(1000), 1);
  pass(a, b);
  const before = a.link.queuedBytes;
  for (let tick = 0; tick < 50; tick++) {
    // Two of one tick stay together; a reliable, an unsequenced one and other channels are left alone.
    a.send(0, `state ${tick}a`, 0);
    a.send(0, `state ${tick}b`, 8);
    if (tick === 0) {
      a.send(0, "reliable", 1);
      a.send(0, "event", 2);
      a.send(1, "other", 0);
    }
    a.link.flush();
  }
  assert.equal(a.link.queue.dropped, 98);
  assert.ok(a.link.queuedBytes - before < 60, String(a.link.queuedBytes - before));
  b.link.inbox.paused = false;
  pass(a, b);
  assert.deepEqual(
    b.got.filter((text) => !text.startsWith("0 1 \0")).sort(),
    ["0 0 state 49a", "0 1 reliable", "0 2 event", "0 8 state 49b", "1 0 other"],
  );
  assert.equal(b.got.indexOf("0 0 state 49a") > b.got.indexOf("0 1 reliable"), true);
});

test("200,000 unreliable messages that wait take no more than the mark", () => {
  const [a, b] = [side({}, 10_000), side()];
  b.link.inbox.paused = true;
  for (let i = 0; i < 100; i++) a.send(0, pattern(1000), 1);
  pass(a, b);
  const before = a.link.queuedBytes;
  for (let i = 0; i < 200_000; i++) a.send(0, pattern(100), i % 2 === 0 ? 0 : 2);
  assert.ok(a.link.queuedBytes - before <= 10_000, String(a.link.queuedBytes - before));
  b.link.inbox.paused = false;
  pass(a, b);
  assert.equal(b.got.length, 100 + 100);
});

test("A late pong makes less be under way, prompt ones more", async () => {
  const [a, b] = [side({ sendWindow: 131_072 }), side({ receiveWindow: 131_072 })];
  const first = a.link.pace.allowed;
  for (let i = 0; i < 6; i++) {
    a.link.ping();
    pass(a, b);
  }
  assert.ok(a.link.pace.allowed > first, `${a.link.pace.allowed} after ${first}`);
  const most = a.link.pace.allowed;
  a.link.ping();
  await new Promise((resolve) => setTimeout(resolve, 100));
  pass(a, b);
  assert.ok(a.link.pace.allowed < most, `${a.link.pace.allowed} after ${most}`);
});

test("Silence beyond the timeout is told once; a deaf side hears nothing", () => {
  const [a, b] = [side(), side()];
  a.link.tick(performance.now() + 29_000);
  assert.deepEqual(a.told, []);
  a.link.tick(performance.now() + 31_000);
  assert.match(a.told[0], /^fault 4002 /);
  b.link.deaf = true;
  a.send(0, "unheard");
  pass(a, b);
  assert.deepEqual(b.got, []);
});

test("A peer that does not read its pongs gets no more of them", () => {
  const b = side();
  b.buffered = 2 ** 20;
  for (let i = 1; i <= 1000; i++) {
    b.link.receive(encodePing(i));
    b.link.flush();
  }
  assert.equal(b.line.length, 0);
  b.buffered = 0;
  b.link.tick(performance.now());
  assert.deepEqual(b.line.map((frame) => [...frame.subarray(0, 6)]), [[255, 4, 0, 0, 3, 232]]);
});

const part = encodeMessage(0, 1, pattern(FRAGMENT + 1))[0];

/** Frames that no rule allows, one after the other. */
const FAULTS: Record<string, readonly Uint8Array[]> = {
  "an empty message": [new Uint8Array(0)],
  "a channel alone": [Uint8Array.of(0)],
  "a channel that the connection does not have": [Uint8Array.of(2, 1, 0)],
  "channel 254 of two": [Uint8Array.of(254, 1, 0)],
  "unknown flags": [Uint8Array.of(0, 4, 0)],
  "reliable and unsequenced": [Uint8Array.of(0, 3, 0)],
  "a part that is too short": [Uint8Array.of(0, 129, 0)],
  "a frame that is too long": [new Uint8Array(FRAGMENT + 3)],
  "a second message in parts": [part, encodeMessage(1, 1, pattern(FRAGMENT + 1))[0]],
  "other flags within a message": [part, Uint8Array.of(0, 0, 1)],
  "an unknown control frame": [Uint8Array.of(255, 9)],
  "a control frame without a type": [Uint8Array.of(255)],
  "a second greeting": [encodeHello({ channels: 1, data: 0, window: 1 })],
  "a ping that is cut off": [encodePing(1).subarray(0, 5)],
  "a ping of token 0": [encodePing(0)],
  "a pong that is cut off": [encodePong(1, 0).subarray(0, 9)],
  "a pong without a ping": [encodePong(1, 0)],
  "a pong for what was not sent": [encodePong(0, 1)],
};

for (const [what, frames] of Object.entries(FAULTS)) {
  test(`The connection ends with ${what}`, () => {
    const b = side();
    for (const frame of frames) b.link.receive(frame);
    assert.match(b.told.join(), /^fault 4004 /);
    assert.deepEqual(b.got, []);
    b.link.close(true);
    assert.equal(b.held, 0);
  });
}

test("A message that is too large ends the connection before it is complete", () => {
  const b = side({ largest: 100_000 });
  for (const frame of encodeMessage(0, 1, pattern(200_000))) {
    b.link.receive(frame);
    if (b.told.length > 0) break;
  }
  assert.match(b.told[0], /^fault 4004 .*too large/);
  assert.ok(b.held <= 100_000);
  b.link.close(true);
  assert.equal(b.held, 0);
});

test("More than the window ends the connection, so that what waits is bounded", () => {
  const b = side();
  b.link.inbox.paused = true;
  const [empty] = encodeMessage(0, 1, new Uint8Array(0));
  let count = 0;
  while (b.told.length === 0 && count < 1e6) {
    b.link.receive(empty);
    count++;
  }
  assert.match(b.told[0], /^fault 4004 .*window/);
  assert.equal(count, Math.ceil((WINDOW + FRAGMENT + FRAME_COST) / FRAME_COST));
});

test("10,000 frames of random bytes cost no more than a fault", () => {
  let seed = 1;
  const random = (below: number) => {
    seed = Math.imul(seed, 1664525) + 1013904223 >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
  for (let round = 0; round < 10_000; round++) {
    const b = side({ largest: 40_000 });
    for (let i = 0; i < 5 && b.told.length === 0; i++) {
      const frame = Uint8Array.from({ length: random(16) }, () => random(256));
      if (random(2) === 0 && frame.length > 1) frame.set([random(2), random(3)]);
      if (random(4) === 0 && frame.length > 1) frame.set([255, 3 + random(2)]);
      b.link.receive(frame);
      b.link.flush();
    }
    b.link.close(true);
    assert.equal(b.held, 0);
    assert.ok(b.line.length <= 5);
  }
});

test("What has been taken counts modulo 2³²", () => {
  const told: number[] = [];
  const control: Uint8Array[] = [];
  const link = new Link<{ byteLength: number }>(
    {
      transmit: (frame) => void (frame instanceof Uint8Array && control.push(frame)),
      buffered: () => 0,
      message() {},
      delivered: (token) => void told.push(token),
      drained() {},
      touched() {},
      signal: () => false,
      hold: () => true,
      fault: (_code, what) => assert.fail(what),
    },
    { channels: 1, sendWindow: 2 ** 32 - 1, receiveWindow: 1, largest: 1 },
    0,
  );
  const size = 1.5 * 2 ** 30;
  for (let i = 1; i <= 10; i++) {
    link.send(0, 1, [{ byteLength: size + 2 }], size, i);
    link.flush();
    const taken = i * (size + FRAME_COST);
    link.receive(encodePong(u32(control.at(-1)!, 2), taken));
  }
  assert.deepEqual([told.length, link.inFlight, link.queuedBytes], [10, 0, 0]);
});
