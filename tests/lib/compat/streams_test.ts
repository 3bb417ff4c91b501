import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { closeSync, createReadStream, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { once } from "node:events";
import { type Duplex, PassThrough, type Readable, type Writable } from "node:stream";
import { createClientAsync, createServerAsync, type Peer } from "../../../lib/compat/mod.ts";
import { diagnostics } from "../../../mod.ts";
import { addressOf, compatPair, next } from "./_compat.ts";
import { leakCheck, until, withDeadline } from "../../_helpers.ts";
import { randomOf, startRelay } from "../../_relay.ts";

const MEBIBYTE = 2 ** 20;

/** Writes a file of seeded random bytes. @returns its digest */
function writeRandomFile(path: string, size: number): string {
  const hash = createHash("sha256");
  const random = randomOf(7);
  const words = new Uint32Array(64 * 1024);
  const file = openSync(path, "w");
  for (let written = 0; written < size;) {
    for (let i = 0; i < words.length; i++) words[i] = random() * 2 ** 32;
    const bytes = new Uint8Array(words.buffer).subarray(
      0,
      Math.min(words.byteLength, size - written),
    );
    writeSync(file, bytes);
    hash.update(bytes);
    written += bytes.length;
  }
  closeSync(file);
  return hash.digest("hex");
}

/** How a stream ends: `end` and `close`, or `error` and `close`. */
function lifeOf(stream: Readable | Writable | Duplex): string[] {
  const life: string[] = [];
  for (const event of ["end", "finish", "close"]) stream.on(event, () => void life.push(event));
  stream.on(
    "error",
    (error: Error) => void life.push(`error ${(error as { code?: string }).code}`),
  );
  return life;
}

/** Waits until each of the streams is closed. */
const closed = (...lives: string[][]) =>
  until(() => lives.every((life) => life.at(-1) === "close"), 20_000, "the close of every stream");

test("A file of 100 MB arrives whole through a lossy relay, in bounded memory", async (t) => {
  await leakCheck(t);
  const folder = mkdtempSync(`${tmpdir()}/enetjs-`);
  try {
    const size = 100_000_000;
    const digest = writeRandomFile(`${folder}/file`, size);
    using server = await createServerAsync({
      address: "127.0.0.1:0",
    });
    server.start();
    await using relay = await startRelay(addressOf(server).port, 0.002, 8);
    using client = await createClientAsync();
    const received = Promise.withResolvers<string>();
    const hash = createHash("sha256");
    let [got, read, ahead, refused, native] = [0, 0, 0, 0, 0];
    server.on("connect", (peer) => {
      peer.createReadStream(2)
        .on("data", (bytes: Buffer) => {
          hash.update(bytes);
          got += bytes.length;
        })
        .on("end", () => received.resolve(hash.digest("hex")))
        .on("error", received.reject);
    });
    const peer = await client.connectAsync({ address: "127.0.0.1", port: relay.port }, 3);
    const source = createReadStream(`${folder}/file`);
    const stream = peer.createWriteStream(2);
    source.on("data", (bytes) => {
      read += bytes.length;
      ahead = Math.max(ahead, read - got);
    });
    source.on("pause", () => refused++);
    source.pipe(stream);
    const before = (await diagnostics()).allocatedBytes;
    const watch = setInterval(async () => {
      native = Math.max(native, (await diagnostics()).allocatedBytes - before);
    }, 20);
    await withDeadline(
      new Promise((resolve, reject) => stream.on("finish", resolve).on("error", reject)),
      120_000,
      "the end of writing",
    );
    clearInterval(watch);
    peer.disconnectLater();
    assert.equal(await withDeadline(received.promise, 10_000, "the end of reading"), digest);
    assert.equal(got, size);
    assert.ok(relay.counts.lost > 100, `${relay.counts.lost} datagrams lost`);
    assert.ok(refused > 50, `the source was paused ${refused} times`);
    assert.ok(ahead < 4 * MEBIBYTE, `the source was ${ahead} bytes ahead`);
    assert.ok(native < 8 * MEBIBYTE, `native memory grew by ${native} bytes`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("A reader that does not read pauses the peer, and gets everything later", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const { peer, remote } = pair;
  const reading = remote.createReadStream(0);
  const writing = peer.createWriteStream(0);
  const chunk = Buffer.alloc(64 * 1024, 1);
  const total = 60 * MEBIBYTE;
  let accepted = 0;
  const feed = () => {
    while (accepted < total) {
      accepted += chunk.length;
      if (!writing.write(chunk)) return void writing.once("drain", feed);
    }
    writing.end();
  };
  feed();
  const refusing = () => (remote.stats()?.totalWaitingData ?? 0) > 32 * MEBIBYTE;
  await until(refusing, 20_000, "the reader's ENet refusing more");
  await until(() => writing.writableNeedDrain, 20_000, "the writer seeing it");
  assert.ok(accepted < 50 * MEBIBYTE, `${accepted} bytes were accepted`);
  let got = 0;
  for await (const bytes of reading) {
    got += bytes.length;
    if (got === total) peer.disconnectLater();
  }
  assert.equal(got, total);
});

test("Streams made before the connection wait for it", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const { server } = pair;
  server.on("connect", (remote) => {
    const echo = remote.createDuplexStream(1);
    echo.pipe(echo);
  });
  using client = await createClientAsync();
  const peer = client.connect(addressOf(server), 2) as Peer;
  const duplex = peer.createDuplexStream(1);
  duplex.write("written before the connection is there");
  assert.throws(() => peer.createReadStream(255), RangeError);
  const outside = peer.createReadStream(7);
  const outsideLife = lifeOf(outside);
  const echoed = new Promise<Buffer>((resolve) => duplex.on("data", resolve));
  const bytes = await withDeadline(echoed, 20_000, "the echo");
  assert.equal(String(bytes), "written before the connection is there");
  assert.deepEqual(outsideLife, ["error undefined", "close"], "the connection has no channel 7");
  assert.throws(() => peer.createWriteStream(2), RangeError);
});

test("Streams end when the peer leaves: all data, end, close", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const { peer, remote } = pair;
  const reading = remote.createReadStream(0);
  const idle = remote.createWriteStream(1);
  const duplex = remote.createDuplexStream(2);
  const [readingLife, idleLife, duplexLife] = [reading, idle, duplex].map(lifeOf);
  const writing = peer.createWriteStream(0);
  // More than the queues hold: disconnectLater waits for what the stream has taken.
  for (let i = 0; i < 100; i++) writing.write(Buffer.alloc(50_000, i));
  peer.disconnectLater(5);
  assert.equal(peer.send(0, "refused already"), true);
  await next(remote, "disconnect");
  const lengths: number[] = [];
  for await (const bytes of reading) lengths.push(bytes.length);
  assert.equal(lengths.reduce((sum, length) => sum + length), 5_000_000);
  duplex.resume();
  await closed(readingLife, idleLife, duplexLife);
  assert.deepEqual(readingLife, ["end", "close"]);
  assert.deepEqual(idleLife, ["close"]);
  assert.deepEqual(duplexLife, ["end", "finish", "close"]);
  const late = [
    remote.createReadStream(0).resume(),
    remote.createWriteStream(0),
    remote.createDuplexStream(0),
  ];
  const lateLives = late.map(lifeOf);
  for (const stream of late) if ("write" in stream) stream.write("too late");
  await closed(...lateLives);
  for (const life of lateLives) assert.deepEqual(life, ["error ENETJS_ERR_NOT_CONNECTED", "close"]);
});

test("Streams fail when the peer is lost", async (t) => {
  await leakCheck(t);
  using server = await createServerAsync({
    address: "127.0.0.1:0",
  });
  server.start();
  await using relay = await startRelay(addressOf(server).port, 0, 0);
  using client = await createClientAsync();
  const connected = next(server, "connect");
  const peer = await client.connectAsync({ address: "127.0.0.1", port: relay.port });
  const [remote] = await connected;
  const reading = remote.createReadStream(0);
  const duplex = remote.createDuplexStream(1);
  const writing = remote.createWriteStream(0);
  const lives = [reading, duplex, writing].map(lifeOf);
  await peer.sendAsync(0, "before");
  remote.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  relay.cut();
  writing.write("never acknowledged");
  reading.resume();
  const gone = next(remote, "disconnect");
  await closed(...lives);
  assert.deepEqual(await gone, [0, "timeout"]);
  assert.deepEqual(lives, [
    ["error ENETJS_ERR_STALE", "close"],
    ["error ENETJS_ERR_STALE", "close"],
    ["error ENETJS_ERR_UNDELIVERED", "close"],
  ]);
});

test("reset() fails streams, and what was made for a connection that failed", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const reading = pair.peer.createReadStream(0);
  const life = lifeOf(reading);
  pair.peer.reset();
  await closed(life);
  assert.deepEqual(life, ["error ENETJS_ERR_STALE", "close"]);
  using client = await createClientAsync();
  const peer = client.connect(addressOf(pair.server)) as Peer;
  const streams = [peer.createReadStream(0), peer.createWriteStream(0)];
  const lives = streams.map(lifeOf);
  peer.disconnect();
  await closed(...lives);
  assert.deepEqual(lives, [
    ["error ENETJS_ERR_NOT_CONNECTED", "close"],
    ["error ENETJS_ERR_NOT_CONNECTED", "close"],
  ]);
});

test("A peer that leaves in good order ends a stream; the callbacks of writes tell what was lost", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const { peer, remote } = pair;
  type Told = (string | undefined)[];
  const told: Told = [];
  const toldDuplex: Told = [];
  const tellIn = (told: Told) => (error?: Error | null) =>
    void told.push((error as { code?: string } | null)?.code);
  const tell = tellIn(told);
  const writing = remote.createWriteStream(0);
  const duplex = remote.createDuplexStream(1).resume();
  // Nobody listens for errors of these.
  const events: string[] = [];
  for (const stream of [writing, duplex]) stream.on("close", () => void events.push("close"));
  writing.write("acknowledged", tell);
  await until(() => told.length === 1, 20_000, "the acknowledgement");
  peer.once("message", () => void peer.disconnectNow(5));
  for (let i = 0; i < 100; i++) {
    writing.write(Buffer.alloc(50_000), tell);
    duplex.write(Buffer.alloc(50_000), tellIn(toldDuplex));
  }
  const [data, reason] = await next(remote, "disconnect");
  assert.deepEqual([data, reason], [5, "remote"]);
  await until(() => events.length === 2, 20_000, "the close of both");
  await until(() => told.length + toldDuplex.length === 201, 20_000, "every callback");
  // Some of both may have been acknowledged before the end, but not all 5 MB of either.
  for (const codes of [told, toldDuplex]) {
    assert.ok(codes.includes("ENETJS_ERR_UNDELIVERED"), codes.join());
    const others = codes.filter((code) => code !== undefined && code !== "ENETJS_ERR_UNDELIVERED");
    assert.deepEqual(others, []);
  }

  // The program knows: what it writes now is its own error, and is one also without a callback.
  const failed = Promise.withResolvers<Error>();
  writing.once("error", failed.resolve);
  assert.equal(writing.write("late", tell), false);
  const error = await withDeadline(failed.promise, 20_000, "the error");
  assert.equal((error as { code?: string }).code, "ENETJS_ERR_NOT_CONNECTED");
  assert.equal(told.at(-1), "ENETJS_ERR_NOT_CONNECTED");
  writing.write("an error is emitted once");
});

