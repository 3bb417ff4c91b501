import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { Channel, type PluginOptions } from "../../../lib/channel/mod.ts";
import { diagnostics, ENetError, versions } from "../../../mod.ts";
import { capture, root, run } from "../../../tools/_run.ts";
import { currentRuntime, leakCheck, spawnRuntime, until, withDeadline } from "../../_helpers.ts";
import { receiverOf, Sequence } from "../../_sequence.ts";

const ending = process.platform === "win32" ? ".dll" : ".so";
const plugin = `${root}/native/build/test_plugin${ending}`;
const decoder = new TextDecoder();

/** The test plugin in one of its modes; see `native/tests/test_plugin.c`. */
function load(configuration: string, options: PluginOptions = {}): Promise<Channel> {
  return Channel.loadPlugin(plugin, {
    configuration,
    sendBytes: 4096,
    receiveBytes: 4096,
    updateIntervalMs: 2 ** 31 - 1,
    ...options,
  });
}

async function next(channel: AsyncIterator<Uint8Array>, what = "a message"): Promise<Uint8Array> {
  const { value, done } = await withDeadline(channel.next(), 10_000, what);
  assert.ok(!done, `${what}: the channel has ended`);
  return value;
}

test("A plugin tells its name and version, and one of the first version of the header has none", async (t) => {
  await leakCheck(t);
  await using channel = await load("echo");
  assert.deepEqual(channel.plugin, { name: "test plugin", version: "1.2.3" });
  await using old = await Channel.loadPlugin(`${root}/native/build/first_abi_plugin${ending}`);
  assert.deepEqual(old.plugin, { name: undefined, version: undefined });
  await using threads = await Channel.open();
  assert.equal(threads.plugin, undefined);
});

const compiler = capture(["g++", "--version"]) === undefined ? undefined : "g++";

