/** The gateway over standard input and output: plain mode, strict mode, and how it ends. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { skip } from "../gateway/_pipes.ts";
import { until, withDeadline } from "../../_helpers.ts";
import { Client, Enet, STEP_MS } from "./_gateway.ts";

test(
  "Plain mode: reads go to every client, payloads go to the program; the end of input is 1001 and status 0",
  {
    skip,
  },
  async () => {
    await using enet = await Enet.gateway("--std");
    const url = await enet.url();
    assert.match(url, /^ws:\/\/127\.0\.0\.1:[1-9]\d*$/);
    using one = await Client.open(url);
    using two = await Client.open(url);
    // A character that is split between two reads arrives whole.
    const euro = new TextEncoder().encode("10 €");
    enet.write(euro.subarray(0, 4));
    assert.equal(await one.text(3), "10 ");
    enet.write(euro.subarray(4));
    assert.equal(await one.text(1), "€");
    assert.equal(await two.text(4), "10 €");
    one.send("text ");
    assert.equal(String(await enet.read(5)), "text ");
    two.send(Uint8Array.of(0, 255));
    assert.deepEqual([...await enet.read(2)], [0, 255]);
    // What has been written just before the end still arrives.
    enet.write("bye");
    enet.endInput();
    assert.equal(await one.text(3), "bye");
    assert.equal(await two.text(3), "bye");
    for (const client of [one, two]) {
      assert.equal(await withDeadline(client.closed, STEP_MS, "the close"), 1001);
    }
    await enet.ends(0);
    assert.equal(enet.stderr, `listening on ${url}\n`);
  },
);

test(
  "Lines: each is a message, and each message a line; without clients they are dropped and counted",
  {
    skip,
  },
  async () => {
    await using enet = await Enet.gateway(
      "--std",
      "--frame",
      "line",
      "--max-frame-size",
      "20",
      "--metrics",
      "0",
    );
    enet.write("nobody hears\nthis one either\n");
    const counters = await enet.told("metrics at ");
    const areRead = async () =>
      /program_messages_total 2$/m.test(await (await fetch(counters)).text());
    await until(areRead, STEP_MS, "both lines read");
    const url = await enet.url();
    using client = await Client.open(url);
    client.send("hello");
    assert.equal(String(await enet.read(6)), "hello\n");
    enet.write("one\ntwo\r\n\nmuch too long for a message\nend");
    assert.deepEqual([await client.next(), await client.next(), await client.next()], [
      "one",
      "two",
      "",
    ]);
    enet.endInput();
    assert.equal(await client.next(), "end");
    await enet.ends(0);
    assert.match(enet.stderr, /A line of the program is longer than 20 bytes, and was dropped\n/);
    assert.match(enet.stderr, /Messages of the program that reached no client: 3\n$/);
  },
);

test("Strict mode: open and close, text and binary, one client or all", { skip }, async () => {
  await using enet = await Enet.gateway("--std", "--strict");
  const url = await enet.url();
  using one = await Client.open(url);
  const address = "127.0.0.1".padEnd(46, "\0");
  const opened = await enet.frame();
  assert.deepEqual({ ...opened, payload: String(opened.payload) }, {
    id: 1,
    type: 16,
    payload: address,
  });
  using two = await Client.open(url);
  assert.equal((await enet.frame()).id, 2);

  one.send("grüße");
  two.send(Uint8Array.of(1, 2, 3));
  const frames = [await enet.frame(), await enet.frame()].sort((a, b) => a.id - b.id);
  assert.deepEqual([frames[0].type, String(frames[0].payload)], [1, "grüße"]);
  assert.deepEqual([frames[1].type, [...frames[1].payload]], [2, [1, 2, 3]]);

  enet.writeFrame(2, 1, "to two");
  enet.writeFrame(0, 2, Uint8Array.of(9));
  enet.writeFrame(1, 1, "");
  assert.equal(await two.next(), "to two");
  assert.deepEqual(await two.next(), Uint8Array.of(9));
  assert.deepEqual(await one.next(), Uint8Array.of(9));
  assert.equal(await one.next(), "");

  one.socket.close(1000);
  const closed = await enet.frame();
  assert.deepEqual([closed.id, closed.type, closed.payload.length], [1, 8, 0]);
  // An id is never used twice.
  using three = await Client.open(url);
  assert.equal((await enet.frame()).id, 3);
  enet.endInput();
  assert.equal(await withDeadline(three.closed, STEP_MS, "the close"), 1001);
  const last = [await enet.frame(), await enet.frame()];
  assert.deepEqual(last.map(({ id, type }) => [id, type]).sort(), [[2, 8], [3, 8]]);
  await enet.ends(0);
});

test(
  "Strict mode: what cannot be delivered is dropped and counted, what is unreadable ends it with 1",
  {
    skip,
  },
  async () => {
    await using enet = await Enet.gateway("--std", "--strict", "--max-frame-size", "100");
    using client = await Client.open(await enet.url());
    await enet.frame();
    enet.writeFrame(0, 1, Uint8Array.of(0xff, 0xfe)); // no UTF-8
    enet.writeFrame(77, 1, "nobody");
    enet.writeFrame(0, 1, "x".repeat(101));
    enet.writeFrame(0, 2, new Uint8Array(100));
    assert.equal((await client.next()).length, 100);
    enet.writeFrame(1, 3, "");
    assert.equal(await withDeadline(client.closed, STEP_MS, "the close"), 1001);
    await enet.ends(1);
    assert.match(enet.stderr, /A message of 101 bytes of the program is longer than 100 bytes/);
    assert.match(enet.stderr, /Messages of the program that reached no client: 3\n/);
    assert.match(
      enet.stderr,
      /enet gateway: The program wrote a frame of type 3; it may write 1 \(text\)/,
    );
  },
);

test("A fault of the program at once, while the gateway still begins, is told as any other", {
  skip,
}, async () => {
  const args = ["--port", "0", "--addr", "127.0.0.1", "--std", "--strict", "--metrics", "0"];
  await using enet = new Enet(["gateway", ...args]);
  enet.writeFrame(1, 5, "");
  enet.endInput();
  await enet.ends(1);
  assert.match(enet.stderr, /^enet gateway: The program wrote a frame of type 5; .*$/m);
  assert.doesNotMatch(enet.stderr, /^ +at /m);
});

test(
  "Echo mode: a message goes back to its sender, and the program is told nothing",
  { skip },
  async () => {
    await using enet = await Enet.gateway("--std", "--strict", "--echo-mode");
    const url = await enet.url();
    using one = await Client.open(url);
    using two = await Client.open(url);
    one.send("to myself");
    one.send(Uint8Array.of(1));
    assert.deepEqual([await one.next(), await one.next()], ["to myself", Uint8Array.of(1)]);
    assert.equal(two.waiting, 0);
    enet.endInput();
    await enet.ends(0);
    assert.equal(enet.stdout, "");
  },
);

test("When nobody reads standard output any more, the gateway ends with 1", { skip }, async () => {
  await using enet = await Enet.gateway("--std");
  using client = await Client.open(await enet.url());
  enet.process.stdout!.destroy();
  client.send("lost");
  assert.equal(await withDeadline(client.closed, STEP_MS, "the close"), 1001);
  await enet.ends(1);
  assert.match(enet.stderr, /enet gateway: Nobody reads standard output any more/);
});

test("Large messages pass whole in both directions", { skip }, async () => {
  await using enet = await Enet.gateway("--std", "--strict", "--queue-limit", "8000000");
  using client = await Client.open(await enet.url());
  await enet.frame();
  const large = new Uint8Array(1 << 20).map((_, i) => i * 7 + (i >> 8));
  for (let i = 0; i < 3; i++) {
    client.send(large);
    enet.writeFrame(1, 2, large);
  }
  for (let i = 0; i < 3; i++) {
    assert.ok(Buffer.from(large).equals((await enet.frame()).payload));
    assert.ok(Buffer.from(large).equals(await client.next() as Uint8Array));
  }
});

test("A program that does not read holds nobody up, and then gets the newest messages whole", {
  skip,
}, async () => {
  await using enet = await Enet.gateway("--std", "--strict", "--metrics", "0");
  const counters = await enet.told("metrics at ");
  using client = await Client.open(await enet.url());
  await enet.frame();
  enet.process.stdout!.pause();
  const count = 60;
  for (let i = 0; i < count; i++) client.send(new Uint8Array(100_000).fill(i));
  const areReceived = async () =>
    new RegExp(`received_messages_total ${count}$`, "m").test(await (await fetch(counters)).text());
  await until(areReceived, STEP_MS, "all messages received");
  enet.writeFrame(1, 1, "still there");
  assert.equal(await client.next(), "still there");
  enet.process.stdout!.resume();
  let last = -1;
  let read = 0;
  for (; last < count - 1; read++) {
    const { id, type, payload } = await enet.frame();
    assert.deepEqual([id, type, payload.length], [1, 2, 100_000]);
    assert.ok(payload[0] > last && payload.every((byte) => byte === payload[0]));
    last = payload[0];
  }
  enet.endInput();
  await enet.ends(0);
  const dropped = enet.stderr.match(/Messages dropped before the program read: (\d+)\n/)?.[1];
  assert.equal(Number(dropped), count - read);
  assert.ok(count - read > 30, `${read} were read`);
});
