import assert from "node:assert/strict";
import { syncBuiltinESMExports } from "node:module";
import { test } from "node:test";
import timers from "node:timers";
import { Host } from "../../mod.ts";
import { currentRuntime, leakCheck } from "../_helpers.ts";

const NAMES = ["setTimeout", "setInterval", "setImmediate"] as const;
type Timer = (callback: () => void, ms?: number) => unknown;

/**
 * Counts the calls that start timers, of this thread's globals and of `node:timers`. What has been
 * imported from there by name can be counted on Node only.
 */
function countTimers(): { calls: string[]; wait: (ms: number) => Promise<void> } & Disposable {
  const calls: string[] = [];
  const { setTimeout } = globalThis;
  const places = [globalThis, timers] as unknown as Record<string, Timer>[];
  const originals = places.map((place) => NAMES.map((name) => place[name]));
  const replace = (pick: (place: number, name: number) => Timer) => {
    places.forEach((place, i) => NAMES.forEach((name, j) => place[name] = pick(i, j)));
    syncBuiltinESMExports();
  };
  replace((i, j) => (callback, ms) => {
    calls.push(NAMES[j]);
    return originals[i][j](callback, ms);
  });
  return {
    calls,
    wait: (ms) => new Promise((resolve) => void setTimeout(resolve, ms)),
    [Symbol.dispose]: () => replace((i, j) => originals[i][j]),
  };
}

test("A host with 100 silent peers starts no timers and wakes for datagrams only", async (t) => {
  await leakCheck(t);
  const PEERS = 100;
  const PINGS = 200;
  await using server = await Host.listen({ hostname: "127.0.0.1", peers: PEERS }, {});
  await using client = await Host.create({ peers: PEERS }, {});
  const peers = await Promise.all(
    Array.from({ length: PEERS }, () => client.connect(server.address)),
  );
  using counted = countTimers();
  for (const peer of [...peers, ...server.peers]) peer.pingInterval(100);
  // Every datagram is a ping, an acknowledgement of one, or both.
  const hosts = [server, client];
  const exchange = async (pings: number) => {
    const before = hosts.map(({ stats }) => stats.totalReceivedPackets);
    const exchanged = () =>
      hosts.every(({ stats }, i) => stats.totalReceivedPackets - before[i] >= 2 * pings);
    const end = performance.now() + 20_000;
    while (!exchanged() && performance.now() < end) await counted.wait(20);
    assert.ok(exchanged(), `${pings} pings have been exchanged`);
  };
  await exchange(PEERS); // Behind them, no handshake is under way.

  // The counting counts: sending has the queue flushed at the end of the turn.
  const noise = peers[0].deliver(0, "noise");
  if (currentRuntime() === "node") assert.deepEqual(counted.calls.splice(0), ["setImmediate"]);
  await noise;
  counted.calls.length = 0;

  const before = hosts.map(({ stats }) => stats);
  await exchange(PINGS);

  assert.deepEqual(counted.calls, []);
  hosts.forEach(({ stats }, i) => {
    const wakeUps = stats.wakeUps - before[i].wakeUps;
    const datagrams = stats.totalReceivedPackets - before[i].totalReceivedPackets;
    assert.ok(wakeUps <= datagrams, `${wakeUps} wake-ups for ${datagrams} datagrams`);
    assert.equal(stats.connectedPeers, PEERS);
    t.diagnostic?.(`${wakeUps} wake-ups for ${datagrams} datagrams`);
  });
});

test("A host without peers neither starts timers nor wakes", async (t) => {
  await leakCheck(t);
  using counted = countTimers();
  await using host = await Host.listen({ hostname: "127.0.0.1" }, {});
  await using busy = await Host.listen({ hostname: "127.0.0.1" }, {});
  await using client = await Host.create({}, {});
  const peer = await client.connect(busy.address);
  counted.calls.length = 0;
  // For as long as it takes the others to exchange 100 messages.
  for (let i = 0; i < 100; i++) await peer.deliver(0, "elsewhere");
  assert.deepEqual(counted.calls.filter((name) => name !== "setImmediate"), []);
  assert.equal(host.stats.wakeUps, 0);
  assert.equal(host.stats.pumpServices, 0);
});
