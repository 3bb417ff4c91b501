/** What tests/lib/channel/plugin_test.ts shows with fewer messages: 1 M each way at once, through a plugin and a Worker. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Channel, type ChannelHandlers, type ChannelOptions } from "../../lib/channel/mod.ts";
import { diagnostics } from "../../mod.ts";
import { root } from "../../tools/_run.ts";
import { receiverOf, Sequence } from "../_sequence.ts";

const COUNT = 1_000_000;
const SEED = 42;
const plugin = `${root}/native/build/test_plugin${process.platform === "win32" ? ".dll" : ".so"}`;

/** Sends a sequence while the same one is expected back. */
async function exchange(
  capacity: number,
  open: (options: ChannelOptions) => Promise<Channel>,
): Promise<void> {
  const over = Promise.withResolvers<void>();
  const expected = new Sequence(SEED, capacity);
  const handlers: ChannelHandlers = {
    receive: receiverOf(expected, COUNT, over),
    error: over.reject,
  };
  await using channel = await open({ sendBytes: capacity, receiveBytes: capacity, handlers });
  const sent = new Sequence(SEED, capacity);
  while (sent.count < COUNT) {
    const bytes = sent.next();
    channel.reserve(bytes.length).set(bytes);
    if (!channel.commit()) await channel.drain();
  }
  await over.promise;
}

for (const capacity of [61, 4096, 65_536]) {
  test(`${COUNT} messages of 0 to ${capacity} bytes through an echo that checks them`, async () => {
    const before = await diagnostics();
    await exchange(
      capacity,
      (options) => Channel.loadPlugin(plugin, { ...options, configuration: `sequence ${SEED}` }),
    );
    assert.deepEqual(await diagnostics(), before);
  });

  test(`${COUNT} messages of 0 to ${capacity} bytes each way, from a thread of the plugin`, async () => {
    const before = await diagnostics();
    await exchange(
      capacity,
      (options) =>
        Channel.loadPlugin(plugin, { ...options, configuration: `source ${SEED} ${COUNT}` }),
    );
    assert.deepEqual(await diagnostics(), before);
  });
}

test(`${COUNT} messages of 0 to 4096 bytes through a Worker that echoes`, async () => {
  const worker = new Worker(new URL("../programs/channel_worker.ts", import.meta.url), {
    workerData: "echo",
  });
  await exchange(4096, async (options) => {
    const channel = await Channel.open(options);
    worker.postMessage(channel.remote, [channel.remote!.port as never]);
    return channel;
  });
  await worker.terminate();
});
