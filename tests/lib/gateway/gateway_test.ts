/**
 * Browsers as peers of a host in this process: events, sending, groups, limits and ends, with the WebSocket clients of
 * the runtimes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CLOSE,
  encodeHello,
  encodeMessage,
  encodePing,
  FRAGMENT,
} from "../../../lib/gateway/link/wire.ts";
import {
  DisconnectCode,
  Host,
  type Packet,
  PacketFlag,
  type Peer,
  type PeerMessage,
} from "../../../mod.ts";
import { equalBytes, journal, leakCheck, until, withDeadline } from "../../_helpers.ts";
import { collect, raw, serve } from "./_gateway.ts";

const DEADLINE = 30_000;

function pattern(length: number, seed = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8) + seed);
}

test("A browser connects, talks in both directions with all flags and sizes, and leaves", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const socket = await served.connect({ channels: 3, data: 0xDEADBEEF });
  const [{ peer, data }] = await log.wait("connect");
  assert.equal(data, 0xDEADBEEF);
  assert.equal(peer.address.hostname, "127.0.0.1");
  assert.deepEqual([peer.channelCount, socket.channelCount], [3, 3]);
  assert.deepEqual([peer.state, served.host.peers.length], ["connected", 1]);
  assert.equal(served.host.stats.connectedPeers, 1);
  const sizes = [0, 1, 100, FRAGMENT, FRAGMENT + 1, 200_000];
  const flags = Object.values(PacketFlag);
  sizes.forEach((size, i) => socket.send(i % 3, pattern(size, i), flags[i % flags.length]));
  const received = await log.wait("receive", sizes.length);
  for (const [i, size] of sizes.entries()) {
    const found = received.find(({ bytes }) => bytes.length === size)!;
    assert.equal(found.channelId, i % 3);
    equalBytes(found.bytes, pattern(size, i));
    peer.send(i % 3, found.bytes, flags[i % flags.length]);
  }
  const back: number[] = [];
  for await (const { channelId, packet } of socket) {
    const i = sizes.indexOf(packet.length);
    assert.deepEqual([channelId, packet.flags], [i % 3, flags[i % flags.length]]);
    equalBytes(packet.bytes, pattern(sizes[i], i));
    if (back.push(i) === sizes.length) break;
  }
  await socket.disconnect(77);
  const [end] = await log.wait("disconnect");
  assert.deepEqual([end.peer, end.reason, end.data], [peer, "remote", 77]);
  assert.deepEqual(await socket.closed, { reason: "local", data: 77 });
  assert.deepEqual(await peer.closed, { reason: "remote", data: 77 });
  assert.deepEqual([peer.state, peer.send(0, "late"), socket.send(0, "late")], [
    "disconnected",
    false,
    false,
  ]);
  assert.equal(served.host.stats.connectedPeers, 0);
});

test("Messages of a browser are borrowed as all are, and carry their flags", async (t) => {
  await leakCheck(t);
  let kept: Packet | undefined;
  const flags: number[] = [];
  await using served = await serve({}, {
    receive(_peer, _channelId, packet) {
      kept = packet;
      flags.push(packet.flags);
    },
  });
  const socket = await served.connect();
  socket.send(0, "one", PacketFlag.UNSEQUENCED);
  await until(() => kept, DEADLINE, "the message");
  assert.throws(() => kept!.bytes, { code: "ENETJS_ERR_RELEASED" });
  assert.deepEqual(flags, [PacketFlag.UNSEQUENCED]);
});

test("Iteration, receive() and streams take the messages of a browser", async (t) => {
  await leakCheck(t);
  await using served = await serve();
  const socket = await served.connect();
  const event = (await served.host[Symbol.asyncIterator]().next()).value;
  const peer: Peer = event.peer;
  socket.send(0, "login");
  const first = await peer.receive({ timeoutMs: DEADLINE });
  assert.equal(first.packet.text(), "login");
  const reading = (async () => {
    const texts: string[] = [];
    for await (const { packet } of peer as AsyncIterable<PeerMessage>) texts.push(packet.text());
    return texts;
  })();
  const stream = new Response(peer.readable(1)).bytes();
  const writer = peer.writable(1).getWriter();
  for (const text of ["a", "b", "c"]) socket.send(0, text);
  for (let i = 0; i < 10; i++) socket.send(1, pattern(20_000, i));
  const writing = (async () => {
    for (let i = 0; i < 10; i++) await writer.write(pattern(20_000, i));
    await writer.close();
  })();
  let got = 0;
  for await (const { packet } of socket) if ((got += packet.length) === 200_000) break;
  await withDeadline(writing, DEADLINE, "the writer");
  await socket.disconnectLater();
  assert.deepEqual(await withDeadline(reading, DEADLINE, "the iteration"), ["a", "b", "c"]);
  const bytes = await withDeadline(stream, DEADLINE, "the stream");
  equalBytes(bytes.subarray(180_000), pattern(20_000, 9));
  assert.equal(bytes.length, 200_000);
});

test("Broadcasts and groups reach browsers and ENet's peers alike", async (t) => {
  await leakCheck(t);
  await using served = await serve({}, {});
  const { host } = served;
  await using client = await Host.create();
  const native = await client.connect(host.address);
  await until(() => host.peers.length === 1, DEADLINE, "the native peer");
  const nativeGot: string[] = [];
  void (async () => {
    for await (const { packet } of native) nativeGot.push(packet.text());
  })();
  const sockets = [await served.connect(), await served.connect({ channels: 1 })];
  const got = sockets.map(collect);
  await until(() => host.peers.length === 3, DEADLINE, "three peers");
  const [nativePeer, a, b] = host.peers.sort((x, y) => x.id - y.id);
  assert.equal(host.broadcast(0, "1 all"), 3);
  assert.equal(host.broadcast(1, "2 two channels"), 2);
  assert.equal(host.broadcast(0, "3 not a", PacketFlag.RELIABLE, { except: a }), 2);
  assert.equal(host.broadcast(0, "4 b", PacketFlag.RELIABLE, { to: b }), 1);
  const room = host.group();
  for (const peer of [nativePeer, a, b]) room.add(peer);
  assert.equal(room.send(0, "5 room", PacketFlag.UNRELIABLE, { except: [b] }), 2);
  await until(() => got[1].length === 3, DEADLINE, "what b gets");
  await sockets[1].disconnect();
  await until(() => room.size === 2, DEADLINE, "the group without b");
  assert.equal(room.send(0, pattern(50_000)), 2);
  assert.equal(host.broadcast(0, "6 all"), 2);
  const last = (texts: string[]) => texts.at(-1)?.endsWith("6 all");
  await until(() => last(nativeGot) && last(got[0]), DEADLINE, "the last message");
  const told = got[0].filter((text) => text.length < 30);
  assert.deepEqual(told, ["0 1 1 all", "1 1 2 two channels", "0 0 5 room", "0 1 6 all"]);
  assert.equal(got[0].length, 5);
  assert.deepEqual(got[1], ["0 1 1 all", "0 1 3 not a", "0 1 4 b"]);
  assert.deepEqual(nativeGot.filter((text) => text.length < 30), [
    "1 all",
    "2 two channels",
    "3 not a",
    "5 room",
    "6 all",
  ]);
});

test("deliver() resolves when the browser has taken the message, and rejects when it leaves", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const socket = await served.connect();
  const [{ peer }] = await log.wait("connect");
  let delivered = false;
  const delivery = peer.deliver(0, "one").then(() => delivered = true);
  await socket.deliver(0, "the other way");
  assert.equal(delivered, false, "the page has not taken it");
  const messages = socket[Symbol.asyncIterator]();
  await messages.next();
  await withDeadline(delivery, DEADLINE, "the delivery");
  assert.ok(peer.roundTripTime > 0 && socket.roundTripTime > 0);
  assert.ok(peer.stats.sinceLastReceiveMs < 5000);
  assert.equal(peer.stats.state, "connected");
  const lost = assert.rejects(peer.deliver(0, "two"), { code: "ENETJS_ERR_UNDELIVERED" });
  await socket.disconnect();
  await withDeadline(lost, DEADLINE, "the rejection");
  await assert.rejects(peer.deliver(0, "three"), { code: "ENETJS_ERR_STALE" });
  await assert.rejects(socket.deliver(0, "late"), { code: "ENETJS_ERR_STALE" });
  await assert.rejects(socket.drain(), { code: "ENETJS_ERR_STALE" });
});

for (
  const [way, data] of [["disconnect", 5], ["disconnectLater", 2 ** 32 - 1], [
    "disconnectNow",
    0,
  ]] as const
) {
  test(`peer.${way}(${data}) tells the browser`, async (t) => {
    await leakCheck(t);
    const log = journal();
    await using served = await serve({}, log.handlers);
    const socket = await served.connect();
    const got = collect(socket);
    const [{ peer }] = await log.wait("connect");
    peer.send(0, pattern(200_000));
    peer.send(0, "last");
    await peer[way](data);
    assert.equal(peer.send(0, "late"), false);
    assert.deepEqual(await withDeadline(socket.closed, DEADLINE, "the end"), {
      reason: "remote",
      data,
    });
    if (way === "disconnectLater") {
      await until(() => got.length === 2, DEADLINE, "both messages");
      assert.equal(got[1], "0 1 last");
    }
    const [end] = await log.wait("disconnect");
    assert.deepEqual([end.peer, end.reason, end.data], [peer, "local", data]);
    assert.equal(log.all("disconnect").length, 1);
    assert.deepEqual(served.host.peers, []);
  });
}

test("peer.reset() ends it without a notice", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const socket = await served.connect();
  const [{ peer }] = await log.wait("connect");
  peer.reset();
  assert.equal((await log.wait("disconnect"))[0].reason, "reset");
  assert.deepEqual(await withDeadline(socket.closed, DEADLINE, "the end"), {
    reason: "timeout",
    data: 0,
  });
  assert.deepEqual(served.host.peers, []);
});

/** What a page's WebSocket may do without our code, and what the host is told. */
const LEAVINGS: readonly [string, (socket: WebSocket) => void, string][] = [
  ["closes without a code", (socket) => socket.close(), "remote 0"],
  ["closes with 1000", (socket) => socket.close(1000, "12"), "remote 0"],
  ["closes with 4000 and data", (socket) => socket.close(4000, "12"), "remote 12"],
  ["closes with data that is none", (socket) => socket.close(4000, "🙂"), "remote 0"],
  ["closes with an unknown code", (socket) => socket.close(4711, "12"), "reset 0"],
  ["sends text", (socket) => socket.send("hello"), "reset 0"],
  ["sends no frame", (socket) => socket.send(Uint8Array.of(9, 9)), "reset 0"],
  ["sends too much at once", (socket) => socket.send(new Uint8Array(FRAGMENT + 3)), "reset 0"],
];

