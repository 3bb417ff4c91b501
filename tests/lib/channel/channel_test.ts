import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { CHANNEL } from "../../../ffi/layout.ts";
import { Channel, type ChannelOptions, type ChannelRemote } from "../../../lib/channel/mod.ts";
import { ENetError, Packet } from "../../../mod.ts";
import { burn, Bystanders, WORK_MS } from "../../_flood.ts";
import {
  currentRuntime,
  showsWhereItThrew,
  spawnRuntime,
  until,
  withDeadline,
} from "../../_helpers.ts";
import { receiverOf, Sequence } from "../../_sequence.ts";

const decoder = new TextDecoder();

/** Two ends in this thread. */
async function pair(options: ChannelOptions = {}, farOptions = {}) {
  const near = await Channel.open({ sendBytes: 4096, receiveBytes: 4096, ...options });
  const far = await Channel.join(near.remote as ChannelRemote, farOptions);
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      await Promise.all([near.close(), far.close()]);
    },
  };
}

/** A Worker of `programs/channel_worker.ts` at the other end of a channel. */
async function withWorker(task: string, options: ChannelOptions = {}) {
  const channel = await Channel.open(options);
  const worker = new Worker(new URL("../../programs/channel_worker.ts", import.meta.url), {
    workerData: task,
  });
  const remote = channel.remote as ChannelRemote;
  worker.postMessage(remote, [remote.port as never]);
  return {
    channel,
    worker,
    async [Symbol.asyncDispose]() {
      await channel.close();
      await worker.terminate();
    },
  };
}

async function next(messages: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  const { value, done } = await withDeadline(messages.next(), 10_000, "a message");
  assert.ok(!done, "the channel has ended");
  return value;
}

const code = (code: string) => (error: unknown) => {
  assert.ok(error instanceof ENetError, String(error));
  assert.equal(error.code, code);
  return true;
};

for (const [capacity, count] of [[1, 1000], [40, 10_000], [4096, 20_000], [300_000, 1000]]) {
  test(`A Worker echoes ${count} messages of 0 to ${capacity} bytes, each way at once`, async () => {
    for (const task of ["echo", "iterate"]) {
      const over = Promise.withResolvers<void>();
      const expected = new Sequence(5, capacity);
      await using far = await withWorker(task, {
        sendBytes: capacity,
        receiveBytes: capacity,
        handlers: { receive: receiverOf(expected, count, over) },
      });
      const sent = new Sequence(5, capacity);
      while (sent.count < count) if (!far.channel.send(sent.next())) await far.channel.drain();
      await withDeadline(over.promise, 60_000, "all echoes");
      await far.channel.close();
      const told = new Promise((resolve) => far.worker.once("message", resolve));
      assert.equal(await withDeadline(told, 10_000, "the worker's end"), "closed");
    }
  });
}

test("A Worker that is terminated in mid-message ends the channel at the other side", async () => {
  for (const handled of [true, false]) {
    const closed = Promise.withResolvers<void>();
    let received = 0;
    await using far = await withWorker("flood", {
      handlers: handled
        ? { receive: () => void received++, close: () => closed.resolve() }
        : undefined,
    });
    if (!handled) {
      (async () => {
        for await (const _ of far.channel) received++;
        closed.resolve();
      })().catch(closed.reject);
    }
    await until(() => received > 1000, 20_000, "traffic");
    const waiting = far.channel.onIdle().then(() =>
      far.channel.sendNow("x", { timeoutMs: 60_000 })
    );
    waiting.catch(() => {});
    await far.worker.terminate();
    await withDeadline(closed.promise, 10_000, "the end");
    assert.equal(far.channel.closed, true);
    assert.throws(() => far.channel.send("x"), code("ENETJS_ERR_CLOSED"));
    await assert.rejects(waiting, code("ENETJS_ERR_CLOSED"));
  }
});

test("Channel.send() takes text, buffers, views and packets; up to the capacity and not above", async () => {
  await using ends = await pair({ sendBytes: 16 });
  const messages = ends.far[Symbol.asyncIterator]();
  const all = [
    "héllo",
    "",
    new Uint8Array([1, 2, 3]).buffer,
    new Uint16Array([1, 2]),
    new DataView(new ArrayBuffer(8), 2, 3),
    Packet.from("packet"),
    new Uint8Array(16).fill(7),
  ];
  for (const data of all) ends.near.send(data);
  const lengths = [];
  for (const _ of all) lengths.push((await next(messages)).length);
  assert.deepEqual(lengths, [6, 0, 3, 4, 3, 6, 16]);
  const tooLarge = { name: "RangeError", message: /17 bytes.*16/ };
  assert.throws(() => ends.near.send(new Uint8Array(17)), tooLarge);
  await assert.rejects(ends.near.sendNow(new Uint8Array(17)), tooLarge);
  for (const data of [undefined, null, 5, {}, []]) {
    assert.throws(() => ends.near.send(data as never), TypeError);
  }
});

