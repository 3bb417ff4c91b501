/** The way of unreliable messages over a data channel: order beside the WebSocket, bounds, and when it is not used. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinkOptions } from "../../../lib/gateway/link/link.ts";
import { UnreliablePath } from "../../../lib/gateway/link/unreliable_path.ts";
import { encodeMessage, FRAGMENT } from "../../../lib/gateway/link/wire.ts";
import { pass, type Side, side } from "./_pipe.ts";

/** A side with a data channel, of which frames wait until the test lets them pass. */
interface Ended extends Side {
  readonly path: UnreliablePath;
  readonly channel: Uint8Array[];
  /** What the channel says waits in it. */
  waits: number;
  isBroken: boolean;
  isClosed: boolean;
  /** Sends a message as the owners of links do. Returns whether it went over the channel. */
  say(text: string | Uint8Array, flags?: number, channelId?: number): boolean;
}

function ended(options: Partial<LinkOptions> = {}): Ended {
  const base = side(options);
  const channel: Uint8Array[] = [];
  const made = Object.assign(base, {
    channel,
    waits: 0,
    isBroken: false,
    isClosed: false,
    say(text: string | Uint8Array, flags = 0, channelId = 0) {
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      if (base.link.sendPast(channelId, flags, bytes)) return true;
      const frames = encodeMessage(channelId, flags, bytes);
      base.link.send(channelId, flags, frames, bytes.length);
      return false;
    },
  }) as unknown as Ended;
  const path = new UnreliablePath(base.link, {
    buffered: () => made.waits,
    send(bytes) {
      if (made.isBroken) throw new Error("broken");
      channel.push(bytes.slice());
    },
    close: () => void (made.isClosed = true),
  });
  base.link.path = path;
  return Object.assign(made, { path });
}

/** Lets the frames of both channels pass until none is left. */
function passChannel(a: Ended, b: Ended): void {
  while (a.channel.length + b.channel.length > 0) {
    for (const frame of a.channel.splice(0)) b.path.receive(frame);
    for (const frame of b.channel.splice(0)) a.path.receive(frame);
  }
}

/** Two sides whose channels have answered. */
function pair(options: Partial<LinkOptions> = {}): [Ended, Ended] {
  const [a, b] = [ended(options), ended(options)];
  passChannel(a, b);
  assert.deepEqual([a.path.isOpen, b.path.isOpen], [true, true]);
  return [a, b];
}

test("A channel is used once a PING has been answered, and not before", () => {
  const [a, b] = [ended(), ended()];
  assert.equal(a.path.isOpen, false);
  assert.equal(a.say("early"), false);
  a.link.flush();
  passChannel(a, b);
  assert.equal(a.say("now"), true);
  passChannel(a, b);
  assert.deepEqual(b.got, []);
  pass(a, b);
  assert.deepEqual(b.got, ["0 0 early", "0 0 now"]);
});

test("Unreliable messages of all kinds pass, reliable and large ones go over the WebSocket", () => {
  const [a, b] = pair();
  const ways = [
    a.say("plain", 0),
    a.say("unsequenced", 2),
    a.say("fragment", 8),
    a.say("both", 10),
    a.say("", 0, 1),
    a.say(new Uint8Array(1400), 0, 1),
    a.say(new Uint8Array(FRAGMENT), 8, 1),
    a.say("reliable", 1, 1),
    a.say(new Uint8Array(1401), 2, 1),
    a.say(new Uint8Array(FRAGMENT + 1), 10, 1),
  ];
  assert.deepEqual(ways, [...Array(7).fill(true), ...Array(3).fill(false)]);
  passChannel(a, b);
  assert.deepEqual(b.got.slice(0, 5), [
    "0 0 plain",
    "0 2 unsequenced",
    "0 8 fragment",
    "0 10 both",
    "1 0 ",
  ]);
  assert.deepEqual(b.bytes.map(({ length }) => length), [5, 11, 8, 4, 0, 1400, FRAGMENT]);
  pass(a, b);
  assert.equal(b.got.length, 10);
  assert.equal(a.link.sentBytes, b.link.inbox.receivedBytes, "both ways count alike");
});

