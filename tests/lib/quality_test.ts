/**
 * What `peer.stats` says of a bad network, beside what the simulated network knows.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { PacketFlag, type Peer } from "../../mod.ts";
import { connectedPair, leakCheck, until } from "../_helpers.ts";

const MESSAGES = 300;

/** Unreliable and reliable messages, each in a datagram of its own. */
async function sendTo(peer: Peer): Promise<void> {
  for (let i = 0; i < MESSAGES; i++) {
    peer.send(0, "unreliable", PacketFlag.UNRELIABLE);
    peer.host.flush();
    peer.send(1, "reliable");
    peer.host.flush();
    if (i % 10 === 9) await pause(1);
  }
  await peer.deliver(1, "the last");
}

test("Peer.stats tell round trip, loss and what was retransmitted", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ client: { conditions: { latencyMs: 20 } } });
  const { client, peer, remote } = pair;
  client.conditions = { latencyMs: 20, send: { loss: 0.1 }, seed: 5 };
  await sendTo(peer);
  const sent = peer.stats;
  // Times are those at which a service began, so that single round trips may look shorter on a busy machine.
  assert.ok(sent.minimumRoundTripMs > 0, `${sent.minimumRoundTripMs}`);
  assert.ok(
    sent.smoothedRoundTripMs >= Math.max(25, sent.minimumRoundTripMs),
    `${sent.smoothedRoundTripMs}`,
  );
  assert.equal(sent.queueDelayMs, sent.smoothedRoundTripMs - sent.minimumRoundTripMs);
  assert.ok(sent.jitterMs > 0);
  assert.ok(sent.outgoingLoss > 0.03 && sent.outgoingLoss < 0.4, `${sent.outgoingLoss}`);
  assert.ok(sent.retransmitted >= sent.fastRetransmitted && sent.retransmitted > 5);
  const received = remote.stats;
  assert.ok(
    received.incomingLoss > 0.03 && received.incomingLoss < 0.25,
    `${received.incomingLoss}`,
  );
  assert.ok(received.unreliableReceived + received.unreliableMissing <= MESSAGES);
  assert.ok(received.unreliableReceived > MESSAGES / 2);
  assert.ok(received.unreliableMissing > 5);
  assert.equal(received.unreliableLate, 0);
  assert.equal(received.throttledForDelay, 0);
});

test("Peer.stats estimate what a link carries, once something was sent", async (t) => {
  await leakCheck(t);
  const rate = 400_000;
  const conditions = { latencyMs: 10, send: { latencyMs: 10, rate } };
  await using pair = await connectedPair({ client: { conditions } });
  const { peer } = pair;
  assert.equal(peer.stats.bandwidthEstimate, 0);
  const bulk = new Uint8Array(16 * 1024);
  const seen = () => peer.stats.bandwidthEstimate;
  const end = performance.now() + 20_000;
  // A busy machine sees less at first, and more for a moment when acknowledgements come together.
  while (!(seen() > rate / 2 && seen() < rate * 1.5) && performance.now() < end) {
    if (!peer.send(0, bulk)) await peer.drain();
  }
  assert.ok(seen() > rate / 2 && seen() < rate * 1.5, `${seen()} bytes a second`);
  pair.client.congestion = "enet";
  await until(() => seen() === 0, 30_000, "ENet's own window");
});

test("Peer.stats count what came too late, and what a limit refused", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, server, peer, remote } = pair;
  client.conditions = { send: { reorder: 0.3, reorderMs: 30 }, seed: 2 };
  await sendTo(peer);
  await until(() => remote.stats.unreliableLate > 5, 30_000, "messages that were overtaken");
  client.conditions = null;
  assert.equal(remote.stats.refusedDatagrams, 0);
  server.limits = { peer: { messages: { perSecond: 1, burst: 1 } } };
  for (let i = 0; i < 20; i++) {
    peer.send(0, "x", PacketFlag.UNRELIABLE);
    client.flush();
  }
  await until(() => remote.stats.refusedDatagrams > 5, 30_000, "refused datagrams");
  server.limits = {};
});
