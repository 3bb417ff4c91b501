/**
 * What becomes of unreliable messages: those that ENet sends reliably, and those that it does not send.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, PacketFlag } from "../../mod.ts";
import {
  connectedPair,
  currentRuntime,
  journal,
  leakCheck,
  spawnRuntime,
  until,
  withDeadline,
} from "../_helpers.ts";

test("Unreliable messages larger than a datagram are counted, for each peer", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({ serverHandlers: seen.handlers });
  const { client, server, peer, remote } = pair;
  await peer.deliver(0, "the connection is confirmed");
  const other = await client.connect(server.address);
  const count = () => peer.stats.unreliableSentReliably;
  peer.send(0, new Uint8Array(5000));
  peer.send(0, new Uint8Array(5000), PacketFlag.UNRELIABLE_FRAGMENT);
  peer.send(0, new Uint8Array(5000), PacketFlag.UNSEQUENCED_FRAGMENT);
  peer.send(0, new Uint8Array(peer.stats.mtu - 28), PacketFlag.UNRELIABLE);
  assert.equal(count(), 0);
  peer.send(0, new Uint8Array(peer.stats.mtu - 27), PacketFlag.UNRELIABLE);
  assert.equal(count(), 1);
  peer.send(0, new Uint8Array(100_000), PacketFlag.UNSEQUENCED);
  const group = client.group();
  group.add(peer);
  group.send(0, new Uint8Array(2000), PacketFlag.UNRELIABLE);
  assert.equal(count(), 3);
  assert.equal(other.stats.unreliableSentReliably, 0);
  assert.equal(remote.stats.unreliableSentReliably, 0);
  await peer.deliver(0, "last");
});

test("Small connections have small datagrams", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ client: { mtu: 576 } });
  const { peer } = pair;
  await peer.deliver(0, "the connection is confirmed");
  peer.send(0, new Uint8Array(576 - 28), PacketFlag.UNRELIABLE);
  peer.send(0, new Uint8Array(576 - 27), PacketFlag.UNRELIABLE);
  assert.equal(peer.stats.unreliableSentReliably, 1);
});

test("Unreliable messages that ENet's throttle drops are counted, for each peer", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {});
  // ENet measures once a second, and then lets so much pass as bandwidth allows.
  await using client = await Host.create({ outgoingBandwidth: 10_000 });
  const peer = await client.connect(server.address);
  const other = await client.connect(server.address);
  await until(
    () => {
      for (let i = 0; i < 20; i++) peer.send(0, new Uint8Array(500), PacketFlag.UNRELIABLE);
      return peer.stats.throttledMessages > 50;
    },
    30_000,
    "the throttle",
  );
  assert.ok(peer.stats.packetThrottle < 1);
  assert.equal(other.stats.throttledMessages, 0);
  assert.equal(peer.stats.unreliableSentReliably, 0);
});

test("Every unreliable message has arrived or is counted as dropped", async (t) => {
  await leakCheck(t);
  let arrived = 0;
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {
    receive: () => void arrived++,
  });
  await using client = await Host.create({ outgoingBandwidth: 20_000 });
  const peer = await client.connect(server.address);
  let sent = 0;
  await until(
    () => {
      // Few at a time, so that no socket buffer loses any.
      for (let i = 0; i < 10; i++, sent++) peer.send(0, new Uint8Array(300), PacketFlag.UNRELIABLE);
      return peer.stats.throttledMessages > 50;
    },
    30_000,
    "the throttle",
  );
  await until(() => peer.stats.queuedMessages === 0, 10_000, "an empty queue");
  const { throttledMessages } = peer.stats;
  await until(() => arrived + throttledMessages === sent, 10_000, "all of them");
});

test("ENETJS_DEBUG warns of the first unreliable message that is sent reliably", async () => {
  for (const debug of [true, false]) {
    await using child = spawnRuntime(currentRuntime(), "upgrade.ts", [], {
      env: { ENETJS_DEBUG: debug ? "1" : "0" },
    });
    const { code, stdout, stderr } = await withDeadline(child.ended, 60_000, "the program");
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    assert.equal(stdout, "3\n3\n");
    const warnings = stderr.split("now\n").map((part) => [...part.matchAll(/^ENETJS_DEBUG: .*/gm)]);
    assert.deepEqual(warnings.map(({ length }) => length), debug ? [0, 1, 1] : [0, 0, 0], stderr);
    for (const [message] of warnings.flat()) {
      assert.match(message, /^ENETJS_DEBUG: Peer 127\.0\.0\.1:\d+: /);
      for (const says of ["1373 bytes", "holds 1372", "UNRELIABLE_FRAGMENT", "smaller"]) {
        assert.ok(message.includes(says), message);
      }
    }
  }
});

test("ENETJS_DEBUG warns of the first message that is refused for its size", async () => {
  for (const debug of [true, false]) {
    await using child = spawnRuntime(currentRuntime(), "too_large.ts", [], {
      env: { ENETJS_DEBUG: debug ? "1" : "0" },
    });
    const { code, stdout, stderr } = await withDeadline(child.ended, 60_000, "the program");
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    assert.equal(stdout, "timeout\ntimeout\n");
    const warnings = stderr.split("now\n").map((part) => [...part.matchAll(/^ENETJS_DEBUG: .*/gm)]);
    assert.deepEqual(warnings.map(({ length }) => length), debug ? [0, 1, 0] : [0, 0, 0], stderr);
    for (const [message] of warnings.flat()) {
      for (const says of ["100001 bytes", "maximumPacketSize is 100000 here", "time out"]) {
        assert.ok(message.includes(says), message);
      }
    }
  }
});