test(
  "A plugin in C++ is compiled, loaded and counts",
  { skip: compiler === undefined },
  async (t) => {
    await leakCheck(t);
    const folder = mkdtempSync(`${tmpdir()}/enetjs-`);
    try {
      const file = `${folder}/word_count.so`;
      const flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"];
      const include = `${root}/native/include`;
      const source = `${root}/examples/plugin/word_count.cpp`;
      const { ok, output } = await run([
        compiler as string,
        ...flags,
        "-I",
        include,
        "-o",
        file,
        source,
      ]);
      assert.ok(ok, output);
      await assert.rejects(
        Channel.loadPlugin(file, { configuration: "many" }),
        (error: ENetError) =>
          error.code === "ENETJS_ERR_PLUGIN_INITIALIZE" && /stoul/.test(error.message),
      );
      await using channel = await Channel.loadPlugin(file, { configuration: "2" });
      assert.deepEqual(channel.plugin, { name: "word count", version: "1.0.0" });
      const answers = channel[Symbol.asyncIterator]();
      channel.send("The cat, the dog");
      assert.equal(decoder.decode(await next(answers)), "the 2\ncat 1\n");
      channel.send("and a dog and the dog");
      assert.equal(decoder.decode(await next(answers)), "dog 3\nthe 3\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

/** Sends a sequence to an echo that checks it too, and checks what comes back. */
async function echoSequence(capacity: number, count: number, viaHandler: boolean): Promise<void> {
  const over = Promise.withResolvers<void>();
  const expected = new Sequence(7, capacity);
  const receive = (bytes: Uint8Array) => {
    try {
      expected.check(bytes);
    } catch (error) {
      over.reject(error);
    }
    if (expected.count === count) over.resolve();
  };
  await using channel = await load("sequence 7", {
    sendBytes: capacity,
    receiveBytes: capacity,
    handlers: viaHandler ? { receive, error: over.reject } : undefined,
  });
  if (!viaHandler) {
    (async () => {
      for await (const bytes of channel) receive(bytes);
    })().catch(over.reject);
  }
  const sent = new Sequence(7, capacity);
  const sending = async () => {
    while (sent.count < count) {
      if (sent.count % 3 === 0) {
        const bytes = sent.next();
        channel.reserve(bytes.length).set(bytes);
        if (!channel.commit()) await channel.drain();
      } else if (!channel.send(sent.next())) await channel.drain();
    }
  };
  await withDeadline(Promise.all([sending(), over.promise]), 120_000, `${count} echoes`);
}

for (const [capacity, count] of [[1, 5_000], [61, 30_000], [4096, 200_000], [200_000, 5_000]]) {
  test(`${count} messages of 0 to ${capacity} bytes are echoed unchanged and in order`, async (t) => {
    await leakCheck(t);
    await echoSequence(capacity, count, true);
    await echoSequence(capacity, count / 10, false);
  });
}

test("Both sides send sequences at once, the plugin from a thread of its own", async (t) => {
  await leakCheck(t);
  const count = 50_000;
  const over = Promise.withResolvers<void>();
  const expected = new Sequence(11, 10_000);
  await using channel = await load(`source 11 ${count}`, {
    sendBytes: 10_000,
    receiveBytes: 10_000,
    handlers: { receive: receiverOf(expected, count, over) },
  });
  const sent = new Sequence(11, 10_000);
  while (sent.count < count) if (!channel.send(sent.next())) await channel.drain();
  await withDeadline(Promise.all([channel.onIdle(), over.promise]), 60_000, "both sequences");
});

test("Four threads of a plugin send at once, each in its order", async (t) => {
  await leakCheck(t);
  const each = 5_000;
  const counts = [0, 0, 0, 0];
  await using channel = await load(`threads ${each}`, { receiveBytes: 64 });
  const count = async () => {
    for await (const bytes of channel) {
      const [thread, number] = new Uint32Array(bytes.slice().buffer);
      assert.equal(number, counts[thread]++);
      if (counts.every((n) => n === each)) return;
    }
  };
  await withDeadline(count(), 60_000, "all numbers");
});

test("Channel.sendNow() rejects within its time while the plugin stalls, then all goes on", async (t) => {
  await leakCheck(t);
  await using channel = await load("stall");
  await using releaser = await load("release");
  const seen: string[] = [];
  const reading = async () => {
    for await (const bytes of channel) {
      seen.push(bytes.length === 1000 ? "1000" : decoder.decode(bytes));
      if (seen.at(-1) === "after") return;
    }
  };
  const read = reading();
  await channel.sendNow("before", { timeoutMs: 10_000 });
  channel.send("! stalls");
  channel.send("accepted");
  await assert.rejects(
    channel.sendNow("too late", { timeoutMs: 20 }),
    (error) =>
      error instanceof ENetError && error.code === "ENETJS_ERR_TIMEOUT" &&
      /8 bytes.*20 ms/.test(error.message),
  );
  // More than the memory holds, so that a message waits in the queue too.
  let inMemory = 0;
  while (channel.send(new Uint8Array(1000))) inMemory++;
  await assert.rejects(
    channel.sendNow("too late, and in the queue", { timeoutMs: 20 }),
    { code: "ENETJS_ERR_TIMEOUT" },
  );
  releaser.send("go on");
  await withDeadline(channel.sendNow("after", { timeoutMs: 10_000 }), 10_000, "sendNow");
  await withDeadline(read, 10_000, "what was sent");
  const filler = Array.from({ length: inMemory + 1 }, () => "1000");
  assert.deepEqual(seen, ["before", "! stalls", "accepted", ...filler, "after"]);
  await withDeadline(channel.onIdle(), 10_000, "an idle channel");
});

test("A plugin that stalls keeps neither JavaScript nor other channels from working", async (t) => {
  await leakCheck(t);
  await using stalled = await load("stall");
  await using other = await load("echo");
  await using releaser = await load("release");
  await stalled.sendNow("!");
  for (let i = 0; i < 100; i++) other.send(`${i}`);
  const messages = other[Symbol.asyncIterator]();
  for (let i = 0; i < 100; i++) assert.equal(decoder.decode(await next(messages)), `${i}`);
  assert.equal(stalled.receive(), null);
  // Closing does not wait for it in this thread, only in the promise.
  let closed = false;
  const closing = stalled.close().then(() => closed = true);
  assert.equal(stalled.closed, true);
  other.send("still working");
  assert.equal(decoder.decode(await next(messages)), "still working");
  assert.equal(closed, false);
  releaser.send("go on");
  await withDeadline(closing, 10_000, "the end of the stalled channel");
});

test("A plugin's update is called at its interval, and at the one asked for", async (t) => {
  await leakCheck(t);
  for (const updateIntervalMs of [0, 3]) { // the plugin's own is 1 ms
    await using channel = await load("update", { updateIntervalMs });
    const messages = channel[Symbol.asyncIterator]();
    for (let i = 1; i <= 5; i++) {
      assert.equal(new Uint32Array((await next(messages)).slice().buffer)[0], i);
    }
  }
});

test("Two channels with different plugins work at once", async (t) => {
  await leakCheck(t);
  await using echo = await load("echo");
  await using filter = await Channel.loadPlugin(
    pathToFileURL(`${root}/native/build/image_filter${ending}`),
    { sendBytes: 10_000, receiveBytes: 10_000 },
  );
  const picture = new Uint8Array(8 + 64 * 64);
  new Uint32Array(picture.buffer, 0, 2).set([64, 64]);
  picture.fill(200, 8 + 64 * 32);
  const [echoes, pictures] = [echo[Symbol.asyncIterator](), filter[Symbol.asyncIterator]()];
  for (let i = 0; i < 200; i++) {
    filter.send(picture);
    echo.send(`${i}`);
    const edges = (await next(pictures)).subarray(8);
    assert.deepEqual([edges[64 * 16 + 32], edges[64 * 32 + 32]], [0, 200]);
    assert.equal(decoder.decode(await next(echoes)), `${i}`);
  }
});

/** How many entries a folder of /proc has; 0 where there is none. */
function entries(folder: string): number {
  return existsSync(folder) ? readdirSync(folder).length : 0;
}

test("100 cycles of opening and closing in mid-traffic leave nothing behind", async (t) => {
  await leakCheck(t);
  const cycle = async (i: number) => {
    const received = Promise.withResolvers<void>();
    const channels = await Promise.all(
      ["echo", `source 3 1000000`].map((mode) =>
        load(mode, { handlers: { receive: () => received.resolve() } })
      ),
    );
    for (let n = 0; n < 200; n++) for (const channel of channels) channel.send(new Uint8Array(n));
    await withDeadline(received.promise, 10_000, "traffic");
    if (i % 2 === 0) { for (const channel of channels) channel[Symbol.dispose](); }
    await withDeadline(Promise.all(channels.map((c) => c.close())), 10_000, "closing");
  };
  for (let i = 0; i < 10; i++) await cycle(i);
  const descriptors = entries("/proc/self/fd");
  const threads = entries("/proc/self/task");
  for (let i = 0; i < 100; i++) await cycle(i);
  await until(() => entries("/proc/self/fd") <= descriptors, 20_000, "descriptors back");
  await until(() => entries("/proc/self/task") <= threads + 2, 20_000, "threads back");
});

test("Channels that are dropped without being closed are collected, and their plugins end", async () => {
  const flags = {
    deno: ["--v8-flags=--expose-gc"],
    bun: [],
    node: ["--expose-gc"],
  }[currentRuntime()];
  await using program = spawnRuntime(currentRuntime(), "channel_dropped.ts", [plugin], { flags });
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "the program");
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "5 plugins\n0 plugins, 0 channels, 0 bytes\n");
});

test("diagnostics() counts channels, their memory and the threads of plugins", async (t) => {
  await leakCheck(t);
  const before = await diagnostics();
  {
    await using _channel = await load("echo", { sendBytes: 1000, receiveBytes: 100_000 });
    const { channels, plugins, channelBytes } = await diagnostics();
    assert.deepEqual([channels, plugins], [before.channels + 1, before.plugins + 1]);
    assert.ok(channelBytes - before.channelBytes >= 101_000);
  }
  assert.equal((await diagnostics()).channels, before.channels);
});

const REFUSED: [string, string, RegExp][] = [
  ["missing", "ENETJS_ERR_PLUGIN_MISSING", /no such plugin file/],
  ["text", "ENETJS_ERR_PLUGIN_PLATFORM", /no library for this platform/],
  ["machine", "ENETJS_ERR_PLUGIN_PLATFORM", /no library for this platform/],
  ["short", "ENETJS_ERR_PLUGIN_LOAD", /cannot load the plugin: /],
  ["libenetjs", "ENETJS_ERR_PLUGIN_SYMBOL", /enetjs_plugin_interface/],
  ["wrong_abi_plugin", "ENETJS_ERR_PLUGIN_ABI", /it has 9, this library needs 1 to 2/],
];

test("Channel.loadPlugin() refuses what is no plugin, with an error for each reason", {
  skip: process.platform !== "linux",
}, async (t) => {
  await leakCheck(t);
  const folder = mkdtempSync(`${tmpdir()}/enetjs-plugin-`);
  try {
    const good = readFileSync(plugin);
    const machine = new Uint8Array(good);
    machine[18] ^= 0x55;
    writeFileSync(`${folder}/text${ending}`, "this is no library\n".repeat(10));
    writeFileSync(`${folder}/machine${ending}`, machine);
    writeFileSync(`${folder}/short${ending}`, good.subarray(0, 64));
    for (const [name, code, message] of REFUSED) {
      const path = name === "libenetjs"
        ? (await versions()).library
        : name === "wrong_abi_plugin"
        ? `${root}/native/build/${name}${ending}`
        : `${folder}/${name}${ending}`;
      await assert.rejects(Channel.loadPlugin(path), (error) => {
        assert.ok(error instanceof ENetError);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        assert.ok(error.message.includes(path), error.message);
        return true;
      });
    }
    await assert.rejects(load("refuse"), (error) => {
      assert.ok(error instanceof ENetError);
      assert.equal(error.code, "ENETJS_ERR_PLUGIN_INITIALIZE");
      assert.match(error.message, /initialize returned 42: this plugin always refuses/);
      return true;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const FAULTS: [string, RegExp][] = [
  ["o", /a commit of 9 bytes where 8 were reserved/],
  ["n", /a commit of -1 bytes where 8 were reserved/],
  ["l", /a commit of 9223372036854775807 bytes/],
  ["A", /a commit without a reservation/],
  ["c", /a commit without a reservation/],
  ["a", /an abort without a reservation/],
  ["r", /a second reserve/],
  ["k", /a reservation kept when process_message returned/],
  ["w", /a write beyond the memory/],
];

for (const [rule, message] of FAULTS) {
  test(`A plugin that breaks rule "${rule}" ends its channel with an error, and nothing else`, async (t) => {
    await leakCheck(t);
    await using other = await load("echo");
    const told = Promise.withResolvers<ENetError>();
    await using handled = await load("fault", { handlers: { error: told.resolve } });
    await using iterated = await load("fault");
    await using plain = await load("fault");
    const messages = iterated[Symbol.asyncIterator]();
    const fault = (error: unknown) => {
      assert.ok(error instanceof ENetError, String(error));
      assert.equal(error.code, "ENETJS_ERR_FAULT");
      assert.match(error.message, message);
      return true;
    };
    for (const channel of [iterated, plain]) {
      channel.send("-");
      channel.send(rule);
    }
    handled.send(rule);
    fault(await withDeadline(told.promise, 10_000, "the error handler"));
    assert.equal((await next(messages)).length, 8);
    await assert.rejects(withDeadline(messages.next(), 10_000, "the fault"), fault);
    assert.equal((await messages.next()).done, true);
    const sending = async () => {
      await plain.onIdle();
      for (;;) await plain.sendNow("-", { timeoutMs: 10_000 });
    };
    await assert.rejects(withDeadline(sending(), 10_000, "the fault"), fault);
    assert.throws(() => plain.send("-"), fault);
    assert.equal(plain.receive()?.length, 8);
    const echoes = other[Symbol.asyncIterator]();
    other.send("alive");
    assert.equal(decoder.decode(await next(echoes)), "alive");
  });
}

test("Borrowed views of plugin memory become empty; JavaScript can't damage it", async (t) => {
  await leakCheck(t);
  const kept: Uint8Array[] = [];
  const received = Promise.withResolvers<void>();
  const size = 100_000;
  await using channel = await load("echo", {
    sendBytes: size,
    receiveBytes: size,
    handlers: {
      receive(view) {
        assert.equal(view.length, size);
        assert.equal(view[size - 1], 9);
        kept.push(view, view.subarray(5, 10), new Uint8Array(view.buffer, 0, 3));
        received.resolve();
      },
    },
  });
  const view = channel.reserve(size);
  view.fill(9);
  channel.commit();
  assert.equal(view.length, 0);
  await withDeadline(received.promise, 10_000, "the echo");
  await until(() => kept.every(({ length }) => length === 0), 20_000, "empty views");
  await withDeadline(channel.onIdle(), 20_000, "room in the shared memory");
  const reserved = channel.reserve(50_000);
  await channel.close();
  assert.equal(reserved.length, 0);
});

test("A Worker that is terminated in mid-traffic takes its plugins with it", async (t) => {
  await leakCheck(t);
  const worker = new Worker(new URL("../../programs/plugin_worker.ts", import.meta.url), {
    workerData: { plugin },
  });
  const ready = new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
  assert.equal(await withDeadline(ready, 20_000, "the worker"), "ready");
  assert.ok((await diagnostics()).channels >= 2);
  await worker.terminate();
  await until(async () => (await diagnostics()).channels === 0, 20_000, "no channels");
});

for (const way of ["exit", "throw", "unref", "close", "stalled exit"]) {
  test(`A program with plugins at work ends cleanly by "${way}"`, async () => {
    const runtime = "deno" in process.versions
      ? "deno"
      : "bun" in process.versions
      ? "bun"
      : "node";
    await using program = spawnRuntime(runtime, "plugin_exit.ts", [plugin, way]);
    const { code, signal, stdout, stderr } = await withDeadline(program.ended, 60_000, way);
    const expected = way === "throw" ? 1 : way.endsWith("exit") ? 7 : 0;
    assert.equal(code ?? signal, expected, `${stdout}\n${stderr}`);
    assert.match(stdout, /^ready$/m);
  });
}