test("Channel.send() returns false when messages queue, and drain() and onIdle() wait", async () => {
  await using ends = await pair({ sendBytes: 1000 });
  assert.equal(ends.near.send(new Uint8Array(900)), true);
  const queued = new Uint8Array(900).fill(1);
  assert.equal(ends.near.send(queued), false);
  queued.fill(2); // It was copied.
  let drained = false;
  let idle = false;
  const both = Promise.all([
    ends.near.drain().then(() => drained = true),
    ends.near.onIdle().then(() => idle = true),
  ]);
  await Promise.resolve();
  assert.deepEqual([drained, idle], [false, false]);
  const messages = ends.far[Symbol.asyncIterator]();
  assert.equal((await next(messages))[0], 0);
  await withDeadline(ends.near.drain(), 20_000, "drain");
  assert.deepEqual([drained, idle], [true, false]);
  assert.equal((await next(messages))[0], 1);
  await withDeadline(both, 20_000, "idle");
  await ends.near.onIdle();
  await ends.near.drain();
});

test("Channel.sendNow() is withdrawn when nobody takes it, and leaves the channel as it was", async () => {
  await using ends = await pair({ sendBytes: 256 });
  ends.near.send("first");
  await assert.rejects(ends.near.sendNow("never", { timeoutMs: 5 }), code("ENETJS_ERR_TIMEOUT"));
  ends.near.send("second");
  const messages = ends.far[Symbol.asyncIterator]();
  assert.equal(decoder.decode(await next(messages)), "first");
  assert.equal(decoder.decode(await next(messages)), "second");
  const taken = ends.near.sendNow("third", { timeoutMs: 10_000 });
  assert.equal(decoder.decode(await next(messages)), "third");
  await taken;
  await assert.rejects(ends.near.sendNow("x", { timeoutMs: 0 }), RangeError);
  await assert.rejects(ends.near.sendNow("x", { timeoutMs: "1" as never }), TypeError);
  // The other way, with the receiver asleep.
  const backwards = ends.near[Symbol.asyncIterator]();
  const waiting = next(backwards);
  await withDeadline(ends.far.sendNow("back", { timeoutMs: 10_000 }), 10_000, "sendNow");
  assert.equal(decoder.decode(await waiting), "back");
});

for (const size of [100, 50_000]) {
  test(`Channel.reserve(${size}) gives memory to write in place`, async () => {
    await using ends = await pair({ sendBytes: 200_000 });
    const { near, far } = ends;
    const messages = far[Symbol.asyncIterator]();
    near.reserve(size).fill(1);
    near.send("meanwhile");
    assert.equal(near.commit(size - 1), true);
    near.reserve(size).fill(2);
    near.abort();
    near.reserve(size).fill(3);
    assert.throws(() => near.commit(size + 1), RangeError);
    assert.throws(() => near.commit(-1), RangeError);
    assert.throws(() => near.reserve(1), TypeError);
    near.commit();
    assert.throws(() => near.commit(), TypeError);
    assert.throws(() => near.abort(), TypeError);
    assert.throws(() => near.reserve(200_001), RangeError);
    assert.throws(() => near.reserve(1.5), RangeError);
    near.reserve(0);
    near.commit();
    const seen = [];
    for (let i = 0; i < 4; i++) {
      const bytes = await next(messages);
      seen.push(bytes.length === 9 ? "meanwhile" : `${bytes.length}:${bytes[0]}`);
    }
    const whole = [`${size - 1}:1`, "meanwhile", `${size}:3`, "0:undefined"];
    // What is not in the shared memory comes when it is committed.
    if (size < 16_384) whole.unshift(...whole.splice(1, 1));
    assert.deepEqual(seen, whole);
  });
}

