import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { Host, type Peer, versions } from "../../mod.ts";
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
import { LOOPBACK, texts } from "./_host.ts";

test("Host options and setters read back, and a filter that is read is frozen", async (t) => {
  await leakCheck(t);
  const given = {
    channels: 7,
    incomingBandwidth: 1_000_000,
    outgoingBandwidth: 2_000_000,
    compression: "range-coder",
    checksum: "crc32",
    mtu: 1000,
    duplicatePeers: 9,
    maximumPacketSize: 12_345,
    maximumWaitingData: 54_321,
    maximumHostData: 9_876_543,
    receiveBufferSize: 100_000,
    sendBufferSize: 200_000,
    stallLimitMs: 25,
    turnBudgetMs: 7,
    spin: "always",
    throttle: "enet",
    remoteThrottle: "game",
    highWaterMark: 4321,
    datagrams: true,
    filter: { allow: ["127.0.0.0/8"], deny: ["127.0.0.9"], refuse: true },
  } as const;
  await using host = await Host.listen({ hostname: LOOPBACK, ...given });
  await using other = await Host.listen({ hostname: LOOPBACK });
  const settings = other as unknown as Record<string, unknown>;
  for (const name of Object.keys(given) as (keyof typeof given)[]) {
    assert.deepEqual(host[name], given[name], name);
    settings[name] = given[name];
    assert.deepEqual(other[name], given[name], name);
  }
  const filter = host.filter as unknown as { deny: string[] };
  assert.throws(() => filter.deny.push("127.0.0.0/8"), {
    name: "TypeError",
    message: /^host\.filter\.deny has no property "1"; assign a whole filter/,
  });
  assert.throws(() => filter.deny = [], {
    name: "TypeError",
    message: /^host\.filter\.deny is read-only; assign a whole filter, host\.filter = \{/,
  });
  assert.equal(JSON.stringify(host.filter), JSON.stringify(given.filter));
  assert.deepEqual(host.filter, given.filter);
  // @ts-expect-error: it is read-only for the compiler, too
  assert.throws(() => host.filter.deny = [], TypeError);
});

test("Host.incomingBandwidth and outgoingBandwidth reach the other side", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({
    client: { incomingBandwidth: 300_000, outgoingBandwidth: 400_000 },
  });
  const { server, peer, remote } = pair;
  const { incomingBandwidth, outgoingBandwidth } = remote.stats;
  assert.deepEqual([incomingBandwidth, outgoingBandwidth], [300_000, 400_000]);
  assert.ok(remote.stats.windowSize < 64 * 1024, "a limit makes the window smaller");
  server.incomingBandwidth = 100_000;
  server.outgoingBandwidth = 200_000;
  assert.deepEqual([server.incomingBandwidth, server.outgoingBandwidth], [100_000, 200_000]);
  // ENet tells connected peers once a second.
  await until(
    () => peer.stats.incomingBandwidth === 100_000 && peer.stats.outgoingBandwidth === 200_000,
    10_000,
    "the limits of the other side",
  );
});

test("Host.mtu is that of connections the host opens afterwards, on both sides", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen({ hostname: LOOPBACK, mtu: 576 }, seen.handlers);
  await using client = await Host.create();
  const first = await client.connect(server.address);
  client.mtu = 700;
  const second = await client.connect(server.address);
  client.mtu = 4096;
  const third = await client.connect(server.address);
  // From 1.3.18 on, the smaller MTU of both sides counts; before, that of the side that connects.
  const agreed = (await versions()).libenet === "1.3.17" ? [1400, 700, 4096] : [576, 576, 576];
  assert.deepEqual([first, second, third].map(({ stats }) => stats.mtu), agreed);
  const peers = (await seen.wait("connect", 3)).map(({ peer }) => peer.stats.mtu);
  assert.deepEqual(peers, agreed);
  const sent = client.stats.totalSentPackets;
  await third.deliver(0, pattern(4000));
  await second.deliver(0, pattern(4000));
  const [large, small] = await seen.wait("receive", 2);
  assert.deepEqual([large.bytes, small.bytes], [pattern(4000), pattern(4000)]);
  assert.ok(client.stats.totalSentPackets - sent >= 7);
});

test("Host.maximumPacketSize limits what is sent, from its change on", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({
    client: { maximumPacketSize: 100 },
    serverHandlers: seen.handlers,
  });
  const { client, peer } = pair;
  await peer.deliver(0, pattern(100));
  assert.throws(() => peer.send(0, pattern(101)), RangeError);
  client.maximumPacketSize = 200_000;
  await peer.deliver(0, pattern(200_000));
  client.maximumPacketSize = 10;
  assert.throws(() => client.broadcast(0, pattern(11)), /larger than maximumPacketSize, 10/);
  assert.deepEqual((await seen.wait("receive", 2)).map(({ bytes }) => bytes.length), [
    100,
    200_000,
  ]);
});

