import assert from "node:assert/strict";
import { unlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { ByteSink, type SinkOptions } from "../../../lib/gateway/pipe/byte_sink.ts";
import { NamedPipe } from "../../../lib/gateway/pipe/named_pipe.ts";
import { until, withDeadline } from "../../_helpers.ts";
import { openDescriptors, PipeEnd, skip, temporaryFolder } from "./_pipes.ts";

/** A sink into a pipe of its own, and what it has told. */
function openSink(options: Partial<SinkOptions> = {}) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(temporaryFolder());
  const pipe = stack.use(new NamedPipe(`${folder.path}/out`));
  const failures: Error[] = [];
  let drained = 0;
  const sink = ByteSink.toPipe(pipe, {
    limitBytes: 1 << 20,
    drops: true,
    failed: (error) => failures.push(error),
    drained: () => drained++,
    ...options,
  });
  stack.defer(() => sink.close(0));
  return {
    ...{ sink, path: pipe.path, failures },
    get drained() {
      return drained;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A message of some length, which begins with its number. */
function message(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(number & 255);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

const numberOf = (bytes: Uint8Array) => new DataView(bytes.buffer).getUint32(0);

/** Waits until the sink's end has come to the pipe. */
const opened = (sink: ByteSink, written: number) =>
  until(() => sink.stats.written >= written, 30_000, `${written} messages written`);

test("Without a reader messages wait, the oldest are dropped whole, and a reader gets the rest", {
  skip,
}, async () => {
  await using out = openSink({ limitBytes: 1000 });
  for (let i = 0; i < 25; i++) out.sink.push(message(i, 100));
  assert.equal(out.sink.queuedBytes, 1000);
  assert.deepEqual(out.sink.stats, { written: 0, dropped: 15 });
  using reader = PipeEnd.reader(out.path);
  for (let i = 15; i < 25; i++) assert.deepEqual(await reader.read(100), message(i, 100));
  assert.deepEqual(out.sink.stats, { written: 10, dropped: 15 });
  assert.equal(out.sink.queuedBytes, 0);
});

test(
  "A message counts as 64 bytes at least, so that empty ones are bounded, too",
  { skip },
  async () => {
    await using out = openSink({ limitBytes: 1000 });
    for (let i = 0; i < 25; i++) out.sink.push(new Uint8Array(i % 2));
    assert.equal(out.sink.queuedBytes, 15 * 64);
    assert.equal(out.sink.stats.dropped, 10);
    using reader = PipeEnd.reader(out.path);
    await opened(out.sink, 15);
    assert.equal((await reader.read(7)).length, 7);
    assert.equal(out.sink.queuedBytes, 0);

    await using waiting = openSink({ limitBytes: 1000, drops: false });
    for (let i = 0; i < 16; i++) waiting.sink.push(new Uint8Array(0));
    assert.equal(waiting.sink.isFull, true);
    using late = PipeEnd.reader(waiting.path);
    await until(() => waiting.drained === 1, 30_000, "room");
    assert.ok(late.isEmpty);
  },
);

test(
  "A message larger than the queue's limit is written, or dropped for a newer one",
  { skip },
  async () => {
    await using out = openSink({ limitBytes: 1000 });
    out.sink.push(message(1, 5000));
    out.sink.push(message(2, 6000));
    assert.equal(out.sink.stats.dropped, 1);
    using reader = PipeEnd.reader(out.path);
    assert.deepEqual(await reader.read(6000), message(2, 6000));
  },
);

test(
  "A reader that does not read delays nobody: the newest messages wait, whole",
  { skip },
  async () => {
    await using out = openSink({ limitBytes: 100_000 });
    using reader = PipeEnd.reader(out.path);
    out.sink.push(message(0, 1000));
    await opened(out.sink, 1);
    for (let i = 1; i <= 1000; i++) out.sink.push(message(i, 1000));
    assert.ok(out.sink.queuedBytes <= 100_000);
    const { dropped } = out.sink.stats;
    assert.ok(dropped > 700, `${dropped} dropped`);
    // All that arrive are whole and in order; the last one arrives.
    let last = -1;
    for (let count = 0; count < 1001 - dropped; count++) {
      const bytes = await reader.read(1000);
      const number = numberOf(bytes);
      assert.ok(number > last);
      assert.deepEqual(bytes, message(number, 1000));
      last = number;
    }
    assert.equal(last, 1000);
  },
);

test(
  "A reader that ends inside a message: the next one begins with that message",
  { skip },
  async () => {
    await using out = openSink();
    using first = PipeEnd.reader(out.path);
    // Larger than the pipe, so that it is written in parts.
    for (let i = 1; i <= 3; i++) out.sink.push(message(i, 200_000));
    assert.equal((await first.read(1000)).length, 1000);
    first[Symbol.dispose]();
    await until(() => !out.sink.isThere, 30_000, "the end of the reader noticed");
    using second = PipeEnd.reader(out.path);
    for (let i = 1; i <= 3; i++) assert.deepEqual(await second.read(200_000), message(i, 200_000));
    assert.deepEqual(out.sink.stats, { written: 3, dropped: 0 });
  },
);

test("What a reader leaves in the pipe is not given to the next one", { skip }, async () => {
  await using out = openSink();
  using first = PipeEnd.reader(out.path);
  for (let i = 1; i <= 5; i++) out.sink.push(message(i, 1000));
  await opened(out.sink, 5);
  await first.read(1500);
  first[Symbol.dispose]();
  await until(() => !out.sink.isThere, 30_000, "the end of the reader noticed");
  using second = PipeEnd.reader(out.path);
  out.sink.push(message(6, 1000));
  assert.deepEqual(await second.read(1000), message(6, 1000));
  assert.ok(second.isEmpty);
});

test("Readers come and go twenty times, and each begins at a message", { skip }, async () => {
  const before = openDescriptors();
  {
    await using out = openSink();
    let number = 0;
    for (let i = 0; i < 20; i++) {
      using reader = PipeEnd.reader(out.path);
      for (let k = 0; k < 5; k++) out.sink.push(message(++number, 700));
      const begin = numberOf(await reader.read(700));
      await reader.read(350);
      assert.ok(begin >= number - 9, `${begin} of ${number}`);
      reader[Symbol.dispose]();
      await until(() => !out.sink.isThere, 30_000, "the end of the reader noticed");
    }
    assert.deepEqual(out.failures, []);
  }
  await until(() => openDescriptors() === before, 30_000, "all descriptors closed");
});

test(
  "Where nothing is dropped, the sink is full and tells when it has drained to half",
  { skip },
  async () => {
    await using out = openSink({ limitBytes: 1000, drops: false });
    for (let i = 0; i < 20; i++) out.sink.push(message(i, 100));
    assert.equal(out.sink.isFull, true);
    assert.equal(out.drained, 0);
    using reader = PipeEnd.reader(out.path);
    for (let i = 0; i < 20; i++) assert.equal(numberOf(await reader.read(100)), i);
    assert.equal(out.drained, 1);
    assert.equal(out.sink.isFull, false);
    assert.deepEqual(out.sink.stats, { written: 20, dropped: 0 });
  },
);

test(
  "close() writes what waits while the reader reads, and waits for no reader",
  { skip },
  async () => {
    await using out = openSink();
    using reader = PipeEnd.reader(out.path);
    for (let i = 1; i <= 3; i++) out.sink.push(message(i, 100_000));
    await until(() => out.sink.isThere, 30_000, "the pipe opened");
    const closing = out.sink.close(10_000);
    for (let i = 1; i <= 3; i++) assert.equal(numberOf(await reader.read(100_000)), i);
    await withDeadline(closing, 30_000, "the end");
    out.sink.push(message(4, 10));
    assert.deepEqual(out.sink.stats, { written: 3, dropped: 1 });

    await using alone = openSink();
    alone.sink.push(message(1, 10));
    await withDeadline(alone.sink.close(60_000), 30_000, "the end without a reader");
    assert.deepEqual(alone.sink.stats, { written: 0, dropped: 1 });

    await using stalled = openSink();
    using idle = PipeEnd.reader(stalled.path);
    stalled.sink.push(message(1, 500_000));
    await idle.read(4);
    await withDeadline(stalled.sink.close(50), 30_000, "the end after the grace");
    assert.deepEqual(stalled.sink.stats, { written: 0, dropped: 1 });
  },
);

test(
  "A path that is no pipe any more is a failure, and nothing is written to it",
  { skip },
  async () => {
    await using out = openSink();
    unlinkSync(out.path);
    writeFileSync(out.path, "");
    out.sink.push(message(1, 10));
    await until(() => out.failures.length > 0, 30_000, "the failure");
    assert.match(out.failures[0].message, /is no named pipe/);
    assert.deepEqual(out.sink.stats, { written: 0, dropped: 1 });
  },
);
