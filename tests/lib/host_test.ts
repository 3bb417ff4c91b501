import assert from "node:assert/strict";
import { test } from "node:test";
import { Host } from "../../mod.ts";
import {
  connectedPair,
  equalBytes,
  journal,
  leakCheck,
  pattern,
  rejection,
  until,
  withDeadline,
} from "../_helpers.ts";
import { bare, EVERYWHERE, LOOPBACK, serviceUntil, silence, texts } from "./_host.ts";

test("Host.address is the local address, and a copy", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.3" });
  assert.equal(server.address.hostname, "127.0.0.3");
  assert.ok(server.address.port > 0);
  const mine = server.address;
  mine.port = 1;
  assert.notEqual(server.address.port, 1);
  await using client = await Host.create();
  assert.ok(EVERYWHERE.includes(client.address.hostname));
  assert.equal(client.address.port, 0);
  await client.connect(server.address);
  assert.ok(client.address.port > 0);
  await using again = await Host.create();
  await again.connect({ ...server.address });
  assert.notEqual(again.address.port, client.address.port);
});

test("Host.listen() binds the port it is given", async (t) => {
  await leakCheck(t);
  const { port } = await (async () => {
    await using host = await Host.listen({ hostname: LOOPBACK });
    return host.address;
  })();
  await using host = await Host.listen({ hostname: LOOPBACK, port });
  assert.equal(host.address.port, port);
});

test("Host.peers are those connected now, as objects that stay the same", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, client, peer, remote } = pair;
  const second = await client.connect(server.address);
  assert.deepEqual(client.peers, [peer, second]);
  await until(() => server.peers.length === 2, 20_000, "the second peer");
  assert.equal(server.peers[0], remote);
  server.peers.pop();
  assert.equal(server.peers.length, 2);
  await peer.disconnect();
  assert.deepEqual(client.peers, [second]);
});

test("Host.stats are complete, finite and count what happens", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, client, peer } = pair;
  const before = client.stats;
  assert.deepEqual(Object.keys(before), [
    ...["totalSentData", "totalSentPackets", "totalReceivedData", "totalReceivedPackets"],
    ...["connectedPeers", "heldEvents", "backPressure", "wakeUps", "pumpServices", "filtered"],
    ...["datagrams", "socketErrors", "halfOpen", "refused", "badHandshakes"],
    ...["limitedConnects", "limitedDatagrams", "limitedBytes"],
    ...["limitedMessages", "limitedMessageBytes", "limitedPeers", "hostData", "overBudget"],
    ...["security"],
  ]);
  const { refused, security, ...numbers } = before;
  assert.equal(security.sessions, 0);
  assert.deepEqual(refused, { full: 0, filter: 0, accept: 0, undecided: 0, duplicate: 0 });
  for (const [name, value] of Object.entries(numbers)) {
    assert.ok(Number.isInteger(value) && value >= 0, `${name} is ${value}`);
  }
  const received = server.stats;
  await peer.deliver(0, pattern(50_000));
  const after = client.stats;
  const sent = after.totalSentData - before.totalSentData;
  assert.ok(sent > 50_000, `${sent} bytes`);
  assert.ok(after.totalSentPackets - before.totalSentPackets >= 36);
  assert.ok(after.totalReceivedPackets > before.totalReceivedPackets);
  const got = server.stats.totalReceivedData - received.totalReceivedData;
  assert.ok(got >= 50_000 && got <= sent, `${got} bytes`);
  assert.equal(after.connectedPeers, 1);
  assert.ok(after.wakeUps > 0);
  assert.equal(before.totalSentData < after.totalSentData, true, "a snapshot does not change");
});

test("Host.closed tells whether the host is closed", async () => {
  const host = await Host.listen({ hostname: LOOPBACK });
  assert.equal(host.closed, false);
  const closing = host.close();
  await closing;
  assert.equal(host.closed, true);
  const other = await Host.create();
  other[Symbol.dispose]();
  assert.equal(other.closed, true);
});

test("Host.ref() and Host.unref() can be called at any time", async () => {
  for (const pump of [true, false]) {
    await using host = await Host.listen({ hostname: LOOPBACK, pump });
    host.unref();
    host.unref();
    host.ref();
    await host.close();
    host.ref();
    host.unref();
  }
});

test("Host.flush() sends what is queued at once", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, peer } = pair;
  const before = client.stats.totalSentPackets;
  peer.send(0, "now");
  client.flush();
  assert.ok(client.stats.totalSentPackets > before);
});

test("Host.broadcast() sends to every peer that has the channel, all bytes right", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK });
  await using stack = new AsyncDisposableStack();
  assert.equal(server.broadcast(0, "nobody is here"), 0);
  const journals = [];
  for (const channels of [1, 2, 3]) {
    const seen = journal();
    const client = stack.use(await Host.create({}, seen.handlers));
    await client.connect(server.address, { channels });
    journals.push(seen);
  }
  await until(() => server.peers.length === 3, 20_000, "three peers");
  const sizes = [0, 1, 511, 512, 513, 1400, 65_536, 100_000];
  for (const size of sizes) assert.equal(server.broadcast(0, pattern(size)), 3);
  assert.equal(server.broadcast(1, "two"), 2);
  assert.equal(server.broadcast(2, "one"), 1);
  assert.equal(server.broadcast(3, "none"), 0);
  assert.equal(server.broadcast(254, "none"), 0);
  for (const [index, seen] of journals.entries()) {
    const received = await seen.wait("receive", sizes.length + index);
    const first = received.filter(({ channelId }) => channelId === 0);
    assert.equal(first.length, sizes.length);
    first.forEach(({ bytes }, i) => equalBytes(bytes, pattern(sizes[i])));
    const others = received.filter(({ channelId }) => channelId > 0);
    assert.deepEqual(texts(others).sort(), ["one", "two"].slice(2 - index).sort());
  }
});