test("Host.maximumPacketSize limits what is received", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({ serverHandlers: seen.handlers });
  const { server, peer } = pair;
  server.maximumPacketSize = 10_000;
  await peer.deliver(0, pattern(10_000));
  peer.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  // What ENet refuses it does not acknowledge, so the sender gives up.
  await rejection(peer.deliver(0, pattern(10_001)), "ENETJS_ERR_UNDELIVERED");
  assert.equal(seen.all("receive").length, 1);
});

test("Host.duplicatePeers limits the peers of one address, from its change on", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({ serverHandlers: seen.handlers });
  const { server, client } = pair;
  server.duplicatePeers = 1;
  const message = await rejection(client.connect(server.address), "ENETJS_ERR_REFUSED");
  assert.match(message, /as many connections of this address as it allows/);
  // Another address is another matter.
  await using other = await Host.listen({ hostname: "127.0.0.2" });
  await other.connect(server.address);
  const { refused } = server.stats;
  assert.ok(refused.duplicate >= 1, `${refused.duplicate}`);
  await rejection(other.connect(server.address), "ENETJS_ERR_REFUSED");
  assert.deepEqual(server.stats.refused, { ...refused, duplicate: refused.duplicate + 1 });
  server.duplicatePeers = 2;
  await client.connect(server.address);
  const from = (await seen.wait("connect", 3)).map(({ peer }) => peer.address.hostname);
  assert.deepEqual(from, ["127.0.0.1", "127.0.0.2", "127.0.0.1"]);
});

for (
  const [name, off, on] of [
    ["compression", "none", "range-coder"],
    ["checksum", "none", "crc32"],
  ] as const
) {
  const set = (host: Host, value: typeof off | typeof on) =>
    void ((host as unknown as Record<string, unknown>)[name] = value);

  test(`Host.${name} can be changed on a live connection`, async (t) => {
    await leakCheck(t);
    const seen = journal();
    await using pair = await connectedPair({ serverHandlers: seen.handlers });
    const { server, client, peer } = pair;
    const sizes: number[] = [];
    for (const value of [off, on, off]) {
      set(server, value);
      set(client, value);
      assert.deepEqual([server[name], client[name]], [value, value]);
      const before = client.stats.totalSentData;
      await peer.deliver(0, "a".repeat(20_000));
      sizes.push(client.stats.totalSentData - before);
    }
    for (const { bytes } of await seen.wait("receive", 3)) {
      assert.equal(new TextDecoder().decode(bytes), "a".repeat(20_000));
    }
    if (name === "compression") assert.ok(sizes[1] < sizes[0] / 3, `${sizes} bytes`);
  });

  test(`Host.${name} that differs keeps hosts apart until it is the same`, async (t) => {
    await leakCheck(t);
    const seen = journal();
    await using server = await Host.listen({ hostname: LOOPBACK, [name]: on }, seen.handlers);
    await using client = await Host.create();
    const attempt = client.connect(server.address, { timeoutMs: 100 });
    await rejection(attempt, "ENETJS_ERR_TIMEOUT");
    assert.equal(seen.entries.length, 0);
    set(client, on);
    const peer = await client.connect(server.address);
    const [{ peer: remote }] = await seen.wait("connect");
    remote.pingInterval(60_000); // so that nothing is sent that the client would misread
    await peer.deliver(0, "agreed");
    // What is sent while they differ gets there once they agree again.
    const odd = name === "compression" ? server : client;
    set(odd, off);
    const received = server.stats.totalReceivedPackets;
    const delivered = peer.deliver(0, "a".repeat(1000));
    await until(() => server.stats.totalReceivedPackets > received, 20_000, "the first try");
    assert.equal(seen.all("receive").length, 1);
    set(odd, on);
    await withDeadline(delivered, 20_000, "the delivery");
    assert.deepEqual(texts(await seen.wait("receive", 2)), ["agreed", "a".repeat(1000)]);
  });
}

test("Host.receiveBufferSize decides how much the socket holds, from its change on", {
  skip: process.platform !== "linux",
}, async (t) => {
  await leakCheck(t);
  await using sender = await Host.listen({ hostname: LOOPBACK });
  await using host = await Host.listen({ hostname: LOOPBACK, pump: false, datagrams: true });
  /** How many of a hundred datagrams are still there when the host looks for them. */
  const received = () => {
    for (let i = 0; i < 100; i++) sender.sendDatagram(host.address, pattern(100));
    let count = 0;
    while (host.service() !== null) count++;
    return count;
  };
  host.receiveBufferSize = 1024;
  const small = received();
  host.receiveBufferSize = 200_000;
  const large = received();
  assert.ok(small < 20 && large === 100, `${small}, ${large}`);
});