test("Of sequenced messages older ones are dropped; unsequenced ones come in any order", () => {
  const [a, b] = pair();
  for (let i = 0; i < 6; i++) a.say(String(i), i % 2 === 0 ? 0 : 2);
  const [s0, u1, s2, u3, s4, u5] = a.channel.splice(0);
  for (const frame of [u5, s2, s0, u3, s4, s4, u1, s2]) b.path.receive(frame);
  assert.deepEqual(b.got, ["0 2 5", "0 0 2", "0 2 3", "0 0 4", "0 2 1"]);
});

test("Channels have an order each", () => {
  const [a, b] = pair();
  a.say("a1", 0, 0);
  a.say("b1", 0, 1);
  const [a1, b1] = a.channel.splice(0);
  a.say("a2", 0, 0);
  for (const frame of [a.channel.splice(0)[0], b1, a1]) b.path.receive(frame);
  assert.deepEqual(b.got, ["0 0 a2", "1 0 b1"]);
});

test("An unreliable message waits for the reliable ones before it, and never follows later ones", () => {
  const [a, b] = pair();
  a.say("before", 0);
  a.say("spawn", 1);
  a.say("move", 0);
  a.say("event", 2);
  a.say("elsewhere", 0, 1);
  const [before, ...others] = a.channel.splice(0);
  for (const frame of others) b.path.receive(frame);
  assert.deepEqual(b.got, ["0 2 event", "1 0 elsewhere"]);
  pass(a, b);
  assert.deepEqual(b.got.slice(2), ["0 1 spawn", "0 0 move"]);
  b.path.receive(before);
  assert.equal(b.got.length, 4);
});

test("What waits for the WebSocket is bounded; the oldest is dropped", () => {
  const [a, b] = pair();
  a.say("reliable", 1);
  for (let i = 0; i < 1000; i++) a.say(String(i), 0);
  passChannel(a, b);
  for (let i = 0; i < 100; i++) a.say(new Uint8Array(1400), 0);
  passChannel(a, b);
  assert.deepEqual(b.got, []);
  pass(a, b);
  const waited = b.bytes.slice(1);
  assert.equal(waited.length, Math.floor(32 * 1024 / 1464));
});

test("A message never overtakes an unreliable one of its channel that waits for the WebSocket", () => {
  const [a, b] = pair();
  b.link.inbox.paused = true;
  for (let i = 0; i < 100; i++) a.send(1, new Uint8Array(1000), 1);
  pass(a, b); // The window is used up.
  assert.equal(a.say(new Uint8Array(2000), 0), false);
  assert.equal(a.say("of the same turn", 0), false);
  a.link.flush();
  assert.equal(a.say("later", 0), true, "the older ones are obsolete");
  assert.equal(a.link.queue.dropped, 2);
  assert.equal(a.say("reliable", 1), false);
  assert.equal(a.say("last", 0), true);
  b.link.inbox.paused = false;
  passChannel(a, b);
  pass(a, b);
  assert.deepEqual(b.got.filter((text) => !text.startsWith("1 ")), [
    "0 0 later",
    "0 1 reliable",
    "0 0 last",
  ]);
});

test("Counters go on after 2¹⁶ and 2³²", () => {
  const [a, b] = pair();
  for (const sequence of [2 ** 31 - 1, 2 ** 32 - 2, 2, 1]) {
    const frame = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, sequence % 256);
    new DataView(frame.buffer).setUint32(4, sequence);
    b.path.receive(frame);
  }
  assert.deepEqual(b.bytes.map(([byte]) => byte), [255, 254, 2]);
  for (let i = 0; i < 70_000; i++) {
    a.say("r", 1);
    if (i % 100 === 0) pass(a, b);
    if (i % 10_000 !== 0) continue;
    pass(a, b);
    a.say(`u${i}`, 0);
    passChannel(a, b);
    assert.equal(b.got.at(-1), `0 0 u${i}`);
  }
});

test("A channel that has stuffed itself is left alone, and so is a broken one", () => {
  const [a, b] = pair();
  a.waits = 2 ** 20;
  assert.equal(a.say("over the WebSocket"), false);
  a.path.tick(performance.now() + 1000);
  assert.equal(a.channel.length, 0, "no PING");
  a.waits = 0;
  a.link.flush();
  assert.equal(a.say("over the channel"), true);
  a.isBroken = true;
  assert.equal(a.say("broken"), false);
  assert.deepEqual([a.isClosed, a.path.isOpen], [true, false]);
  passChannel(a, b);
  pass(a, b);
  assert.deepEqual(b.got, ["0 0 over the WebSocket", "0 0 over the channel", "0 0 broken"]);
});