for (const [what, act, expected] of LEAVINGS) {
  test(`A WebSocket that ${what} is a peer that ends: ${expected}`, async (t) => {
    await leakCheck(t);
    const log = journal();
    await using served = await serve({}, log.handlers);
    const { socket, send, closed } = await raw(served.gateway.url);
    send(encodeMessage(0, 1, Uint8Array.of(1))[0]);
    act(socket);
    await withDeadline(closed, DEADLINE, "the close");
    const [{ reason, data }] = await log.wait("disconnect");
    assert.equal(`${reason} ${data}`, expected);
    assert.equal(log.all("receive").length, 1, "what came before the end is told before it");
    assert.equal(log.entries.at(-1)?.type, "disconnect");
  });
}

test("A WebSocket that says no hello, or a wrong one, is no peer", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const hello = encodeHello({ channels: 1, data: 0, window: 1000 });
  for (const first of ["hello", hello.subarray(0, 10), encodePing(1), Uint8Array.of(0, 1, 2)]) {
    const { send, closed } = await raw(served.gateway.url, { hello: false });
    send(first);
    assert.equal(await withDeadline(closed, DEADLINE, "the close"), String(CLOSE.FAULT));
  }
  const { send, closed } = await raw(served.gateway.url, { hello: false });
  send(hello);
  send(hello);
  assert.equal(await withDeadline(closed, DEADLINE, "the close"), String(CLOSE.FAULT));
  await until(() => served.gateway.stats.browsers === 0, DEADLINE, "no browser");
  const connects = log.all("connect").length;
  assert.ok(connects <= 1);
  await log.wait("disconnect", connects);
});