test("Host.maximumWaitingData leaves the rest with the sender, and loses nothing", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({
    hostname: LOOPBACK,
    eventCapacity: 16,
    arenaSize: 4096,
  });
  await using client = await Host.create();
  server.maximumWaitingData = 20_000;
  const events = server[Symbol.asyncIterator]();
  const peer = await client.connect(server.address);
  const { value } = await events.next();
  assert.equal(value.type, "connect");
  const remote = value.peer as Peer;
  const count = 500;
  for (let i = 0; i < count; i++) peer.send(0, pattern(1000));
  // Some wait at the consumer, the rest at the sender.
  await until(() => remote.stats.totalWaitingData > 20_000, 10_000, "waiting data");
  assert.ok(peer.stats.queuedMessages > 0);
  for (let i = 0; i < count; i++) {
    const { value } = await withDeadline(events.next(), 20_000, `message ${i}`);
    equalBytes(value.packet.view, pattern(1000));
  }
});

test("Host.maximumHostData of 0 reads as the bytes that it stands for", async (t) => {
  await leakCheck(t);
  const MIB = 2 ** 20;
  await using host = await Host.create();
  assert.equal(host.maximumHostData, 256 * MIB);
  host.maximumWaitingData = 200 * MIB;
  assert.equal(host.maximumHostData, 2 * (200 + 32) * MIB);
  host.maximumHostData = 232 * MIB;
  assert.equal(host.maximumHostData, 232 * MIB);
  host.maximumHostData = 0;
  host.maximumWaitingData = host.maximumPacketSize = MIB;
  assert.equal(host.maximumHostData, 256 * MIB);
});

test("A property that a host or a peer does not have is a TypeError", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const misspell = (object: object) =>
    void ((object as Record<string, unknown>).maximumWaitingdata = 1);
  for (const object of [pair.server, pair.client]) {
    assert.throws(() => misspell(object), {
      name: "TypeError",
      message: 'The host has no property "maximumWaitingdata" (did you mean "maximumWaitingData"?)',
    });
    assert.equal("maximumWaitingdata" in object, false);
  }
  for (const object of [pair.peer, pair.remote]) {
    const message = 'The peer has no property "maximumWaitingdata"';
    assert.throws(() => misspell(object), { name: "TypeError", message });
    assert.equal("maximumWaitingdata" in object, false);
  }
  const meant = 'The peer has no property "dat" (did you mean "data"?)';
  assert.throws(() => Object.assign(pair.peer, { dat: 1 }), { message: meant });
  const group = pair.server.group();
  assert.throws(() => misspell(group), {
    message: 'The group has no property "maximumWaitingdata"',
  });
  for (const object of [pair.server, pair.peer, group]) {
    assert.ok(object instanceof Object && !("then" in object) && object.toString() !== "");
  }
  pair.peer.data = { name: "Ada" };
  assert.deepEqual(pair.peer.data, { name: "Ada" });
});

test("Host.maximumHostData bounds what all peers together have waiting, and loses nothing", async (t) => {
  await leakCheck(t);
  const limit = 1_000_000;
  await using server = await Host.listen({
    hostname: LOOPBACK,
    eventCapacity: 16,
    arenaSize: 4096,
    maximumPacketSize: 100_000,
    maximumWaitingData: 900_000,
  });
  await using client = await Host.create();
  const peers = [await client.connect(server.address), await client.connect(server.address)];
  server.maximumHostData = limit;
  const count = 2000;
  for (let i = 0; i < count; i++) for (const peer of peers) peer.send(0, pattern(1000));
  await until(() => server.stats.overBudget > 0, 10_000, "a refusal");
  assert.ok(server.stats.hostData <= limit, `${server.stats.hostData} bytes`);
  server.maximumHostData = 0;
  let received = 0;
  for await (const event of server) {
    if (event.type === "receive" && ++received === count * peers.length) break;
  }
  assert.ok(server.stats.hostData < limit);
});

test("Host.highWaterMark decides what send() returns, from its change on", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, peer } = pair;
  const deaf = { deny: ["0.0.0.0/0"] }; // so that nothing is acknowledged
  client.filter = deaf;
  client.highWaterMark = 0;
  assert.equal(peer.send(0, "x"), false);
  client.filter = {};
  await withDeadline(peer.drain(), 20_000, "the drain");
  assert.equal(peer.stats.queuedBytes, 0);
  assert.equal(peer.send(0, ""), true, "nothing is above nothing");
  client.filter = deaf;
  client.highWaterMark = 1000;
  assert.equal(peer.send(0, pattern(1000)), true);
  assert.equal(peer.send(0, "x"), false);
  client.highWaterMark = 100_000;
  assert.equal(peer.send(0, pattern(10_000)), true);
  client.filter = {};
});

test("Host.stallLimitMs decides when the pump services for a busy thread", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, client, peer } = pair;
  server.stallLimitMs = 1;
  peer.send(0, "meanwhile");
  client.flush();
  const { pumpServices } = server.stats;
  // This thread stays busy on purpose: only the pump can count.
  const end = performance.now() + 10_000;
  while (server.stats.pumpServices === pumpServices) assert.ok(performance.now() < end);
  assert.ok(server.stats.heldEvents > 0);
  for await (const event of server) {
    if (event.type !== "receive") continue;
    assert.equal(event.packet.text(), "meanwhile");
    break;
  }
});