test("Without PONGs the messages take the WebSocket, and come back with them", () => {
  const [a, b] = pair();
  const start = Math.ceil(performance.now()); // whole, so that sums and differences are exact
  for (let ms = 0; ms <= 1000; ms += 250) a.path.tick(start + ms);
  assert.equal(a.path.isOpen, true);
  const pings = a.channel.splice(0);
  assert.ok(pings.length >= 2 && pings.length <= 3, String(pings.length));
  for (let ms = 1250; ms <= 6000; ms += 250) a.path.tick(start + ms);
  assert.equal(a.path.isOpen, false);
  assert.equal(a.say("over the WebSocket"), false);
  b.path.receive(pings[0]);
  a.path.receive(b.channel.pop()!);
  assert.equal(a.path.isOpen, false, "an answer that is too old");
  passChannel(a, b);
  assert.equal(a.path.isOpen, true);
  a.link.flush();
  assert.equal(a.say("over the channel"), true);
});

test("While a link is paused, messages of the channel wait in a bounded queue", () => {
  const [a, b] = pair({ receiveWindow: 20_000 });
  b.link.inbox.paused = true;
  for (let i = 0; i < 1000; i++) a.say(`${i}`.padEnd(136), 2);
  passChannel(a, b);
  assert.deepEqual(b.got, []);
  assert.equal(b.link.inbox.waitingBytes, 100 * 136);
  b.link.inbox.paused = false;
  assert.deepEqual([b.got.length, b.link.inbox.waitingBytes], [100, 0]);
  b.link.deaf = true;
  a.say("unheard");
  passChannel(a, b);
  assert.equal(b.got.length, 100);
});

test("What waits for the WebSocket is not lost when the channel breaks", () => {
  const [a, b] = pair();
  a.say("spawn", 1);
  a.say("move", 0);
  passChannel(a, b);
  b.path.close();
  pass(a, b);
  assert.deepEqual(b.got, ["0 1 spawn", "0 0 move"]);
});

test("A channel ends with its link", () => {
  const [a, b] = pair();
  a.say("under way");
  b.link.close(true);
  assert.equal(b.isClosed, true);
  passChannel(a, b);
  assert.deepEqual(b.got, []);
  a.link.close(false);
  assert.equal(a.link.sendPast(0, 0, new Uint8Array(1)), false);
});

/** What no rule allows on a channel; undefined stands for text. */
const FAULTS: Record<string, Uint8Array | undefined> = {
  "text": undefined,
  "an empty message": new Uint8Array(0),
  "a channel alone": Uint8Array.of(0),
  "a sequenced message without its numbers": Uint8Array.of(0, 0, 0, 0, 0, 0, 1),
  "a channel that the connection does not have": Uint8Array.of(2, 2, 0),
  "a reliable message": Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 1),
  "unknown flags": Uint8Array.of(0, 4, 0, 0, 0, 0, 0, 1),
  "a part of a message": Uint8Array.of(0, 130, 0),
  "a message that is too long": new Uint8Array(FRAGMENT + 9),
  "a PING that is cut off": Uint8Array.of(255, 3, 0, 0, 1),
  "a greeting": Uint8Array.of(255, 1, 2, 0, 0, 0),
  "an offer": Uint8Array.of(255, 5, 0, 0, 0, 0),
};

for (const [what, bytes] of Object.entries(FAULTS)) {
  test(`${what} on a channel ends the connection`, () => {
    const [, b] = pair();
    b.path.receive(bytes);
    assert.match(b.told.join(), /^fault 4004 /);
    assert.deepEqual(b.got, []);
  });
}

test("PONGs that nobody has asked for change nothing", () => {
  const a = ended();
  a.path.receive(Uint8Array.of(255, 4, 255, 255, 255, 0, 0, 0, 0, 0));
  assert.deepEqual([a.path.isOpen, a.told], [false, []]);
});
