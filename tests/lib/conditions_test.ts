/**
 * The simulated network: what it does to messages, that a seed repeats it, and what is refused.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ActiveConditions,
  type Conditions,
  type DatagramFates,
  Host,
  LinkQuality,
  PacketFlag,
} from "../../mod.ts";
import { connectedPair, journal, leakCheck, until, withDeadline } from "../_helpers.ts";

const NOBODY = "127.0.0.1:9";

/** Conditions in force, or a failure. */
function inForce(host: Host): ActiveConditions {
  assert.ok(host.conditions !== null);
  return host.conditions;
}

/** What has become of the datagrams that a host has sent. */
const sent = (host: Host): DatagramFates => inForce(host).stats.send;

/** Sends numbered datagrams to a host; which of them arrive, in which order. */
async function arrivals(conditions: Conditions, count = 200): Promise<string[]> {
  const events = journal();
  await using receiver = await Host.listen(
    { hostname: "127.0.0.1", datagrams: true },
    events.handlers,
  );
  await using sender = await Host.create({ conditions });
  for (let i = 0; i < count; i++) {
    sender.sendDatagram(receiver.address, `${i}`);
    // A few at a time, so that the receiver's socket loses none.
    if (i % 20 === 19) await settled(sender, events.entries);
  }
  return events.all("datagram").map(({ bytes }) => new TextDecoder().decode(bytes));
}

/** Resolves once everything that a host has sent has arrived or is lost. */
async function settled(sender: Host, arrived: readonly unknown[]): Promise<void> {
  const all = () => {
    const { passed, duplicated, held } = sent(sender);
    return held === 0 && arrived.length === passed + duplicated;
  };
  await until(all, 10_000, "the datagrams that pass");
}

test("The same seed gives the same fates", async () => {
  const conditions = { loss: 0.2, duplicate: 0.1, corrupt: 0.1, seed: 7 };
  const first = await arrivals(conditions);
  assert.deepEqual(await arrivals(conditions), first);
  assert.notDeepEqual(await arrivals({ ...conditions, seed: 8 }), first);
  assert.notDeepEqual(await arrivals(conditions), Array.from({ length: 200 }, (_, i) => `${i}`));
});

test("Conditions without a seed repeat themselves, too", async () => {
  assert.deepEqual(await arrivals({ loss: 0.5 }), await arrivals({ loss: 0.5, seed: 1 }));
});

test("Jitter changes no order, and reorder does", async () => {
  const numbers = async (conditions: Conditions) => (await arrivals(conditions)).map(Number);
  const inOrder = Array.from({ length: 200 }, (_, i) => i);
  assert.deepEqual(await numbers({ latencyMs: 5, jitterMs: 5 }), inOrder);
  const reordered = await numbers({ reorder: 0.2, reorderMs: 5 });
  assert.notDeepEqual(reordered, inOrder);
  assert.deepEqual(reordered.sort((a, b) => a - b), inOrder);
});

test("Everything reliable arrives, in order, under every condition at once", async (t) => {
  await leakCheck(t);
  const conditions: Conditions = {
    latencyMs: 5,
    jitterMs: 4,
    jitterDistribution: "pareto",
    loss: { p: 0.04, r: 0.5 },
    duplicate: 0.1,
    reorder: 0.1,
    reorderMs: 8,
    corrupt: 0.02,
    rate: 1e6,
  };
  const events = journal();
  await using pair = await connectedPair({
    server: { checksum: "crc32" },
    serverHandlers: events.handlers,
    client: { checksum: "crc32", conditions },
  });
  for (let i = 0; i < 60; i++) {
    const bytes = new Uint8Array(1 + i * 30).fill(i);
    if (!pair.peer.send(0, bytes)) await pair.peer.drain();
  }
  const messages = await events.wait("receive", 60, 30_000);
  messages.forEach(({ bytes }, i) => {
    assert.equal(bytes.length, 1 + i * 30);
    assert.ok(bytes.every((byte) => byte === i));
  });
  const { lost, corrupted, duplicated, reordered } = sent(pair.client);
  assert.ok(lost > 0 && corrupted > 0 && duplicated > 0 && reordered > 0);
});

