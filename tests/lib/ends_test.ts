/**
 * Every way for a connection to end, seen by every way to receive: one disconnect event for each connect event,
 * nothing after it, and no call that throws, whether in a handler or outside.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { Host, type HostEvent, type Peer } from "../../mod.ts";
import { leakCheck, until, withDeadline } from "../_helpers.ts";

/** The ways for a connection to end; `here` is the side that is watched. */
const WAYS: Record<string, (here: Host, peer: Peer, there: Host) => unknown> = {
  "disconnect": (_here, peer) => peer.disconnect(1),
  "disconnectLater": (_here, peer) => peer.disconnectLater(1),
  "disconnectNow": (_here, peer) => peer.disconnectNow(1),
  "reset": (_here, peer) => peer.reset(),
  "close": (here) => here.close(),
  "close at once": (here) => here.close({ graceMs: 0 }),
  "dispose": (here) => here[Symbol.dispose](),
  "close twice": (here) =>
    Promise.all([here.close({ graceMs: 60_000 }), here.close({ graceMs: 0 })]),
  "the other's disconnect": async (_here, _peer, there) => (await onlyPeer(there)).disconnect(1),
  "the other's disconnectLater": async (_here, _peer, there) =>
    (await onlyPeer(there)).disconnectLater(1),
  "the other's dispose": (_here, _peer, there) => there[Symbol.dispose](),
};

/** The peer of a host that has one, or is about to learn of it. */
async function onlyPeer(host: Host): Promise<Peer> {
  await until(() => host.peers.length > 0, 20_000, "the peer");
  return host.peers[0];
}

/** When it ends: at which event of the watched side, or from outside. */
const MOMENTS = ["connect", "receive", "outside"] as const;

/** Every call on a peer and its host, which must not throw whatever has become of them. */
async function callEverything(host: Host, peer: Peer): Promise<void> {
  const results = [
    peer.send(0, "text"),
    peer.send(0, new Uint8Array(10)),
    peer.send(0, new Uint8Array(100_000)),
    host.sendDatagram({ hostname: "127.0.0.1", port: 9 }, "text"),
  ];
  assert.ok(results.every((result) => typeof result === "boolean"));
  assert.equal(typeof host.broadcast(0, "text"), "number");
  peer.ping();
  peer.pingInterval(500);
  peer.timeout({});
  peer.throttle({});
  host.flush();
  assert.equal(typeof peer.stats.queuedBytes, "number");
  assert.equal(typeof host.stats.connectedPeers, "number");
  assert.equal(typeof peer.state, "string");
  assert.equal(typeof host.address.port, "number");
  assert.equal(typeof peer.address.port, "number");
  void peer.reason;
  void peer.closed; // asked for and forgotten
  void host.peers;
  // What waits may reject, and does so with a code.
  for (const wait of [peer.drain(), peer.deliver(0, "text")]) {
    wait.catch((error) => assert.match(error.code, /STALE|CLOSED|UNDELIVERED/));
  }
  await Promise.resolve();
}

function callEverythingAfterTheEnd(host: Host, peer: Peer): Promise<unknown> {
  assert.equal(peer.send(0, "text"), false);
  assert.equal(peer.send(0, new Uint8Array(10)), false);
  peer.reset();
  peer.disconnectNow();
  const group = host.group();
  group.add(peer);
  assert.equal(group.size, 0);
  return Promise.all([
    callEverything(host, peer),
    peer.disconnect(),
    peer.disconnectLater(),
    assert.rejects(peer.drain(), { name: "ENetError" }),
    assert.rejects(peer.deliver(0, "text"), { name: "ENetError" }),
    peer.readable(0).cancel(),
    assert.rejects(peer.writable(0).getWriter().write("text"), { name: "ENetError" }),
    peer.closed.then(({ reason }) => assert.equal(reason, peer.reason)),
    assert.rejects(peer.receive(), { name: "ENetError" })
      .then(() => Array.fromAsync(peer)).then((messages) => assert.deepEqual(messages, [])),
  ]);
}

/** A program that watches one side. */
class Watcher {
  readonly log: string[] = [];
  readonly pending: Promise<unknown>[] = [];
  peer: Peer | undefined;
  host!: Host;
  readonly #moment: string;
  readonly #end: (peer: Peer) => unknown;

  constructor(moment: string, end: (peer: Peer) => unknown) {
    this.#moment = moment;
    this.#end = end;
  }

