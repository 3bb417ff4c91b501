import assert from "node:assert/strict";
import { test } from "node:test";
import { ENetError, Host, type Peer } from "../../mod.ts";
import { journal, leakCheck, pattern, rejection, until, withDeadline } from "../_helpers.ts";
import { deafen, decode, LOOPBACK, observedPair, U32, undeafen } from "./_peer.ts";

const ENDINGS = ["disconnect", "disconnectLater", "disconnectNow"] as const;

for (const how of ENDINGS) {
  test(`Peer.${how}() tells both sides once, with its data unsigned`, async (t) => {
    await leakCheck(t);
    await using server = await Host.listen({ hostname: LOOPBACK });
    for (const data of [undefined, 1, 0x7FFFFFFF, 0x80000000, U32]) {
      await using pair = await observedPair();
      const { peer, remote, own, seen } = pair;
      await withDeadline(Promise.resolve(peer[how](data)), 10_000, "the end");
      assert.equal(peer.state, "disconnected");
      const [here] = await own.wait("disconnect");
      const [there] = await seen.wait("disconnect");
      assert.deepEqual([here.reason, here.data], ["local", data ?? 0]);
      assert.deepEqual([there.reason, there.data], ["remote", data ?? 0]);
      assert.deepEqual([here.peer, there.peer], [peer, remote]);
      assert.equal(remote.state, "disconnected");
      assert.deepEqual([pair.client.peers, pair.server.peers], [[], []]);
      assert.deepEqual([own.entries.length, seen.entries.length], [2, 2]);
    }
    assert.deepEqual(server.peers, []);
  });
}

test("Peer.disconnect() and the others can be called again, and resolve at once at the end", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, own, seen } = pair;
  const ends = [peer.disconnect(1), peer.disconnect(2), peer.disconnectLater(3)];
  await withDeadline(Promise.all(ends), 10_000, "the ends");
  await peer.disconnect(4);
  await peer.disconnectLater(5);
  peer.disconnectNow(6);
  // The event may come in another turn than what the promises wait for.
  assert.equal((await own.wait("disconnect"))[0].data, 1);
  assert.equal((await seen.wait("disconnect"))[0].data, 1);
  assert.equal(own.entries.length, 2);
});

test("Peer.disconnect() drops what is queued, disconnectLater() delivers it", async (t) => {
  await leakCheck(t);
  for (const how of ["disconnect", "disconnectLater"] as const) {
    await using pair = await observedPair();
    const { server, peer, seen } = pair;
    deafen(server); // so that no more than a window can be under way now
    for (let i = 0; i < 3000; i++) peer.send(0, `${i}`);
    const large = peer.deliver(1, pattern(500_000));
    const dropped = large.then(() => false, () => true);
    const ended = peer[how](7);
    assert.equal(peer.state, how === "disconnect" ? "disconnecting" : "disconnect-later");
    assert.equal(peer.send(0, "x"), false);
    peer.ping();
    peer.throttle({});
    await rejection(peer.deliver(0, "too late"), "ENETJS_ERR_STALE");
    await rejection(peer.drain(), "ENETJS_ERR_STALE");
    undeafen(server);
    await withDeadline(ended, 20_000, "the end");
    assert.equal(await dropped, how === "disconnect");
    const [{ reason, data }] = await seen.wait("disconnect");
    assert.deepEqual([reason, data], ["remote", 7]);
    const received = seen.all("receive");
    assert.equal(received.some(({ channelId }) => channelId === 1), how === "disconnectLater");
    const texts = received.filter(({ channelId }) => channelId === 0)
      .map(({ bytes }) => decode(bytes));
    assert.deepEqual(texts, texts.map((_, i) => `${i}`));
    if (how === "disconnectLater") assert.equal(texts.length, 3000);
    assert.equal(seen.entries.at(-1)?.type, "disconnect");
  }
});

test("Peer.reset() tells this side only; the other times out", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, remote, own, seen } = pair;
  remote.timeout({ limit: 1, minimumMs: 30, maximumMs: 60 });
  remote.pingInterval(20);
  peer.reset();
  const [here] = await own.wait("disconnect");
  assert.deepEqual([here.reason, here.data], ["reset", 0]);
  peer.reset();
  await assert.rejects(peer.drain(), { code: "ENETJS_ERR_STALE", message: /reset, data 0/ });
  const [there] = await seen.wait("disconnect");
  assert.deepEqual([there.reason, there.data], ["timeout", 0]);
  assert.deepEqual([own.entries.length, seen.entries.length], [2, 2]);
});