test("The streams of a lost peer emit an error only if the program listens for errors", async (t) => {
  await leakCheck(t);
  using server = await createServerAsync({ address: "127.0.0.1:0" });
  server.start();
  await using relay = await startRelay(addressOf(server).port, 0, 0);
  using client = await createClientAsync();
  const connected = next(server, "connect");
  await client.connectAsync({ address: "127.0.0.1", port: relay.port });
  const [remote] = await connected;
  const lives: string[][] = [];
  const watch = <S extends Readable | Writable>(stream: S): S => {
    const life: string[] = [];
    for (const event of ["end", "finish", "close"]) stream.on(event, () => void life.push(event));
    lives.push(life);
    return stream;
  };
  watch<Readable>(remote.createReadStream(0)).resume();
  const writing = watch<Writable>(remote.createWriteStream(0));
  // What is piped to a stream listens for its errors, but only to pass them on.
  const piped = watch<Writable>(remote.createWriteStream(1));
  const source = new PassThrough();
  source.pipe(piped);
  watch<Duplex>(remote.createDuplexStream(2)).resume();
  remote.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  relay.cut();
  writing.write("never acknowledged");
  source.write("nor is this");
  assert.deepEqual(await next(remote, "disconnect"), [0, "timeout"]);
  await closed(...lives);
  assert.deepEqual(lives, [["end", "close"], ["close"], ["close"], ["end", "finish", "close"]]);
  source.write("goes nowhere");
});