test("A datagram takes at least the latency, with a pump and without", async () => {
  for (const pump of [true, false]) {
    const echo = await Host.listen({ hostname: "127.0.0.1" }, {
      receive: (peer, channelId, packet) => peer.send(channelId, packet),
    });
    await using _echo = echo;
    await using client = await Host.create({ pump, conditions: { latencyMs: 20 } });
    const ticker = pump ? undefined : setInterval(() => client.service(), 1);
    try {
      let connected = client.connect(echo.address);
      if (!pump) connected = withDeadline(connected, 10_000, "the connection");
      const peer = await connected;
      const began = performance.now();
      peer.send(0, "there and back");
      if (pump) await peer.receive({ timeoutMs: 10_000 });
      else await peer.deliver(0, "there and back");
      assert.ok(performance.now() - began >= 40, `${performance.now() - began} ms`);
    } finally {
      clearInterval(ticker);
    }
  }
});

test("service() waits for a datagram that is held", async () => {
  const events = journal();
  await using receiver = await Host.listen({
    hostname: "127.0.0.1",
    datagrams: true,
    pump: false,
    conditions: { receive: { latencyMs: 30 } },
  });
  await using sender = await Host.create({}, events.handlers);
  sender.sendDatagram(receiver.address, "late");
  const event = receiver.service(10_000);
  assert.ok(event?.type === "datagram");
  assert.equal(event.packet.text(), "late");
  assert.equal(inForce(receiver).stats.receive.passed, 1);
});

test("send and receive replace single conditions of one direction", async () => {
  const events = journal();
  await using other = await Host.listen(
    { hostname: "127.0.0.1", datagrams: true },
    events.handlers,
  );
  await using host = await Host.listen({
    hostname: "127.0.0.1",
    conditions: { loss: 0.5, send: { loss: 0 }, receive: { duplicate: 1 } },
  });
  for (let i = 0; i < 20; i++) {
    host.sendDatagram(other.address, "there");
    other.sendDatagram(host.address, "and back");
  }
  await events.wait("datagram", 20);
  const { send } = inForce(host).stats;
  assert.deepEqual([send.passed, send.lost, send.duplicated], [20, 0, 0]);
  const back = () => inForce(host).stats.receive;
  await until(() => back().passed + back().lost === 20, 20_000, "20 datagrams");
  assert.ok(back().lost > 0 && back().passed > 0 && back().duplicated === back().passed);
});

test("An address has conditions of its own", async () => {
  const events = journal();
  await using server = await Host.listen({ hostname: "127.0.0.1" }, events.handlers);
  await using good = await Host.create();
  await using bad = await Host.create();
  await good.connect(server.address);
  await bad.connect(server.address);
  await events.wait("connect", 2);
  const port = bad.address.port;
  for (const address of [`127.0.0.1:${port}`, { hostname: "127.0.0.1", port }]) {
    server.conditions = { for: [{ address, loss: 1 }] };
    await good.peers[0].deliver(0, "a");
    bad.peers[0].send(0, "b");
    bad.flush();
    await until(() => inForce(server).stats.receive.lost > 0, 20_000, "a loss");
  }
  server.conditions = { for: [{ address: "127.0.0.0/8", latencyMs: 1 }], loss: 1 };
  await bad.peers[0].deliver(0, "c");
  assert.equal(inForce(server).stats.receive.lost, 0);
});

test("A blackout loses everything for a time", async () => {
  await using pair = await connectedPair({ client: { conditions: {} } });
  const conditions = inForce(pair.client);
  conditions.blackout(2 ** 31 - 1);
  pair.peer.send(0, "through the tunnel");
  pair.client.flush();
  await until(() => conditions.stats.send.blackedOut > 0, 20_000, "a datagram in the tunnel");
  conditions.blackout(0);
  await pair.peer.deliver(0, "daylight");
});

test("A rate holds, and its queue is bounded", async () => {
  await using host = await Host.create({ conditions: { rate: 10, queueBytes: 5000 } });
  for (let i = 0; i < 20; i++) host.sendDatagram(NOBODY, new Uint8Array(1000));
  const { passed, queueFull, held } = sent(host);
  assert.deepEqual([passed, queueFull, held], [5, 15, 5]);
});

