/**
 * What a server with the settings of docs/security.md, "A small server", takes in the worst case.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, PacketFlag, type Peer } from "../../mod.ts";
import type { Held } from "../programs/small_server.ts";
import { currentRuntime, leakCheck, spawnRuntime, type TestContext, until } from "../_helpers.ts";

const MIB = 2 ** 20;

/** What the page says. */
const HOST_DATA = 32 * MIB;
const ALL = 49 * MIB;

/** Messages of all kinds, as many as the queue takes. */
function flood(peer: Peer, bytes: Uint8Array): void {
  let room = true;
  for (let i = 0; room && i < 1000; i++) {
    room = peer.send(0, bytes.subarray(0, [20, 1200, 250_000, 0][i % 4]));
    peer.send(1, bytes.subarray(0, 1000), PacketFlag.UNRELIABLE);
    peer.send(2, bytes.subarray(0, 30_000), PacketFlag.UNRELIABLE_FRAGMENT);
  }
}

/** Overruns a server. @param consumer what stalls there */
async function check(t: TestContext, consumer: "host" | "peers"): Promise<void> {
  await leakCheck(t);
  await using server = spawnRuntime(currentRuntime(), "small_server.ts", [consumer]);
  let questions = 0;
  const ask = async (): Promise<Held> => {
    const question = `held ${++questions}`;
    server.write(question);
    return JSON.parse(await server.line(question));
  };
  const port = Number(await server.line("port "));
  await using client = await Host.create({ peers: 32 });
  const before = await ask();
  const peers: Peer[] = [];
  for (let i = 0; i < 32; i++) {
    peers.push(await client.connect({ hostname: "127.0.0.1", port }, { channels: 8 }));
  }
  const bytes = new Uint8Array(250_000).fill(7);
  let most = before;
  const overrun = async () => {
    for (const peer of peers) flood(peer, bytes);
    const held = await ask();
    assert.ok(held.hostData <= HOST_DATA, JSON.stringify(held));
    if (held.reservedBytes > most.reservedBytes) most = held;
    // All of it has come that may: each peer is at its limit.
    return held.overBudget > 1000 && held.hostData > HOST_DATA * 0.4;
  };
  await until(overrun, 60_000, "a server at its limit");
  const figures = JSON.stringify({ before, most });
  t.diagnostic?.(figures);
  assert.ok(most.allocatedBytes <= HOST_DATA + 4 * MIB, figures);
  assert.ok(most.reservedBytes <= ALL, figures);
  // The resident memory depends on the runtime's collector as well.
  assert.ok(most.rss - before.rss <= 2 * ALL, figures);
}

test("A small server that stalls stays within what the page on security says", async (t) => {
  await check(t, "host");
});

test("A small server that stalls in a loop over each peer stays within what the page says", async (t) => {
  await check(t, "peers");
});