test("Host.broadcast() leaves out peers that are connecting or disconnecting", async (t) => {
  await leakCheck(t);
  await using nobody = await silence();
  const seen = journal();
  await using pair = await connectedPair({ serverHandlers: seen.handlers });
  const { client, server, peer } = pair;
  const abort = new AbortController();
  const attempt = client.connect(bare(nobody), { signal: abort.signal });
  const leaving = await client.connect(server.address);
  void leaving.disconnect();
  assert.equal(client.broadcast(0, "for one"), 1);
  abort.abort();
  await assert.rejects(attempt);
  await peer.deliver(0, "last");
  assert.deepEqual(texts(await seen.wait("receive", 2)), ["for one", "last"]);
});

test("Host.broadcast() forwards packets that are being received", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK });
  const [a, b] = [journal(), journal()];
  await using first = await Host.create({}, a.handlers);
  await using second = await Host.create({}, b.handlers);
  const peer = await first.connect(server.address);
  await second.connect(server.address);
  await until(() => server.peers.length === 2, 20_000, "two peers");
  const sizes = [10, 1000, 200_000];
  for (const size of sizes) peer.send(0, pattern(size));
  let left = sizes.length;
  for await (const event of server) {
    if (event.type !== "receive") continue;
    assert.equal(server.broadcast(1, event.packet), 2);
    if (--left === 0) break;
  }
  for (const seen of [a, b]) {
    const received = await seen.wait("receive", sizes.length);
    received.forEach(({ bytes }, i) => equalBytes(bytes, pattern(sizes[i])));
  }
});

test("Host.close() delivers what is queued, then tells the peers, then resolves", async (t) => {
  await leakCheck(t);
  for (const pump of [true, false]) {
    const seen = journal();
    await using server = await Host.listen({ hostname: LOOPBACK }, seen.handlers);
    const client = await Host.create({ pump });
    const connecting = client.connect(server.address);
    const peer = await (pump ? connecting : serviceUntil(connecting, client));
    const count = 5000;
    for (let i = 0; i < count; i++) peer.send(0, `message ${i}`);
    const rest = peer.deliver(1, pattern(300_000));
    await withDeadline(client.close({ graceMs: 20_000 }), 25_000, "the close");
    assert.ok(client.closed);
    await rest;
    const [ended] = await seen.wait("disconnect");
    assert.deepEqual([ended.reason, ended.data], ["remote", 0]);
    const received = seen.all("receive").filter(({ channelId }) => channelId === 0);
    assert.deepEqual(texts(received), Array.from({ length: count }, (_, i) => `message ${i}`));
    assert.equal(seen.entries.at(-1)?.type, "disconnect");
  }
});

for (const graceMs of [0, 1000]) {
  test(`Host.close() with graceMs ${graceMs} tells the other side`, async (t) => {
    await leakCheck(t);
    const seen = journal();
    await using pair = await connectedPair({ serverHandlers: seen.handlers });
    pair.remote.timeout({ limit: 1, minimumMs: 5000, maximumMs: 5000 });
    await pair.client.close({ graceMs });
    assert.equal((await seen.wait("disconnect"))[0].reason, "remote");
  });
}

test("Host.close() with a peer that does not answer ends after graceMs", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, client, peer } = pair;
  server.filter = { deny: ["127.0.0.0/8"] }; // now it neither hears nor answers
  const undelivered = rejection(peer.deliver(0, "into the void"), "ENETJS_ERR_UNDELIVERED");
  await withDeadline(client.close({ graceMs: 50 }), 10_000, "the close");
  assert.ok(client.closed);
  await undelivered;
  assert.equal(peer.state, "disconnected");
});

test("Host[Symbol.dispose]() tells the other side, even right after disconnect()", async (t) => {
  await leakCheck(t);
  for (const data of [undefined, 77]) {
    const seen = journal();
    await using pair = await connectedPair({ serverHandlers: seen.handlers });
    if (data !== undefined) void pair.peer.disconnect(data);
    pair.client[Symbol.dispose]();
    const [ended] = await seen.wait("disconnect");
    assert.deepEqual([ended.reason, ended.data], ["remote", data ?? 0]);
  }
});

test("Iteration over a host ends when the host is closed", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ hostname: LOOPBACK });
  const events = host[Symbol.asyncIterator]();
  const waiting = [events.next(), events.next()];
  await host.close();
  for (const result of [...await Promise.all(waiting), await events.next()]) {
    assert.deepEqual(result, { value: undefined, done: true });
  }
  for await (const event of host) assert.fail(event.type);
});