test("Memory is bounded", async () => {
  await using host = await Host.create({ conditions: { latencyMs: 60_000 } });
  const datagram = new Uint8Array(60_000);
  for (let i = 0; i < 300; i++) host.sendDatagram(NOBODY, datagram);
  const { passed, memoryFull, held } = sent(host);
  assert.equal(passed + memoryFull, 300);
  assert.equal(held, passed);
  assert.ok(held * datagram.length <= 16 * 2 ** 20 && memoryFull > 0);
});

test("host.conditions can be read, copied, replaced and taken away", async () => {
  await using host = await Host.create({ conditions: { ...LinkQuality.POOR, seed: 3 } });
  const first = inForce(host);
  assert.deepEqual({ ...first }, { latencyMs: 200, jitterMs: 50, loss: 0.04, seed: 3 });
  assert.throws(() => Object.assign(first, { loss: 1 }), TypeError);
  host.sendDatagram(NOBODY, "x");
  const counted = first.stats;
  assert.equal(counted.send.passed + counted.send.lost, 1);

  host.conditions = { ...first, latencyMs: 60, for: [{ address: "10.0.0.1", loss: 1 }] };
  assert.equal(inForce(host).latencyMs, 60);
  assert.equal(inForce(host).loss, 0.04);
  assert.throws(() => Object.assign(inForce(host).for?.[0] ?? {}, { loss: 0 }), TypeError);
  assert.deepEqual(first.stats.send.passed, counted.send.passed);
  assert.throws(() => first.blackout(1), { code: "ENETJS_ERR_CLOSED" });
  assert.deepEqual([sent(host).passed, sent(host).lost], [0, 0]);

  const second = host.conditions;
  host.conditions = second;
  host.conditions = null;
  assert.equal(host.conditions, null);
});

test("What is under way arrives at once when the conditions are taken away", async () => {
  const events = journal();
  await using receiver = await Host.listen(
    { hostname: "127.0.0.1", datagrams: true },
    events.handlers,
  );
  await using sender = await Host.create({ conditions: { latencyMs: 60_000 } });
  for (let i = 0; i < 5; i++) sender.sendDatagram(receiver.address, `${i}`);
  assert.equal(sent(sender).held, 5);
  sender.conditions = null;
  const arrived = await events.wait("datagram", 5);
  assert.deepEqual(arrived.map(({ bytes }) => bytes[0] - 48), [0, 1, 2, 3, 4]);
});

test("A closed host tells the last counters, and its notice is not waited for", async (t) => {
  await leakCheck(t);
  const events = journal();
  await using server = await Host.listen({ hostname: "127.0.0.1" }, events.handlers);
  const client = await Host.create();
  await client.connect(server.address);
  await events.wait("connect");
  client.conditions = { latencyMs: 60_000 };
  const conditions = inForce(client);
  client[Symbol.dispose]();
  const [end] = await events.wait("disconnect");
  assert.equal(end.reason, "remote");
  assert.equal(client.conditions, conditions);
  assert.equal(conditions.stats.send.lost, 0);
  assert.throws(() => conditions.blackout(1), { code: "ENETJS_ERR_CLOSED" });
  assert.throws(() => client.conditions = null, { code: "ENETJS_ERR_CLOSED" });
});

test("The presets have the figures of naia", () => {
  const figures = Object.values(LinkQuality).map(({ latencyMs, jitterMs, loss }) => [
    latencyMs,
    jitterMs,
    loss,
  ]);
  assert.deepEqual(figures, [
    [12, 3, 0.001],
    [40, 10, 0.002],
    [100, 25, 0.02],
    [200, 50, 0.04],
    [300, 75, 0.06],
  ]);
});