test("Streams of an attempt that fails end without an error that nobody listens for", async (t) => {
  await leakCheck(t);
  using server = await createServerAsync({ address: "127.0.0.1:0" });
  using client = await createClientAsync();
  const peer = client.connect(addressOf(server)) as Peer;
  const told: unknown[] = [];
  const writing = peer.createWriteStream(0);
  writing.write("queued", (error) => void told.push((error as { code?: string }).code));
  let count = 0;
  for (const stream of [peer.createReadStream(0).resume(), writing]) {
    stream.on("close", () => void count++);
  }
  peer.disconnect();
  await until(() => count === 2, 20_000, "the close of both");
  assert.deepEqual(told, ["ENETJS_ERR_NOT_CONNECTED"]);
});

test("What was written before this side disconnects is dropped, what is written after is an error", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const { peer } = pair;
  const told: (string | undefined)[] = [];
  const writing = peer.createWriteStream(0);
  const idle = peer.createWriteStream(1);
  for (let i = 0; i < 50; i++) {
    writing.write(Buffer.alloc(50_000), (error) => {
      told.push((error as { code?: string } | null)?.code);
    });
  }
  const gone = next(peer, "disconnect");
  peer.disconnect();
  const failed = once(idle, "error");
  idle.write("after");
  const [error] = await withDeadline(failed, 20_000, "the error");
  assert.equal(error.code, "ENETJS_ERR_NOT_CONNECTED");
  await gone;
  await until(() => told.length === 50, 20_000, "every callback");
  assert.equal(told.at(-1), "ENETJS_ERR_UNDELIVERED");
});

test("Several streams of a channel get the same, and messages are emitted too", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const { peer, remote } = pair;
  const [first, second] = [remote.createReadStream(0), remote.createReadStream(0)];
  const messages: string[] = [];
  remote.on("message", (packet, channel) => void messages.push(`${channel} ${packet.data()}`));
  const collect = async (stream: Readable) => {
    let text = "";
    for await (const bytes of stream) text += bytes;
    return text;
  };
  const both = Promise.all([collect(first), collect(second)]);
  const dropped = remote.createReadStream(0);
  peer.send(0, "one ");
  peer.send(1, "other channel");
  await peer.sendAsync(0, "two ");
  dropped.destroy();
  peer.send(0, "three");
  peer.disconnectLater();
  assert.deepEqual(await withDeadline(both, 20_000, "both streams"), [
    "one two three",
    "one two three",
  ]);
  assert.deepEqual(messages.filter((message) => message.startsWith("0")), [
    "0 one ",
    "0 two ",
    "0 three",
  ]);
});
