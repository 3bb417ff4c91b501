import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type HostOptions, type Peer } from "../../mod.ts";
import { leakCheck, until, withDeadline } from "../_helpers.ts";

const LOOPBACK = "127.0.0.1";
const [LOUD, QUIET] = [0, 1];
const PART = 16 * 1024;

/** A link with distance: 30 ms there and back. */
const FAR = { latencyMs: 15, rate: 4_000_000, queueBytes: 1_000_000 } as const;

/** What has come, and how much of it had when a channel was done. */
class Receiver {
  readonly bytes = [0, 0];
  readonly order: number[] = [];
  next = 0;

  take(channelId: number, view: Uint8Array): void {
    this.bytes[channelId] += view.length;
    this.order.push(channelId);
    if (channelId !== LOUD) return;
    assert.equal(new DataView(view.buffer, view.byteOffset).getUint32(0), this.next++);
  }
}

/** A client behind a link with distance, whose round trip it knows. */
async function farPair(options: HostOptions = {}) {
  const receiver = new Receiver();
  const server = await Host.listen({ hostname: LOOPBACK }, {
    receive: (_peer, channelId, packet) => receiver.take(channelId, packet.view),
  });
  const client = await Host.create({ conditions: FAR, ...options });
  const peer = await client.connect(server.address);
  await peer.deliver(QUIET, "a first measurement");
  receiver.bytes.fill(0);
  return {
    server,
    client,
    peer,
    receiver,
    async [Symbol.asyncDispose]() {
      client.conditions = null;
      await client.close();
      await server.close();
    },
  };
}

/** Queues messages with their numbers from `first` on, whatever `send` says. */
function pour(peer: Peer, channelId: number, parts: number, length = PART, first = 0): void {
  for (let number = first; number < first + parts; number++) {
    const bytes = new Uint8Array(length);
    new DataView(bytes.buffer).setUint32(0, number);
    peer.send(channelId, bytes);
  }
}

test("The setting congestion is checked, and can be changed on a live host", async (t) => {
  await leakCheck(t);
  await using host = await Host.create();
  assert.equal(host.congestion, "adaptive");
  host.congestion = "enet";
  assert.equal(host.congestion, "enet");
  const wrong = "bbr" as "enet";
  assert.throws(
    () => host.congestion = wrong,
    /congestion must be "adaptive" or "enet", not "bbr"/,
  );
  await assert.rejects(
    Host.create({ congestion: wrong }),
    /congestion must be "adaptive" or "enet", not "bbr"/,
  );
});

test("The window follows a link with distance, and what is sent comes in order", async (t) => {
  await leakCheck(t);
  await using pair = await farPair();
  const { peer, receiver } = pair;
  let sent = 0;
  let largest = 0;
  await until(
    () => {
      largest = Math.max(largest, peer.stats.windowSize);
      if (receiver.next < sent) return false;
      if (sent > 0 && largest > 64 * 1024) return true;
      // On a busy machine, acknowledgements may be so late that one round is not enough.
      pour(peer, LOUD, 60, PART, sent);
      sent += 60;
      return false;
    },
    30_000,
    "the messages, and a larger window than ENet's",
  ).catch((error) => {
    throw new Error(`${error.message}, but ${largest} bytes and ${receiver.next} of ${sent}`);
  });
});

test("With congestion: enet, the window is ENet's", async (t) => {
  await leakCheck(t);
  await using pair = await farPair({ congestion: "enet" });
  const { peer, receiver } = pair;
  pour(peer, LOUD, 40);
  await until(
    () => {
      assert.ok(peer.stats.windowSize <= 64 * 1024);
      assert.ok(peer.stats.reliableDataInTransit <= 64 * 1024);
      return receiver.next === 40;
    },
    20_000,
    "the messages",
  );
});

test("A window that a bandwidth limit has set is left alone", async (t) => {
  await leakCheck(t);
  await using pair = await farPair({ outgoingBandwidth: 1_000_000 });
  const { peer, receiver } = pair;
  pour(peer, LOUD, 10);
  await until(
    () => {
      assert.ok(peer.stats.windowSize < 64 * 1024);
      return receiver.next === 10;
    },
    20_000,
    "the messages",
  );
});

for (const [what, parts, length] of [["many messages", 96, PART], ["one", 1, 96 * PART]] as const) {
  test(`A quiet message overtakes ${what} on another channel`, async (t) => {
    await leakCheck(t);
    await using pair = await farPair();
    const { peer, receiver } = pair;
    pour(peer, LOUD, parts, length);
    peer.send(QUIET, "quiet");
    await until(() => receiver.bytes[QUIET] > 0, 20_000, "the quiet message");
    const before = receiver.bytes[LOUD];
    await until(() => receiver.bytes[LOUD] === parts * length, 20_000, "the loud ones");
    assert.ok(before < parts * length / 2, `${before} bytes came before it`);
  });
}

test("Peer.priority() is the share of a channel", async (t) => {
  await leakCheck(t);
  await using pair = await farPair();
  const { peer, receiver } = pair;
  peer.priority(QUIET, 8);
  pour(peer, LOUD, 60);
  pour(peer, QUIET, 60);
  await until(() => receiver.bytes[QUIET] === 60 * PART, 20_000, "the channel of priority 8");
  const share = receiver.bytes[LOUD] / (60 * PART);
  assert.ok(share < 0.5, `the other channel had ${share} of its own`);
  await until(() => receiver.next === 60, 20_000, "the other channel");
});

test("Peer.priority() checks its arguments, and does nothing after the end", async (t) => {
  await leakCheck(t);
  await using pair = await farPair();
  const { peer } = pair;
  for (const channelId of [-1, 2, 0.5, NaN]) {
    assert.throws(() => peer.priority(channelId, 1), RangeError, `channel ${channelId}`);
  }
  for (const priority of [0, 101, 1.5, Infinity]) {
    assert.throws(() => peer.priority(0, priority), RangeError, `priority ${priority}`);
  }
  assert.throws(() => peer.priority("0" as unknown as number, 1), TypeError);
  peer.priority(0, 100);
  peer.priority(1, 1);
  peer.reset();
  peer.priority(0, 5);
});

test("What waits counts for deliver, drain and disconnectLater", async (t) => {
  await leakCheck(t);
  await using pair = await farPair({ stallLimitMs: 60_000 }); // or the pump sends while this thread queues
  const { peer, receiver } = pair;
  pour(peer, LOUD, 60);
  const sent = 60 * PART;
  assert.equal(peer.send(QUIET, "one more"), false);
  assert.ok(peer.stats.queuedBytes >= sent && peer.stats.countedBytes > 256 * 1024);
  assert.ok(peer.stats.countedBytes <= peer.stats.queuedBytes);
  await withDeadline(peer.drain(), 20_000, "drain");
  assert.ok(peer.stats.countedBytes <= 128 * 1024);
  await withDeadline(peer.deliver(LOUD, new Uint8Array([0, 0, 0, 60])), 20_000, "deliver");
  assert.equal(receiver.bytes[LOUD], sent + 4);
  receiver.next = 0;
  pour(peer, LOUD, 60);
  await withDeadline(peer.disconnectLater(), 20_000, "the end");
  assert.equal(receiver.bytes[LOUD], 2 * sent + 4);
});
