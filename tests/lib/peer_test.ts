import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type Peer } from "../../mod.ts";
import { connectedPair, leakCheck, pattern, until } from "../_helpers.ts";
import { deafen, LOOPBACK, observedPair, U32, undeafen } from "./_peer.ts";
import { ms } from "./_handlers.ts";

test("Peer.state tells every stage of a connection", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { server, peer, remote } = pair;
  assert.deepEqual([peer.state, remote.state], ["connected", "connected"]);
  assert.equal(peer.stats.state, "connected");
  deafen(server);
  peer.send(0, pattern(500_000));
  const ended = peer.disconnectLater();
  assert.deepEqual([peer.state, peer.stats.state], ["disconnect-later", "disconnect-later"]);
  const sooner = peer.disconnect();
  assert.deepEqual([peer.state, peer.stats.state], ["disconnecting", "disconnecting"]);
  undeafen(server);
  await Promise.all([ended, sooner]);
  assert.equal(peer.state, "disconnected");
  await until(() => remote.state === "disconnected", 20_000, "the other side");
});

test("Peer.stats are complete, and finite numbers", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ connect: { channels: 3 } });
  const { peer, remote, client, server } = pair;
  await peer.deliver(0, pattern(10_000));
  for (const stats of [peer.stats, remote.stats]) {
    const { state, ...numbers } = stats;
    assert.equal(state, "connected");
    assert.equal(Object.keys(numbers).length, 58);
    for (const [name, value] of Object.entries(numbers)) {
      assert.ok(typeof value === "number" && Number.isFinite(value), `${name} is ${value}`);
      assert.ok(value >= (name.startsWith("since") ? -1 : 0), `${name} is ${value}`);
    }
    for (
      const name of [
        ...["packetLoss", "packetLossVariance", "packetThrottle", "packetThrottleLimit"] as const,
      ]
    ) assert.ok(stats[name] <= 1, `${name} is ${stats[name]}`);
    assert.equal(stats.channelCount, 3);
    assert.equal(stats.mtu, 1400);
    assert.deepEqual([stats.pingIntervalMs, stats.timeoutLimit], [500, 32]);
    assert.deepEqual([stats.timeoutMinimumMs, stats.timeoutMaximumMs], [5000, 30_000]);
    // ENet's own where a busy machine makes the round trip some milliseconds long.
    assert.ok([64, 96].includes(stats.windowSize / 1024), `${stats.windowSize}`);
    assert.ok(stats.packetThrottleCounter <= 32);
  }
  const [a, b] = [peer.stats, remote.stats];
  assert.equal(a.connectId, b.connectId);
  assert.ok(a.connectId > 0);
  assert.deepEqual([a.incomingPeerId, a.outgoingPeerId], [b.outgoingPeerId, b.incomingPeerId]);
  assert.ok(a.roundTripTimeMs < 500, "measured, no longer ENet's first guess");
  assert.deepEqual([client.peers, server.peers], [[peer], [remote]]);
});

test("Peer.stats count what is queued until it is acknowledged", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, peer } = pair;
  deafen(client);
  for (let i = 0; i < 1000; i++) peer.send(0, pattern(1000));
  const { queuedBytes, queuedMessages } = peer.stats;
  assert.deepEqual([queuedBytes, queuedMessages], [1_000_000, 1000]);
  undeafen(client);
  await until(() => peer.stats.queuedMessages === 0, 20_000, "the acknowledgements");
  assert.equal(peer.stats.queuedBytes, 0);
});

test("Peer.ping() is answered", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote, client } = pair;
  for (const side of [peer, remote]) side.pingInterval(60_000);
  await until(() => peer.stats.reliableDataInTransit === 0, 20_000, "quiet");
  const { totalSentPackets, totalReceivedPackets } = client.stats;
  peer.ping();
  client.flush();
  assert.ok(client.stats.totalSentPackets > totalSentPackets);
  await until(() => client.stats.totalReceivedPackets > totalReceivedPackets, 20_000, "the answer");
});