test("Channel.receive() takes a message at a time, and returns null when there is none", async () => {
  await using ends = await pair();
  assert.equal(ends.far.receive(), null);
  ends.near.send("a");
  ends.near.send("");
  assert.equal(decoder.decode(ends.far.receive() ?? undefined), "a");
  assert.equal(ends.far.receive()?.length, 0);
  assert.equal(ends.far.receive(), null);
  await ends.far.close();
  assert.equal(ends.far.receive(), null);
});

test("Only one of handler, iteration and receive() takes the messages", async () => {
  await using ends = await pair({}, { handlers: { receive: () => {} } });
  assert.throws(() => ends.far.receive(), TypeError);
  assert.throws(() => ends.far[Symbol.asyncIterator](), TypeError);
  const messages = ends.near[Symbol.asyncIterator]();
  assert.throws(() => ends.near[Symbol.asyncIterator](), TypeError);
  assert.throws(() => ends.near.receive(), TypeError);
  const waiting = messages.next();
  await messages.return?.();
  assert.equal((await withDeadline(waiting, 20_000, "the end")).done, true);
  assert.equal(ends.near.receive(), null);
});

test("Channel.close() ends iterations and promises here, and the channel at the other end", async () => {
  const closed = Promise.withResolvers<void>();
  await using ends = await pair({ sendBytes: 64 }, { handlers: { close: () => closed.resolve() } });
  const { near, far } = ends;
  const reading = near[Symbol.asyncIterator]().next();
  while (near.send(new Uint8Array(64)));
  const rejected = [near.drain(), near.onIdle(), near.sendNow("x")].map((promise) =>
    assert.rejects(promise, code("ENETJS_ERR_CLOSED"))
  );
  await near.close();
  await near.close();
  near[Symbol.dispose]();
  assert.equal((await withDeadline(reading, 20_000, "the end")).done, true);
  await withDeadline(Promise.all(rejected), 20_000, "rejections");
  assert.throws(() => near.send("x"), code("ENETJS_ERR_CLOSED"));
  assert.throws(() => near.reserve(1), code("ENETJS_ERR_CLOSED"));
  await assert.rejects(near.drain(), code("ENETJS_ERR_CLOSED"));
  // What was in the memory can still be taken.
  assert.equal(far.receive()?.length, 64);
  await until(() => far.receive() === null && far.closed, 20_000, "the other end");
  await withDeadline(closed.promise, 20_000, "the close handler");
});

test("A channel can be closed from its handlers, which get nothing more", async () => {
  let count = 0;
  let closes = 0;
  await using ends = await pair({}, {
    handlers: {
      receive: () => {
        count++;
        void ends.far.close();
      },
      close: () => void closes++,
    },
  });
  for (let i = 0; i < 5; i++) ends.near.send("x");
  await until(() => ends.far.closed, 20_000, "closed");
  await until(() => ends.near.receive() === null && ends.near.closed, 20_000, "the other end");
  assert.deepEqual([count, closes], [1, 1]);
});

for (const way of ["iteration", "handlers"]) {
  test(`A Worker that floods a channel leaves timers and sockets their turn, by ${way}`, async () => {
    const count = 20_000;
    const most = 6 * 5 / WORK_MS; // Six turns of 5 ms.
    using bystanders = await Bystanders.create();
    const over = Promise.withResolvers<void>();
    let received = 0;
    const take = (bytes: Uint8Array) => {
      if (received === count) return;
      if (bytes.length !== received % 3000) over.reject(new Error(`${bytes.length} bytes`));
      bystanders.message();
      burn(WORK_MS);
      if (++received === count) over.resolve();
    };
    await using far = await withWorker("flood", {
      receiveBytes: 2 ** 24,
      handlers: way === "handlers" ? { receive: take } : undefined,
    });
    if (way === "iteration") {
      void (async () => {
        for await (const bytes of far.channel) take(bytes);
      })();
    }
    await withDeadline(over.promise, 60_000, "the flood");
    const { lateMs, longest, segments } = bystanders;
    assert.ok(longest <= most, `${longest} messages without a timer`);
    assert.ok(lateMs.length >= count / most, `the timer was called ${lateMs.length} times`);
    assert.ok(segments >= count / most / 2, `${segments} TCP segments`);
  });
}

test("minIntervalMs gathers messages into rounds, and loses none", async () => {
  const count = async (minIntervalMs: number) => {
    let received = 0;
    const ends = await pair({}, {
      minIntervalMs,
      handlers: { receive: () => void received++ },
    });
    ends.near.send("the first round comes at once");
    await until(() => received === 1, 20_000, "a message");
    for (let i = 0; i < 100; i++) ends.near.send("the next is due later");
    return { ends, received: () => received };
  };
  const soon = await count(20);
  const late = await count(2 ** 31 - 1);
  await until(() => soon.received() === 101, 10_000, "all messages");
  assert.equal(late.received(), 1);
  await soon.ends[Symbol.asyncDispose]();
  await late.ends[Symbol.asyncDispose]();
});