test("A peer that does not answer times out as Peer.timeout() says", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, remote, own } = pair;
  remote.timeout({ limit: 1, minimumMs: 30, maximumMs: 60 });
  peer.timeout({ limit: 1, minimumMs: 30, maximumMs: 60 });
  peer.pingInterval(20);
  deafen(pair.server);
  const [ended] = await own.wait("disconnect");
  assert.deepEqual([ended.reason, ended.data], ["timeout", 0]);
  assert.equal(own.entries.length, 2);
});

test("Both sides may disconnect at the same time", async (t) => {
  await leakCheck(t);
  for (const how of ENDINGS) {
    await using pair = await observedPair();
    const { peer, remote, own, seen } = pair;
    const ends = [peer[how](1), remote[how](2)];
    await withDeadline(Promise.all(ends), 10_000, "the ends");
    await own.wait("disconnect");
    await seen.wait("disconnect");
    assert.deepEqual([own.entries.length, seen.entries.length], [2, 2]);
  }
});

test("Every connect event is followed by exactly one disconnect event", async (t) => {
  await leakCheck(t);
  const seen = journal();
  const own = journal();
  await using server = await Host.listen({ hostname: LOOPBACK }, seen.handlers);
  await using client = await Host.create({ peers: 64 }, own.handlers);
  const ends: ((peer: Peer, remote: Peer) => unknown)[] = [
    (peer) => peer.disconnect(),
    (peer) => peer.disconnectLater(),
    (peer) => peer.disconnectNow(),
    (peer, remote) => (peer.reset(), remote.reset()),
    (_, remote) => remote.disconnect(),
    (_, remote) => remote.disconnectLater(),
    (_, remote) => remote.disconnectNow(),
    (peer, remote) => Promise.all([peer.disconnect(), remote.disconnect()]),
  ];
  const rounds = 5;
  for (let round = 0; round < rounds; round++) {
    const before = seen.all("connect").length;
    const peers: Peer[] = [];
    for (const _ of ends) peers.push(await client.connect(server.address));
    const connected = await seen.wait("connect", before + ends.length);
    const remotes = connected.slice(before).map(({ peer }) => peer);
    for (const peer of peers) peer.send(0, "something queued");
    await Promise.all(ends.map((end, i) => end(peers[i], remotes[i])));
    await seen.wait("disconnect", before + ends.length);
    await own.wait("disconnect", before + ends.length);
  }
  for (const { entries, all } of [seen, own]) {
    assert.equal(all("connect").length, rounds * ends.length);
    for (const { peer } of all("connect")) {
      const mine = entries.filter((entry) => "peer" in entry && entry.peer === peer);
      const types = mine.map(({ type }) => type).filter((type) => type !== "receive");
      assert.deepEqual(types, ["connect", "disconnect"]);
      assert.equal(mine.at(-1)?.type, "disconnect", "nothing comes after the end");
    }
  }
});

test("A connection that has ended refuses everything, without an error but of what waits", async (t) => {
  await leakCheck(t);
  await using pair = await observedPair();
  const { peer, remote, server, client } = pair;
  await peer.disconnect(42);
  await pair.seen.wait("disconnect");
  // Another connection in the same slot is not mistaken for it.
  const next = await client.connect(server.address);
  for (const [stale, says] of [[peer, "local, data 42"], [remote, "remote, data 42"]] as const) {
    assert.equal(stale.send(0, "x"), false);
    stale.ping();
    stale.reset();
    stale.pingInterval(1);
    stale.timeout({});
    stale.throttle({});
    assert.equal(stale.stats.state, "disconnected");
    for (const wait of [stale.deliver(0, "x"), stale.drain()]) {
      await assert.rejects(wait, (error) => {
        assert.ok(error instanceof ENetError);
        assert.equal(error.code, "ENETJS_ERR_STALE");
        assert.ok(error.message.includes(says), error.message);
        return true;
      });
    }
    assert.equal(stale.state, "disconnected");
    for await (const message of stale) assert.fail(`${message.channelId}`);
  }
  await next.deliver(0, "undisturbed");
});

test("Peer.send() works within the connect handler, and not within the disconnect handler", async (t) => {
  await leakCheck(t);
  const seen = journal();
  const taken: boolean[] = [];
  await using server = await Host.listen({ hostname: LOOPBACK }, {
    connect: (peer) => {
      assert.equal(peer.state, "connected");
      peer.send(0, "welcome");
    },
    disconnect: (peer) => {
      taken.push(peer.send(0, "goodbye"));
    },
  });
  await using client = await Host.create({}, seen.handlers);
  const peer = await client.connect(server.address);
  assert.equal(decode((await seen.wait("receive"))[0].bytes), "welcome");
  await peer.disconnect();
  await until(() => taken.length > 0, 20_000, "the disconnect handler");
  assert.deepEqual(taken, [false]);
});