test("accept decides about browsers, with their data, channels and address", async (t) => {
  await leakCheck(t);
  const asked: string[] = [];
  await using served = await serve({
    channels: 4,
    accept({ data, channels, address }) {
      asked.push(`${data} ${channels} ${address.hostname}`);
      if (data === 1) return false;
      if (data === 2) return 4242;
      if (data === 3) return Promise.resolve(true);
      return true;
    },
  }, {});
  const codes: unknown[] = [];
  for (const data of [0, 1, 2, 3]) {
    await served.connect({ data, channels: 9 }).then(
      (socket) => codes.push(socket.channelCount),
      (error) => codes.push([error.code, error.data]),
    );
  }
  assert.deepEqual(codes, [
    4,
    ["ENETJS_ERR_REFUSED", DisconnectCode.DENIED],
    ["ENETJS_ERR_REFUSED", 4242],
    4,
  ]);
  assert.deepEqual(asked, ["0", "1", "2", "3"].map((data) => `${data} 4 127.0.0.1`));
  served.host.accept = () => new Promise(() => {});
  const started = performance.now();
  await assert.rejects(served.connect(), { data: DisconnectCode.UNDECIDED });
  assert.ok(performance.now() - started >= 1900);
  assert.deepEqual(served.gateway.stats.refused.denied, 2);
  assert.deepEqual(served.gateway.stats.refused.undecided, 1);
});

