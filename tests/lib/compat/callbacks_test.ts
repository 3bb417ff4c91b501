/**
 * Callbacks of `lib/compat` are called exactly once, whatever becomes of what they belong to.
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { test } from "node:test";
import {
  createClient,
  createClientAsync,
  createServer,
  createServerAsync,
  init,
  Packet,
  PACKET_FLAG,
  type Peer,
} from "../../../lib/compat/mod.ts";
import { addressOf, compatPair, next } from "./_compat.ts";
import { leakCheck, until } from "../../_helpers.ts";

const COUNT = 200;

/** What send callbacks have been told, in order; and a function that sends many messages. */
function recorder() {
  const calls: string[][] = [];
  return {
    calls,
    send(peer: Peer, data: string | Packet = "x".repeat(1000)): boolean {
      const mine: string[] = [];
      calls.push(mine);
      return peer.send(0, data, (error) => void mine.push(error?.message ?? "delivered"));
    },
    /** Waits until each has been called, and asserts that it was once. */
    async settle(expected: string): Promise<void> {
      await until(() => calls.every(({ length }) => length > 0), 10_000, "every callback");
      assert.deepEqual(calls, calls.map(() => [expected]));
    },
  };
}

test("Acknowledged: the callback is called once, without an error", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const sends = recorder();
  // These first: ENet drops unreliable messages itself when it sees round trips grow, as behind a queue.
  for (let i = 0; i < COUNT; i++) {
    const flags = i % 2 === 0 ? 0 : PACKET_FLAG.UNSEQUENCED;
    assert.equal(sends.send(pair.peer, new Packet("unreliable", flags)), false);
  }
  for (let i = 0; i < COUNT; i++) assert.equal(sends.send(pair.peer), false);
  await sends.settle("delivered");
  await pair.peer.sendAsync(0, "one more round");
  await sends.settle("delivered");
});

test("Not connected: the callback is called once, at once, with an error", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  using client = await createClientAsync();
  const connecting = client.connect(addressOf(pair.server)) as Peer;
  const sends = recorder();
  assert.equal(sends.send(connecting), true);
  assert.deepEqual(sends.calls, [["Packet not queued"]]);
  await next(client, "connect");
  connecting.disconnectNow();
  assert.equal(sends.send(connecting), true);
  assert.deepEqual(sends.calls[1], ["Peer is disconnected"]);
  client.destroy();
  assert.equal(sends.send(connecting), true);
  assert.deepEqual(sends.calls[2], ["host-destroyed"]);
  const refused: unknown[] = [];
  assert.equal(pair.peer.send(99, "no such channel", (error) => void refused.push(error)), true);
  const destroyed = new Packet("gone");
  destroyed.destroy();
  assert.equal(pair.peer.send(0, destroyed, (error) => void refused.push(error)), true);
  assert.deepEqual(refused.map((error) => (error as Error).message), [
    "Packet not queued",
    "null packet",
  ]);
  await assert.rejects(pair.peer.sendAsync(99, "no such channel"), /Packet not queued/);
  await pair.peer.sendAsync(0, "a round more");
  assert.equal(sends.calls.flat().length, 3);
});

for (
  const [what, act] of [
    ["Reset", (peer: Peer) => void peer.reset()],
    ["Destroyed", (_peer: Peer, destroy: () => void) => destroy()],
    ["Disconnected in flight", (peer: Peer) => void peer.disconnect()],
    ["Disconnected at once", (peer: Peer) => void peer.disconnectNow()],
  ] as const
) {
  test(`${what}: the callback is called once, with an error`, async (t) => {
    await leakCheck(t);
    using pair = await compatPair();
    const sends = recorder();
    // From now on the server hears nothing of the client, so it acknowledges nothing.
    const { port } = addressOf(pair.client);
    using _ = { [Symbol.dispose]: () => init() };
    init((_address, from) => from !== port);
    for (let i = 0; i < COUNT; i++) assert.equal(sends.send(pair.peer), false);
    act(pair.peer, () => pair.client.destroy());
    await sends.settle("packet-not-delivered");
    pair[Symbol.dispose]();
    await new Promise((resolve) => setImmediate(resolve));
    await sends.settle("packet-not-delivered");
  });
}

