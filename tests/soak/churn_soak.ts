/** Clients that come and go for minutes, with traffic, over a network that loses and reorders. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { type Address, diagnostics, Host, type Peer } from "../../mod.ts";
import { until } from "../_helpers.ts";

const ROUNDS = 100;
const CLIENTS = 8;
const MEBIBYTE = 2 ** 20;
const NETWORK = { jitterMs: 2, loss: 0.05, duplicate: 0.02, reorder: 0.1, reorderMs: 20 };

let state = 20261120;

/** A number from 0 up to, not including, 1. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

async function live(server: Address, round: number): Promise<void> {
  const seed = Math.floor(random() * 2 ** 32);
  await using client = await Host.create({ conditions: { ...NETWORK, seed } });
  const peer = await client.connect(server, { timeoutMs: 30_000 });
  const size = 1 + Math.floor(random() * 20_000);
  const count = 20;
  for (let i = 0; i < count; i++) peer.send(i % 2, new Uint8Array(size).fill(round % 256));
  let echoed = 0;
  for await (const { packet } of peer) {
    assert.equal(packet.length, size);
    assert.equal(packet.view[size - 1], round % 256);
    if (++echoed === count) break;
  }
  if (random() < 0.5) await peer.disconnect();
}

test(`${ROUNDS} rounds of ${CLIENTS} clients over a bad network leave nothing behind`, async () => {
  const before = await diagnostics();
  const connected = new Set<Peer>();
  const server = await Host.listen({ hostname: "127.0.0.1", peers: 256 }, {
    connect: (peer) => {
      connected.add(peer);
      peer.timeout({ minimumMs: 1000, maximumMs: 3000 });
    },
    disconnect: (peer) => void connected.delete(peer),
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
  let early = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(Array.from({ length: CLIENTS }, () => live(server.address, round)));
    await until(() => connected.size === 0, 60_000, "every client gone");
    const { rss } = process.memoryUsage();
    if (round === 10) early = rss;
    if (round % 10 === 0) console.log(`round ${round}: ${Math.round(rss / MEBIBYTE)} MiB`);
  }
  await server.close();
  const grown = process.memoryUsage().rss - early;
  assert.ok(grown < 64 * MEBIBYTE, `memory grew by ${Math.round(grown / MEBIBYTE)} MiB`);
  const { hosts, pumps, packets, allocations } = await diagnostics();
  assert.deepEqual(
    { hosts, pumps, packets, allocations },
    {
      hosts: before.hosts,
      pumps: before.pumps,
      packets: before.packets,
      allocations: before.allocations,
    },
  );
});