test("Handlers can be set, changed and removed on a live channel; no message is lost", async () => {
  await using ends = await pair();
  const { near, far } = ends;
  const got: string[] = [];
  const note = (name: string) => ({
    receive: (view: Uint8Array) => void got.push(`${name} ${decoder.decode(view)}`),
  });
  near.send("1");
  near.send("2");
  assert.equal(far.handlers, undefined);
  const first = note("first");
  far.handlers = first;
  assert.equal(far.handlers, first);
  await until(() => got.length === 2, 20_000, "what was there before the handlers");
  assert.throws(() => far.receive(), TypeError);
  // A handler replaces itself: the next message of the same round goes to the new one.
  far.handlers = {
    receive(view) {
      got.push(`once ${decoder.decode(view)}`);
      far.handlers = note("second");
    },
  };
  for (const text of ["3", "4", "5"]) near.send(text);
  await until(() => got.length === 5, 20_000, "the messages of one round");
  // And one removes itself: the rest waits for who reads.
  far.handlers = {
    receive(view) {
      got.push(`last ${decoder.decode(view)}`);
      far.handlers = undefined;
    },
  };
  for (const text of ["6", "7", "8"]) near.send(text);
  await until(() => got.length === 6, 20_000, "the last message that is handled");
  assert.equal(decoder.decode(far.receive()!), "7");
  const messages = far[Symbol.asyncIterator]();
  assert.equal(decoder.decode(await next(messages)), "8");
  assert.throws(() => far.handlers = note("iterated"), TypeError);
  far.handlers = { close: () => void got.push("closed") };
  await messages.return!();
  far.handlers = { ...note("third"), close: () => void got.push("closed") };
  near.send("9");
  await until(() => got.length === 7, 20_000, "the message to the third");
  await near.close();
  await until(() => far.closed, 20_000, "the end");
  assert.deepEqual(got, [
    "first 1",
    "first 2",
    "once 3",
    "second 4",
    "second 5",
    "last 6",
    "third 9",
    "closed",
  ]);
  assert.throws(() => far.handlers = first, code("ENETJS_ERR_CLOSED"));
  assert.throws(() => near.handlers = { recieve() {} } as never, TypeError);
});

test("minIntervalMs can be assigned: a round that was far away comes at once", async () => {
  const got: string[] = [];
  await using ends = await pair({}, {
    handlers: { receive: (view: Uint8Array) => void got.push(decoder.decode(view)) },
    minIntervalMs: 2 ** 31 - 1,
  });
  const { near, far } = ends;
  near.send("first");
  await until(() => got.length === 1, 20_000, "the first round");
  near.send("second");
  await near.drain();
  const other = await pair();
  other.near.send("x");
  await next(other.far[Symbol.asyncIterator]());
  await other[Symbol.asyncDispose]();
  assert.deepEqual(got, ["first"], "the interval holds");
  far.minIntervalMs = 0;
  assert.equal(far.minIntervalMs, 0);
  await until(() => got.length === 2, 20_000, "the second round");
  assert.throws(() => far.minIntervalMs = -1, RangeError);
});

test("maximumQueuedBytes limits what waits on this side, and can be assigned", async () => {
  await using ends = await pair({ sendBytes: 64, maximumQueuedBytes: 100 });
  const { near, far } = ends;
  assert.equal(near.maximumQueuedBytes, 100);
  assert.equal(near.send(new Uint8Array(64)), true);
  assert.equal(near.queuedBytes, 0);
  assert.equal(near.send(new Uint8Array(60)), false);
  assert.equal(near.send(new Uint8Array(40)), false);
  assert.equal(near.queuedBytes, 100);
  assert.throws(() => near.send(new Uint8Array(1)), code("ENETJS_ERR_LIMIT"));
  await assert.rejects(near.sendNow(new Uint8Array(1)), code("ENETJS_ERR_LIMIT"));
  near.reserve(1)[0] = 7;
  assert.throws(() => near.commit(), code("ENETJS_ERR_LIMIT"));
  near.maximumQueuedBytes = 101;
  assert.equal(near.commit(), false, "the reservation was still there");
  near.maximumQueuedBytes = 0;
  assert.equal(near.queuedBytes, 101, "what waits stays");
  const lengths: number[] = [];
  far.handlers = { receive: (view) => void lengths.push(view.length) };
  await withDeadline(near.onIdle(), 20_000, "the other end");
  assert.deepEqual(lengths, [64, 60, 40, 1]);
  assert.equal(near.queuedBytes, 0);
  far.handlers = undefined;
  near.send(new Uint8Array(64));
  assert.equal(near.send(new Uint8Array(64)), false, "one message may always wait");
  assert.throws(() => near.send(""), code("ENETJS_ERR_LIMIT"));
  near.maximumQueuedBytes = Infinity;
  near.send("");
  assert.throws(() => near.maximumQueuedBytes = -1, RangeError);
  assert.throws(() => near.maximumQueuedBytes = NaN, RangeError);
});

