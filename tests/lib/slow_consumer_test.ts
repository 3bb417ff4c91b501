/**
 * A consumer that is slower than its sender, until a limit of its memory holds the sender back: everything
 * arrives, and nobody times out.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type HostOptions } from "../../mod.ts";
import { leakCheck, until, withDeadline } from "../_helpers.ts";

const COUNT = 60_000;

/** Sends small messages to a host that takes 10 µs for each. */
async function overrun(options: HostOptions, size: number): Promise<void> {
  let received = 0;
  await using server = await Host.listen({ hostname: "127.0.0.1", ...options }, {
    receive() {
      received++;
      const end = performance.now() + 0.01;
      while (performance.now() < end);
    },
  });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  const message = new Uint8Array(size);
  for (let i = 0; i < COUNT; i++) {
    if (!peer.send(0, message)) await withDeadline(peer.drain(), 30_000, "room in the queue");
  }
  await withDeadline(peer.deliver(0, message), 30_000, "the last message");
  await until(() => received === COUNT + 1, 30_000, "all messages");
  assert.equal(peer.state, "connected");
}

for (const size of [1, 20, 200]) {
  test(`A slow consumer with small limits gets all messages of ${size} bytes`, async (t) => {
    await leakCheck(t);
    await overrun({ maximumWaitingData: 2 ** 20, maximumPacketSize: 2 ** 14 }, size);
  });
}
