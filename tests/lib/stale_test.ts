import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type HostEvent, type Peer } from "../../mod.ts";
import { leakCheck, until, withDeadline } from "../_helpers.ts";

const stale = { name: "ENetError", code: "ENETJS_ERR_STALE" };
const NOT_ZERO = new Set(["state", "channelCount", "sinceLastSendMs", "sinceLastReceiveMs"]);

/** Every method and getter of a peer whose connection has ended while its host is open. */
async function assertStale(peer: Peer): Promise<void> {
  const { address, channelCount } = peer;
  assert.equal(peer.state, "disconnected");
  assert.deepEqual(peer.address, address);
  assert.equal(peer.channelCount, channelCount);
  const { stats } = peer;
  assert.equal(stats.state, "disconnected");
  assert.equal(stats.channelCount, channelCount);
  for (const [name, value] of Object.entries(stats)) {
    if (!NOT_ZERO.has(name)) assert.equal(value, 0, name);
  }
  assert.equal(peer.send(0, "late"), false);
  assert.equal(peer.send(0, new Uint8Array(10)), false);
  assert.equal(peer.send(0, new Uint8Array(100_000)), false);
  peer.reset();
  peer.ping();
  peer.pingInterval(1);
  peer.timeout({ maximumMs: 1 });
  peer.throttle({ intervalMs: 1 });
  // Faults of the program are faults still.
  assert.throws(() => peer.send(channelCount, "late"), RangeError);
  assert.throws(() => peer.send(0, 7 as unknown as string), TypeError);
  assert.throws(() => peer.send(0, new Uint8Array(2 ** 25 + 1)), RangeError);
  await assert.rejects(peer.deliver(0, "late"), stale);
  await assert.rejects(peer.drain(), stale);
  // Where the connection has ended already there is nothing left to do.
  await peer.disconnect(1);
  await peer.disconnectLater(2);
  peer.disconnectNow(3);
  assert.deepEqual(await Array.fromAsync(peer), []);
}

test("A peer is stale once its slot has been reused, on both sides", async (t) => {
  await leakCheck(t);
  const events: HostEvent[] = [];
  await using server = await Host.listen({ hostname: "127.0.0.1", peers: 1 }, {
    connect: (peer, data) => void events.push({ type: "connect", peer, data }),
    disconnect: (peer, reason, data) =>
      void events.push({ type: "disconnect", peer, reason, data }),
    receive: (peer, channelId, packet) => {
      seen.push([peer, channelId, packet.text()]);
      peer.send(channelId, packet);
    },
  });
  const seen: [Peer, number, string][] = [];
  await using client = await Host.create({ peers: 1 });
  const olds: [Peer, Peer][] = [];
  for (let i = 0; i < 5; i++) {
    const peer = await client.connect(server.address, { data: i });
    await until(() => events.length === 1, 20_000, "the connect event");
    const remote = events[0].type === "connect" ? events[0].peer : assert.fail();
    assert.deepEqual(events, [{ type: "connect", peer: remote, data: i }]);
    const { connectId } = remote.stats; // in the same slot: there is one
    for (const pair of olds) {
      for (const old of pair) await assertStale(old);
    }
    // The new connection has noticed nothing of it.
    assert.equal(remote.stats.connectId, connectId);
    assert.equal(remote.stats.pingIntervalMs, 500);
    assert.equal(remote.stats.timeoutMaximumMs, 30_000);
    assert.equal(remote.stats.packetThrottleIntervalMs, 5000);
    peer.send(1, `message ${i}`);
    for await (const { channelId, packet } of peer) {
      assert.equal(channelId, 1);
      assert.equal(packet.text(), `message ${i}`);
      break;
    }
    assert.deepEqual(seen.splice(0), [[remote, 1, `message ${i}`]]);
    assert.equal(peer.state, "connected");
    assert.equal(remote.state, "connected");
    assert.equal(events.length, 1);

    await withDeadline(peer.disconnect(100 + i), 20_000, "disconnecting");
    await until(() => events.length === 2, 20_000, "the disconnect event");
    assert.deepEqual(events.splice(0)[1], {
      type: "disconnect",
      peer: remote,
      reason: "remote",
      data: 100 + i,
    });
    await assertStale(peer);
    await assertStale(remote);
    olds.push([peer, remote]);
  }
  assert.equal(new Set(olds.flat()).size, 10, "every connection is another object");
});

