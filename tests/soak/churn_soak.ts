/** Clients that come and go for minutes, with traffic, over a relay that loses and reorders. */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import process from "node:process";
import { test } from "node:test";
import { diagnostics, Host, type Peer } from "../../mod.ts";
import { until } from "../_helpers.ts";

const ROUNDS = 100;
const CLIENTS = 8;
const MEBIBYTE = 2 ** 20;

let state = 20261120;

/** A number from 0 up to, not including, 1. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/** A socket for which a datagram to somebody who has gone is lost like any; Bun reports it. */
function createRelaySocket(): Socket {
  return createSocket("udp4").on("error", (error) => {
    if (!error.message.includes("ECONNREFUSED")) throw error;
  });
}

/** A UDP relay to a port that loses 5 % of the datagrams, doubles 2 % and delays 10 %. */
async function lossyRelay(port: number) {
  const outer = createRelaySocket();
  const inner = new Map<number, Socket>();
  outer.bind(0, "127.0.0.1");
  await once(outer, "listening");
  const pass = (send: () => void) => {
    const fate = random();
    if (fate < 0.05) return;
    if (fate < 0.15) setTimeout(send, 20 * random());
    else send();
    if (fate > 0.98) send();
  };
  outer.on("message", (message, from) => {
    const socket = inner.get(from.port) ?? createRelaySocket();
    if (!inner.has(from.port)) {
      socket.on("message", (answer) => pass(() => outer.send(answer, from.port, from.address)));
      inner.set(from.port, socket);
    }
    const isOpen = () => inner.get(from.port) === socket;
    pass(() => void (isOpen() && socket.send(message, port, "127.0.0.1")));
  });
  return {
    port: outer.address().port,
    /** Forgets the clients so far. */
    rest() {
      for (const socket of inner.values()) socket.close();
      inner.clear();
    },
    close() {
      this.rest();
      outer.close();
    },
  };
}

async function live(port: number, round: number): Promise<void> {
  await using client = await Host.create();
  const peer = await client.connect({ hostname: "127.0.0.1", port }, { timeoutMs: 30_000 });
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
  const relay = await lossyRelay(server.address.port);
  let early = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(Array.from({ length: CLIENTS }, () => live(relay.port, round)));
    await until(() => connected.size === 0, 60_000, "every client gone");
    relay.rest();
    const { rss } = process.memoryUsage();
    if (round === 10) early = rss;
    if (round % 10 === 0) console.log(`round ${round}: ${Math.round(rss / MEBIBYTE)} MiB`);
  }
  relay.close();
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