test("The other side leaves while messages are in flight: each callback is called once", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const sends = recorder();
  for (let i = 0; i < 2000; i++) sends.send(pair.peer);
  pair.remote.disconnectNow();
  await next(pair.peer, "disconnect");
  await until(() => sends.calls.every(({ length }) => length > 0), 10_000, "every callback");
  for (const call of sends.calls) {
    assert.equal(call.length, 1);
    assert.match(call[0], /^(delivered|packet-not-delivered)$/);
  }
});

test("Connect callbacks are called once: connected, failed, maxpeers, host-destroyed", async (t) => {
  await leakCheck(t);
  using server = await createServerAsync({ address: "127.0.0.1:0" });
  server.start();
  using client = await createClientAsync({ peers: 1 });
  const calls: string[] = [];
  const note = (name: string) => (error: Error | undefined, peer?: Peer) =>
    void calls.push(`${name} ${error?.message} ${peer?.state()}`);
  const first = client.connect(addressOf(server), 1, 0, note("first"));
  assert.equal(client.connect(addressOf(server), 1, 0, note("second")), undefined);
  await until(() => calls.length === 2, 20_000, "two callbacks");
  first?.disconnectNow();
  // A socket that never answers.
  const silent = createSocket("udp4");
  await new Promise<void>((resolve) => silent.bind(0, "127.0.0.1", resolve));
  const address = { address: "127.0.0.1", port: silent.address().port };
  const third = client.connect(address, 1, 0, note("third"));
  const failed = next(third as Peer, "disconnect");
  third?.disconnect();
  await failed;
  const fourth = client.connect(address, 1, 0, note("fourth"));
  const ended = next(fourth as Peer, "disconnect");
  client.destroy();
  await ended;
  assert.equal(client.connect(address, 1, 0, note("fifth")), undefined);
  await assert.rejects(client.connectAsync(address), /^ENetError: host-destroyed$/);
  silent.close();
  assert.deepEqual(calls.sort(), [
    "fifth host-destroyed undefined",
    "first undefined 5",
    "fourth failed undefined",
    "second maxpeers undefined",
    "third failed undefined",
  ]);
});

test("Creating calls back once: created, address in use, wrong options", async (t) => {
  await leakCheck(t);
  using server = await createServerAsync({ address: "127.0.0.1:0" });
  const calls: string[] = [];
  const host = createServer({ address: addressOf(server) }, (error, host) => {
    calls.push(`${(error as { code?: string }).code} ${host}`);
  });
  await next(host!, "destroy");
  assert.equal(createServer({ peers: 5000 }, (error) => void calls.push(error!.name)), undefined);
  assert.throws(() => createClient({ channels: 300 }), RangeError);
  assert.throws(() => createServer({ address: "::1" }), /speaks IPv4 only/);
  const alone = createServer({ address: addressOf(server) })!;
  const [error] = await next(alone, "error");
  assert.equal(error.code, "ENETJS_ERR_ADDRESS_IN_USE");
  await assert.rejects(createServerAsync({ address: addressOf(server) }), {
    code: "ENETJS_ERR_ADDRESS_IN_USE",
  });
  assert.deepEqual(calls, ["ENETJS_ERR_ADDRESS_IN_USE undefined", "RangeError"]);
});

test("A host that is destroyed while it is being opened never opens", async (t) => {
  await leakCheck(t);
  const calls: (string | undefined)[] = [];
  const host = createClient((error) => void calls.push(error?.message))!;
  host.destroy();
  await until(() => calls.length > 0, 20_000, "the callback");
  assert.deepEqual(calls, ["host-destroyed"]);
});

test("Callbacks of raw datagrams are called once", async (t) => {
  await leakCheck(t);
  using server = await createServerAsync({ address: "127.0.0.1:0" });
  using client = await createClientAsync();
  const { address, port } = addressOf(server);
  assert.equal(await client.sendAsync(address, port, "12345"), 5);
  assert.equal(await client.sendAsync("localhost", port, new Uint8Array(7)), 7);
  await assert.rejects(client.sendAsync("name.invalid", port, "x"), { code: "ENETJS_ERR_RESOLVE" });
  assert.throws(() => client.send(address, 0, "x"), RangeError);
  assert.throws(() => client.send(address, port, new Uint8Array(65_508)), RangeError);
  client.destroy();
  await assert.rejects(client.sendAsync(address, port, "x"), /host-destroyed/);
});