test("A peer is the same object in every event of its connection", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  const own: HostEvent[] = [];
  for (let i = 0; i < 3; i++) peer.send(0, `${i}`);
  let remote: Peer | undefined;
  for await (const event of server) {
    if (event.type === "connect") {
      remote = event.peer;
      remote.data = { name: "somebody" };
      assert.deepEqual(server.peers, [remote]);
    } else if (event.type === "receive") {
      assert.equal(event.peer, remote);
      assert.deepEqual(event.peer.data, { name: "somebody" });
      event.peer.send(0, event.packet);
      if (event.packet.text() === "2") void event.peer.disconnectLater();
    } else if (event.type === "disconnect") {
      assert.equal(event.peer, remote);
      assert.deepEqual(event.peer.data, { name: "somebody" });
      assert.deepEqual(server.peers, []);
      break;
    }
  }
  for await (const event of client) {
    own.push(event);
    if (event.type === "disconnect") break;
  }
  assert.deepEqual(own.map(({ type }) => type), [
    "connect",
    "receive",
    "receive",
    "receive",
    "disconnect",
  ]);
  assert.ok(own.every((event) => "peer" in event && event.peer === peer));
});

test("A peer that was reset is stale at once", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1", peers: 2 });
  await using client = await Host.create({ peers: 1 });
  const old = await client.connect(server.address);
  old.reset();
  assert.equal(old.send(0, "late"), false);
  old.reset();
  const peer = await client.connect(server.address);
  await assertStale(old);
  await withDeadline(peer.deliver(0, "new"), 20_000, "a delivery");
});

test("A message to a peer that has left is refused, before and after the program is told", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" });
  await using client = await Host.create();
  const events = server[Symbol.asyncIterator]();
  const peer = await client.connect(server.address);
  const { value: connect } = await withDeadline(events.next(), 20_000, "the connect event");
  const remote: Peer = connect.peer;
  peer.send(0, "question");
  await peer.disconnectLater(7);
  await until(() => remote.state === "disconnected", 20_000, "the other side's end");
  const { value: question } = await events.next();
  assert.equal(question.packet.text(), "question");
  assert.equal(remote.send(0, "answer"), false);
  assert.equal(remote.send(0, question.packet), false);
  const ended = { ...stale, message: /ended \(remote, data 7\)/ };
  await assert.rejects(remote.deliver(0, "answer"), ended);
  await assert.rejects(remote.drain(), ended);
  const { value: disconnect } = await events.next();
  assert.equal(disconnect.data, 7);
  assert.equal(remote.send(0, "answer"), false);
  await events.return?.();
});

test("A handler that answers a peer that has left does not throw", async (t) => {
  await leakCheck(t);
  const told: string[] = [];
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {
    receive: (peer, channelId, packet) => {
      peer.send(channelId, packet);
      told.push("receive");
    },
    disconnect: (peer) => {
      assert.equal(peer.send(0, "late"), false);
      told.push("disconnect");
    },
  });
  await using client = await Host.create();
  for (let i = 0; i < 20; i++) {
    const peer = await client.connect(server.address);
    peer.send(0, "question");
    await peer.disconnectLater();
  }
  await until(() => told.length === 40, 20_000, "every event");
});

test("A peer that has left takes nothing, though nobody reads the events", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {
    connect: (peer) => peer.disconnectNow(),
  });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  await until(() => peer.state === "disconnected", 20_000, "the other side's end");
  await until(() => client.peers.length === 0, 20_000, "the disconnect event");
  assert.equal(peer.send(0, "late"), false);
});
