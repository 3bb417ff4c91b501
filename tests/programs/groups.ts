/*
 * Groups that the program forgets are collected although their members live on, and the members forget
 * them. Needs the collector exposed.
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { diagnostics, Host, type Peer } from "../../mod.ts";
import { peers } from "../../lib/peer.ts";

const globals = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
const collect = () => globals.Bun ? globals.Bun.gc(true) : globals.gc?.();
const GROUPS = 1000;

const server = await Host.listen({ hostname: "127.0.0.1" });
const client = await Host.create();
const peer = await client.connect(server.address);
const { allocations } = await diagnostics();

/** A function of its own, so that this frame refers to none of them afterwards. */
function makeGroups(peer: Peer): void {
  for (let i = 0; i < GROUPS; i++) {
    const group = client.group();
    assert.equal(group.add(peer), true);
    assert.equal(group.size, 1);
  }
}

const kept = client.group();
kept.add(peer);
makeGroups(peer);
const { memberships } = peers.connectionOf(peer);
assert.equal(memberships.size, GROUPS + 1);
// A collector that is careful with the stack may spare some.
for (let i = 0; i < 1000 && memberships.size > GROUPS / 20; i++) {
  collect();
  await setImmediate();
}
assert.ok(memberships.size <= GROUPS / 20, `${memberships.size} of ${GROUPS} are left`);
assert.deepEqual([...kept], [peer]);
assert.ok((await diagnostics()).allocations < allocations + 100, "groups take no native memory");
assert.equal(kept.send(0, "still here"), 1);
await client.close();
assert.equal(kept.size, 0);
assert.equal(memberships.size, 0, "who is gone refers to no group");
await server.close();