test("Unreliable messages are lost at the share that is asked for", async () => {
  const events = journal();
  await using pair = await connectedPair({ serverHandlers: events.handlers });
  pair.client.conditions = { send: { loss: 0.3 } };
  for (let i = 0; i < 500; i++) {
    pair.peer.send(0, `${i}`, PacketFlag.UNSEQUENCED);
    pair.client.flush();
    if (i % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await pair.peer.deliver(1, "end");
  const { passed, lost } = sent(pair.client);
  const share = lost / (passed + lost);
  assert.ok(share > 0.22 && share < 0.38, `${share}`);
});

/** What is no conditions, with what the error says. */
const WRONG: readonly (readonly [unknown, typeof TypeError | typeof RangeError, RegExp])[] = [
  [5, TypeError, /^conditions must be an object, not 5$/],
  [[], TypeError, /^conditions must be an object, not an array of 0$/],
  ["POOR", TypeError, /^conditions must be an object, not "POOR": write LinkQuality\.POOR$/],
  [{ latency: 5 }, TypeError, /^conditions has no option "latency" \(did you mean "latencyMs"\?\)/],
  [{ latencyMs: "5" }, TypeError, /^conditions\.latencyMs must be a number, not "5"$/],
  [{ latencyMs: -1 }, RangeError, /^conditions\.latencyMs must be from 0 to 60000, not -1$/],
  [{ jitterMs: NaN }, RangeError, /^conditions\.jitterMs must be from 0 to 60000, not NaN$/],
  [{ jitterDistribution: "gauss" }, TypeError, /^conditions\.jitterDistribution must be "uniform"/],
  [
    { loss: 5 },
    RangeError,
    /^conditions\.loss must be a share from 0 to 1, not 5: write 5 % as 0\.05$/,
  ],
  [{ loss: -0.1 }, RangeError, /^conditions\.loss must be from 0 to 1, not -0\.1$/],
  [
    { loss: "5%" },
    TypeError,
    /^conditions\.loss must be a share from 0 to 1 or \{ p, r, h, k \}, not "5%"$/,
  ],
  [{ loss: { p: 0.1 } }, TypeError, /^conditions\.loss\.r must be a number, not undefined$/],
  [
    { loss: { p: 0.1, r: 2 } },
    RangeError,
    /^conditions\.loss\.r must be a share from 0 to 1, not 2/,
  ],
  [{ duplicate: null }, TypeError, /^conditions\.duplicate must be a number, not null$/],
  [{ rate: 0 }, RangeError, /^conditions\.rate must be from 1 to 4294967295, not 0$/],
  [
    { queueBytes: 5 },
    TypeError,
    /^conditions\.queueBytes 5 does nothing without conditions\.rate$/,
  ],
  [{ rate: 5, queueBytes: 0.5 }, RangeError, /^conditions\.queueBytes must be an integer/],
  [
    { reorderMs: 5 },
    TypeError,
    /^conditions\.reorderMs 5 does nothing without conditions\.reorder$/,
  ],
  [
    { seed: 1.5 },
    RangeError,
    /^conditions\.seed must be an integer from 0 to 4294967295, not 1\.5$/,
  ],
  [{ send: { seed: 1 } }, TypeError, /^conditions\.send has no option "seed"/],
  [{ receive: { loss: 2 } }, RangeError, /^conditions\.receive\.loss must be a share/],
  [{ for: {} }, TypeError, /^conditions\.for must be an array, not an object/],
  [{ for: [{}] }, TypeError, /address must be an object/],
  [
    { for: [{ address: "x" }] },
    TypeError,
    /^conditions\.for\[0\]\.address must be an IPv4 address/,
  ],
  [{ for: [{ address: "::1" }] }, TypeError, /IPv6/],
  [{ for: [{ address: "10.0.0.1", loss: 2 }] }, RangeError, /^conditions\.for\[0\]\.loss must be/],
  [
    { for: Array.from({ length: 256 }, () => ({ address: "10.0.0.1" })) },
    RangeError,
    /^conditions\.for must have at most 255 entries, not 256$/,
  ],
];

test("Wrong conditions are refused, and change nothing", async () => {
  await using host = await Host.create({ conditions: LinkQuality.GOOD });
  for (const [given, type, message] of WRONG) {
    const what = { name: type.name, message };
    assert.throws(() => host.conditions = given as Conditions, what);
    await assert.rejects(Host.create({ conditions: given as Conditions }), what);
  }
  assert.equal(inForce(host).latencyMs, 40);
  assert.throws(() => inForce(host).blackout("1" as unknown as number), TypeError);
  assert.throws(() => inForce(host).blackout(-1), RangeError);
  // What limits nothing needs no complaint.
  host.conditions = { rate: 1e6, queueBytes: 1e5, receive: { rate: Infinity } };
});