test("Peer.pingInterval(), timeout() and throttle() are seen in the statistics", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ server: { throttle: "enet" } });
  const { peer, remote } = pair;
  for (const [set, expected] of [[1234, 1234], [U32, U32], [0, 500]]) {
    peer.pingInterval(set);
    assert.equal(peer.stats.pingIntervalMs, expected);
  }
  for (
    const [set, expected] of [
      [{ limit: 7, minimumMs: 1000, maximumMs: 9000 }, [7, 1000, 9000]],
      [{ limit: U32, minimumMs: U32, maximumMs: U32 }, [U32, U32, U32]],
      [{ maximumMs: 60_000 }, [32, 5000, 60_000]],
      [{}, [32, 5000, 30_000]],
    ] as const
  ) {
    peer.timeout(set);
    const { timeoutLimit, timeoutMinimumMs, timeoutMaximumMs } = peer.stats;
    assert.deepEqual([timeoutLimit, timeoutMinimumMs, timeoutMaximumMs], expected);
  }
  const throttle = ({ stats }: Peer) => [
    stats.packetThrottleIntervalMs,
    stats.packetThrottleAcceleration,
    stats.packetThrottleDeceleration,
  ];
  for (
    const [set, expected] of [
      [{ intervalMs: 1000, acceleration: 5, deceleration: 3 }, [1000, 5, 3]],
      [{ intervalMs: U32, acceleration: 32, deceleration: 0 }, [U32, 32, 0]],
      [{}, [5000, 2, 2]],
    ] as const
  ) {
    peer.throttle(set);
    assert.deepEqual(throttle(peer), expected);
    const same = () => throttle(remote).join() === expected.join();
    await until(same, 20_000, "the throttle on the other side");
  }
});

test("Peer.pingInterval() makes ENet ping that often", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, client } = pair;
  const before = client.stats.totalSentPackets;
  peer.pingInterval(10);
  await until(() => client.stats.totalSentPackets >= before + 5, 20_000, "five pings");
});

test("Peer.data is the program's, Peer.address a copy", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, remote, server, client, seen } = pair;
  assert.equal(remote.data, undefined);
  const mine = { score: 1 };
  remote.data = mine;
  await peer.deliver(0, "x");
  assert.equal((await seen.wait("receive"))[0].peer.data, mine);
  const { address } = peer;
  assert.deepEqual(address, server.address);
  assert.deepEqual(remote.address, { hostname: LOOPBACK, port: client.address.port });
  address.port = 1;
  assert.deepEqual(peer.address, server.address);
  await peer.disconnect();
  assert.equal((await seen.wait("disconnect"))[0].peer.data, mine);
  assert.deepEqual(peer.address, server.address);
  const again = await client.connect(server.address);
  assert.notEqual(again, peer);
  assert.equal((await seen.wait("connect", 2))[1].peer.data, undefined);
});

test("peer.id names one connection, peer.host its host, and peer.data has a type", async (t) => {
  await leakCheck(t);
  interface Player {
    score: number;
  }
  const scores: number[] = [];
  await using server = await Host.listen<Player>({ hostname: "127.0.0.1", peers: 1 }, {
    connect: (peer) => void (peer.data = { score: 0 }),
    receive: (peer) => void peer.data.score++,
    disconnect: (peer) => void scores.push(peer.data.score),
  });
  await using client = await Host.create<string>({ peers: 1 });
  for (let i = 1; i <= 3; i++) {
    const peer = await client.connect(server.address);
    const name: string = peer.data = `client ${i}`;
    assert.equal(peer.data, name);
    assert.equal(peer.id, i);
    assert.equal(peer.host, client);
    const remote = await until(() => server.peers[0], ms, "the connect event");
    assert.equal(remote.id, i);
    assert.equal(remote.host, server);
    await peer.deliver(0, "a point");
    await peer.disconnect();
    await until(() => scores.length === i, ms, "the disconnect event");
    assert.equal(peer.id, i);
  }
  assert.deepEqual(scores, [1, 1, 1]);
});

test("peer.roundTripTime and peer.queuedBytes are those of peer.stats, and 0 after the end", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ client: { stallLimitMs: 60_000 } }); // or the pump sends
  const { peer } = pair;
  assert.equal(peer.roundTripTime, peer.stats.roundTripTimeMs);
  peer.send(0, new Uint8Array(1000));
  assert.equal(peer.queuedBytes, peer.stats.queuedBytes);
  assert.ok(peer.queuedBytes >= 1000);
  await peer.disconnect();
  assert.deepEqual([peer.queuedBytes, peer.roundTripTime], [0, 0]);
  await pair.client.close();
  assert.deepEqual([peer.queuedBytes, peer.roundTripTime], [0, 0]);
});