test("A damaged ring is noticed and ends the channel; this side is not harmed", async () => {
  const { WORD_HEAD, WORD_TAIL, WORD_OFFSET } = CHANNEL;
  const damage: ((words: Int32Array) => void)[] = [
    (words) => words[WORD_HEAD] = 1_000_000,
    (words) => words[WORD_HEAD] = -1,
    (words) => words[words[WORD_OFFSET] / 4] = 5000,
    (words) => words[words[WORD_OFFSET] / 4] = -1,
    (words) => words[words[WORD_OFFSET] / 4 + 1] = 0,
    (words) => words[words[WORD_OFFSET] / 4 + 1] = 77,
  ];
  for (const change of damage) {
    await using ends = await pair();
    const { memory } = ends.near.remote as ChannelRemote;
    ends.near.send("message");
    change(new Int32Array(memory));
    const reading = ends.far[Symbol.asyncIterator]().next();
    await assert.rejects(withDeadline(reading, 20_000, "the fault"), code("ENETJS_ERR_FAULT"));
    assert.equal(ends.far.closed, true);
  }
  await using ends = await pair();
  const words = new Int32Array((ends.near.remote as ChannelRemote).memory);
  words[WORD_TAIL] = 12345;
  assert.throws(() => ends.near.send("x"), code("ENETJS_ERR_FAULT"));
  assert.equal(ends.near.closed, true);
});

test("Channel.open(), join() and loadPlugin() refuse senseless arguments", async () => {
  for (const sendBytes of [0, -1, 1.5, NaN, 2 ** 31]) {
    await assert.rejects(Channel.open({ sendBytes }), RangeError);
    await assert.rejects(Channel.open({ receiveBytes: sendBytes }), RangeError);
    await assert.rejects(Channel.loadPlugin("x", { sendBytes }), RangeError);
  }
  await assert.rejects(Channel.open({ sendBytes: "1" as never }), TypeError);
  await assert.rejects(Channel.open({ bytes: 1 } as never), /has no option "bytes"/);
  await assert.rejects(Channel.open({ handlers: { receive: 5 as never } }), TypeError);
  await assert.rejects(Channel.open({ minIntervalMs: -1 }), RangeError);
  for (const turnBudgetMs of [0, 1.5, 60_001]) {
    await assert.rejects(Channel.open({ turnBudgetMs }), RangeError);
  }
  const { port1, port2 } = new MessageChannel();
  for (const remote of [undefined, null, 5, {}, { memory: new SharedArrayBuffer(8) }]) {
    await assert.rejects(Channel.join(remote as never), TypeError);
  }
  for (const size of [0, 8, 4096]) {
    const memory = new SharedArrayBuffer(size);
    await assert.rejects(Channel.join({ memory, port: port1 }), TypeError);
  }
  port1.close();
  port2.close();
  for (const path of ["", "a\0b", 5, undefined, null, new URL("https://example.com/x.so")]) {
    await assert.rejects(Channel.loadPlugin(path as never), TypeError);
  }
  await assert.rejects(Channel.loadPlugin("x", { updateIntervalMs: -1 }), RangeError);
  await assert.rejects(Channel.loadPlugin("x", { configuration: 5 as never }), TypeError);
});

test("What handlers throw is an uncaught error, and the channel goes on", async () => {
  await using program = spawnRuntime(currentRuntime(), "channel_throwing.ts");
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "the program");
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "caught: thrown on purpose\nreceived: next\n");
});

test("What ends the process shows where the handler of a channel threw", async () => {
  await showsWhereItThrew("throwing_channel.ts");
});
