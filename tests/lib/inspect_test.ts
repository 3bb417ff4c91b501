/**
 * What `console.log` shows of the library's objects, on each runtime.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as util from "node:util";
import { ENetError, Group, Host, Packet } from "../../mod.ts";
import { connectedPair, leakCheck } from "../_helpers.ts";

/** As `console.log` of this runtime shows a value. */
function shown(value: unknown): string {
  const { Deno, Bun } = globalThis as unknown as Record<"Deno" | "Bun", typeof util | undefined>;
  const own = (Deno ?? Bun ?? util).inspect(value);
  // Numbers may change between the two.
  const shape = (text: string) => text.replaceAll(/\s+/g, " ").replaceAll(/\d+/g, "0");
  assert.equal(shape(util.inspect(value)), shape(own));
  return own;
}

test("A peer shows its address, its state, its round trip and its queue", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ client: { stallLimitMs: 60_000 } });
  const { peer, client } = pair;
  const where = `${peer.address.hostname}:${peer.address.port}`;
  assert.match(shown(peer), new RegExp(`^Peer { ${where}, connected, \\d+ ms, queued 0 B }$`));
  assert.match(shown([peer]), /^\[\s*Peer { /);
  peer.send(0, new Uint8Array(1000));
  assert.match(shown(peer), /queued [1-9]\d* B }$/);
  await peer.disconnect(7);
  assert.equal(shown(peer), `Peer { ${where}, ended: local, data 7 }`);
  await client.close();
  assert.equal(shown(peer), `Peer { ${where}, ended: local, data 7 }`);
});

test("A peer of a closed host shows nothing of another connection", async (t) => {
  await leakCheck(t);
  const pair = await connectedPair();
  const { peer, client } = pair;
  const where = `${peer.address.hostname}:${peer.address.port}`;
  client[Symbol.dispose]();
  assert.match(shown(peer), new RegExp(`^Peer { ${where}, (ended: |disconnected)`));
  await pair[Symbol.asyncDispose]();
});

test("A host shows its address and how many are connected", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, server } = pair;
  assert.equal(shown(server), `Host { 127.0.0.1:${server.address.port}, 1 connected peer }`);
  const { hostname, port } = client.address;
  const where = hostname === "::" ? `[::]:${port}` : `0.0.0.0:${port}`;
  assert.equal(shown(client), `Host { ${where}, 1 connected peer }`);
  const closing = client.close();
  assert.match(
    shown(client),
    /^Host { ((0\.0\.0\.0|\[::\]):\d+, \d connected peers?, closing|closed) }$/,
  );
  await closing;
  assert.equal(shown(client), "Host { closed }");
});

test("A group shows how many are in it", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const group = pair.client.group();
  assert.equal(shown(group), "Group { 0 peers }");
  group.add(pair.peer);
  assert.equal(shown(group), "Group { 1 peer }");
});

test("A packet shows its size and its first bytes, and is as before afterwards", async (t) => {
  await leakCheck(t);
  assert.equal(shown(Packet.from("hello")), "Packet { 5 bytes, 68 65 6c 6c 6f }");
  assert.equal(shown(Packet.from(Uint8Array.of(7))), "Packet { 1 byte, 07 }");
  assert.equal(shown(Packet.from("")), "Packet { 0 bytes }");
  assert.match(shown(Packet.from(new Uint8Array(20))), /^Packet { 20 bytes, (00 ){16}… }$/);
  await using pair = await connectedPair();
  const { peer, server } = pair;
  let large: Packet | undefined;
  const sizes = [5, 200_000];
  for (const size of sizes) peer.send(0, new Uint8Array(size).fill(0xAB));
  for await (const event of server) {
    if (event.type !== "receive") continue;
    const { packet } = event;
    if (packet.length === 5) {
      assert.equal(shown(packet), "Packet { 5 bytes, ab ab ab ab ab }");
      continue;
    }
    large = packet;
    assert.equal(shown(packet), "Packet { 200000 bytes }");
    assert.equal(packet.view[0], 0xAB);
    break;
  }
  assert.match(shown(large), /^Packet { 200000 bytes, gone: it was borrowed until /);
  const packet = Packet.alloc(4);
  packet.dispose();
  assert.equal(shown(packet), "Packet { 4 bytes, gone: it has been disposed of }");
});

test("An error shows its code, and the other side's number only where there is one", () => {
  const refused = util.inspect(new ENetError("ENETJS_ERR_REFUSED", "no", { data: 5 }));
  assert.match(refused, /code: ["']ENETJS_ERR_REFUSED["'],?\s+data: 5\b|data: 5,\s+code: /);
  const late = util.inspect(new ENetError("ENETJS_ERR_TIMEOUT", "late"));
  assert.match(late, /ENETJS_ERR_TIMEOUT/);
  assert.doesNotMatch(late, /\bdata\b/);
});

test("The classes themselves can be shown", () => {
  for (const type of [Group, Host, Packet]) {
    assert.match(shown(type), new RegExp(type.name));
    assert.equal(typeof util.inspect(type.prototype), "string");
  }
});