  take(event: HostEvent): void {
    if (event.type === "datagram") return;
    const { type, peer } = event;
    this.peer ??= peer;
    this.log.push(type);
    this.pending.push(callEverything(this.host, peer));
    if (type === this.#moment && this.log.filter((entry) => entry === type).length === 1) {
      this.pending.push(Promise.resolve(this.#end(peer)));
      this.pending.push(callEverything(this.host, peer));
    }
    if (type === "disconnect") this.pending.push(callEverythingAfterTheEnd(this.host, peer));
  }
}

const CONSUMERS: Record<string, (watcher: Watcher) => Promise<Host>> = {
  handlers: (watcher) =>
    Host.listen({ hostname: "127.0.0.1" }, {
      connect: (peer, data) => watcher.take({ type: "connect", peer, data }),
      disconnect: (peer, reason, data) => watcher.take({ type: "disconnect", peer, reason, data }),
      receive: (peer, channelId, packet) =>
        watcher.take({ type: "receive", peer, channelId, packet }),
    }),
  async iteration(watcher) {
    const host = await Host.listen({ hostname: "127.0.0.1" });
    watcher.pending.push((async () => {
      for await (const event of host) watcher.take(event);
    })());
    return host;
  },
  async service(watcher) {
    const host = await Host.listen({ hostname: "127.0.0.1", pump: false });
    let last = false;
    const tick = setInterval(() => {
      for (let event = host.service(); event !== null; event = host.service()) watcher.take(event);
      if (last) clearInterval(tick);
      last = host.closed;
    }, 1);
    return host;
  },
};

/** Whether promises were rejected that nobody asked for. */
const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => void unhandled.push(reason));

for (const [consumer, listen] of Object.entries(CONSUMERS)) {
  for (const [way, end] of Object.entries(WAYS)) {
    test(`One disconnect for each connect: ${way}, ${consumer}`, async (t) => {
      await leakCheck(t);
      for (const moment of MOMENTS) {
        await using client = await Host.create();
        const watcher: Watcher = new Watcher(moment, (peer) => end(watcher.host, peer, client));
        await using server = await listen(watcher);
        watcher.host = server;
        client.connect(server.address, { channels: 1 }).then((peer) => {
          for (let i = 0; i < 50; i++) peer.send(0, `${i}`);
        }, () => {});
        const ready = () => watcher.log.includes(moment === "outside" ? "receive" : moment);
        await until(ready, 10_000, `the moment, ${moment}`);
        const peer = watcher.peer as Peer;
        if (moment === "outside") await end(server, peer, client);
        await until(() => watcher.log.includes("disconnect"), 10_000, `the disconnect, ${moment}`);
        const { reason, data } = await withDeadline(peer.closed, 20_000, "peer.closed");
        assert.equal(peer.reason, reason);
        assert.equal(data, way.includes("isconnect") ? 1 : 0);
        assert.equal(
          reason,
          way.startsWith("the other") ? "remote" : way === "reset" ? "reset" : "local",
        );
        await server.close();
        await withDeadline(Promise.all(watcher.pending), 20_000, `all calls, ${moment}`);
        await callEverythingAfterTheEnd(server, peer);
        assert.deepEqual(watcher.log.filter((type) => type !== "receive"), [
          "connect",
          "disconnect",
        ]);
        assert.equal(watcher.log.at(-1), "disconnect");
      }
      assert.deepEqual(unhandled, []);
    });
  }
}

test("A grace time that runs out gives the disconnect event, and tells what was left", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1", peers: 2 });
  const log: string[] = [];
  await using client = await Host.create({}, {
    connect: () => void log.push("connect"),
    disconnect: (_peer, reason, data) => void log.push(`${reason} ${data}`),
  });
  const peers = [await client.connect(server.address), await client.connect(server.address)];
  await until(() => server.peers.length === 2, 20_000, "the connect events");
  server.filter = { deny: ["127.0.0.1"] };
  for (const peer of peers) for (let i = 0; i < 3; i++) peer.send(0, new Uint8Array(100));
  peers[0].send(0, "and one more");
  const left = await withDeadline(client.close({ graceMs: 30, data: 5 }), 20_000, "close()");
  assert.deepEqual(left, { bytes: 612, messages: 7, peers: 2 });
  assert.deepEqual(log, ["connect", "connect", "local 5", "local 5"]);
  assert.deepEqual(await client.close(), left);
});

test("close() resolves with nothing left when everything has been delivered", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  for (let i = 0; i < 100; i++) peer.send(0, new Uint8Array(5000));
  const left = await client.close({ graceMs: 10_000 });
  assert.deepEqual(left, { bytes: 0, messages: 0, peers: 0 });
});

test("A second close() shortens the first", async (t) => {
  await leakCheck(t);
  for (const graceMs of [0, 10]) {
    await using server = await Host.listen({ hostname: "127.0.0.1" });
    await using client = await Host.create();
    const peer = await client.connect(server.address);
    await until(() => server.peers.length === 1, 20_000, "the connect event");
    server.filter = { deny: ["127.0.0.1"] };
    peer.send(0, "into the void");
    const first = client.close({ graceMs: 60_000 });
    const second = client.close({ graceMs });
    assert.equal(client.closed, graceMs === 0);
    assert.equal(await withDeadline(first, 20_000, "the first"), await second);
    assert.deepEqual(await first, { bytes: 13, messages: 1, peers: 1 });
  }
});

test("The other side reads the data of close(), and what waits rejects with its reason", async (t) => {
  await leakCheck(t);
  for (const graceMs of [0, 1000]) {
    const ends: [string, number][] = [];
    await using server = await Host.listen({ hostname: "127.0.0.1" }, {
      disconnect: (_peer, reason, data) => void ends.push([reason, data]),
    });
    await using client = await Host.create({ highWaterMark: 10 });
    const peer = await client.connect(server.address);
    await until(() => server.peers.length === 1, 20_000, "the connect event");
    assert.equal(peer.send(0, new Uint8Array(1000)), false);
    const why = new Error("a new version is deployed");
    const drained = assert.rejects(peer.drain(), (error: Error) => error.cause === why);
    await client.close({ graceMs, data: 77, reason: why });
    await drained;
    await assert.rejects(peer.deliver(0, "late"), (error: Error) => error.cause === why);
    await until(() => ends.length > 0, 20_000, "the disconnect event");
    assert.deepEqual(ends, [["remote", 77]]);
  }
});

test("A peer whose connect event was not taken before close() has no disconnect event", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" });
  await using client = await Host.create();
  await client.connect(server.address);
  await until(() => server.peers.length === 1, 20_000, "the connection");
  await server.close();
  assert.deepEqual(await Array.fromAsync(server), []);
});