test("A browser that leaves while accept decides is no peer", async (t) => {
  await leakCheck(t);
  const log = journal();
  const verdict = Promise.withResolvers<boolean>();
  let asked = false;
  await using served = await serve({
    accept: () => {
      asked = true;
      return verdict.promise;
    },
  }, log.handlers);
  const abort = new AbortController();
  const connecting = served.connect({ signal: abort.signal });
  await until(() => asked, DEADLINE, "the question");
  abort.abort(new Error("left"));
  await assert.rejects(connecting, /left/);
  await until(() => served.gateway.stats.browsers === 0, DEADLINE, "the browser to be gone");
  verdict.resolve(true);
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual([log.entries, served.host.peers], [[], []]);
});

test("Full, duplicate, denied and limited browsers are refused with their number", async (t) => {
  await leakCheck(t);
  await using served = await serve({}, {}, { browsers: 2 });
  const { host, gateway } = served;
  const refused = (data: number) =>
    assert.rejects(served.connect(), { code: "ENETJS_ERR_REFUSED", data });
  await served.connect();
  const second = await served.connect();
  await refused(DisconnectCode.FULL);
  await second.disconnect();
  await until(() => gateway.stats.browsers === 1, DEADLINE, "one browser");
  host.duplicatePeers = 1;
  await refused(DisconnectCode.DUPLICATE);
  host.duplicatePeers = 10;
  host.filter = { deny: ["127.0.0.0/8"], refuse: true };
  await refused(DisconnectCode.DENIED);
  host.filter = { deny: ["127.0.0.0/8"] };
  await assert.rejects(served.connect(), { code: "ENETJS_ERR_SOCKET" });
  assert.equal(gateway.stats.sockets.refused[403], 1);
  host.filter = {};
  host.limits = { address: { connects: { perSecond: 0.01, burst: 1 } } };
  const third = await served.connect();
  await third.disconnect();
  await refused(DisconnectCode.LIMIT);
  assert.deepEqual(gateway.stats.refused, {
    full: 1,
    limited: 1,
    denied: 1,
    undecided: 0,
    duplicate: 1,
    closing: 0,
  });
});

test("limits.peer slows a browser down, or ends its connection", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const { host } = served;
  const slowed = await served.connect();
  host.limits = { peer: { messages: { perSecond: 0.01, burst: 5 } } };
  for (let i = 0; i < 51; i++) slowed.send(0, String(i));
  await log.wait("receive", 5);
  // What a later browser says comes later.
  const other = await served.connect();
  await other.deliver(0, "other");
  assert.equal(log.all("receive").length, 6, "the others wait");
  assert.ok(slowed.queuedBytes > 0);
  host.limits = {};
  await log.wait("receive", 52);
  host.limits = { peer: { messages: { perSecond: 0.01, burst: 5 }, excess: "disconnect" } };
  const ended = await served.connect();
  for (let i = 0; i < 50; i++) ended.send(0, String(i));
  assert.deepEqual(await withDeadline(ended.closed, DEADLINE, "the end"), {
    reason: "remote",
    data: DisconnectCode.LIMIT,
  });
  const [end] = await log.wait("disconnect");
  assert.equal(end.reason, "limit");
});

test("What the host sends in its connect handler arrives, in order; reads may overlap", async (t) => {
  await leakCheck(t);
  await using served = await serve({}, {
    connect(peer) {
      for (let i = 0; i < 5; i++) peer.send(0, `${i}`);
      peer.disconnectLater(6);
    },
  });
  const socket = await served.connect();
  const iteration = socket[Symbol.asyncIterator]();
  const results = await Promise.all(Array.from({ length: 7 }, () => iteration.next()));
  const texts = results.map(({ value }) => value?.packet.text());
  assert.deepEqual(texts, ["0", "1", "2", "3", "4", undefined, undefined]);
  assert.deepEqual(await socket.closed, { reason: "remote", data: 6 });
});
