/**
 * Messages and events that no consumer takes are bounded, or dropped.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { LAYOUT } from "../../ffi/layout.ts";
import { hosts } from "../../lib/host.ts";
import { Host, type Peer } from "../../mod.ts";
import { leakCheck, until, withDeadline } from "../_helpers.ts";

/** Sends messages of 1 KiB as fast as the other side takes them. */
async function flood(peer: Peer, messages: number): Promise<void> {
  for (let i = 0; i < messages; i++) {
    if (!peer.send(0, new Uint8Array(1024))) await peer.drain();
  }
  await peer.deliver(0, "the last");
}

test("A host whose handlers take no messages keeps few of them, and can send", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1", highWaterMark: 1000 }, {
    connect: () => {},
  });
  await using client = await Host.create({}, { receive: () => {} });
  const peer = await client.connect(server.address);
  const remote = await until(() => server.peers[0], 20_000, "the connect event");
  await withDeadline(flood(peer, 1000), 20_000, "1,000 messages"); // within what waits
  const before = process.memoryUsage().rss;
  await withDeadline(flood(peer, 40_000), 60_000, "40 MB, which nobody takes");
  assert.ok(remote.stats.totalWaitingData < 2 ** 21, `${remote.stats.totalWaitingData} wait`);
  t.diagnostic?.(`rss grew by ${((process.memoryUsage().rss - before) / 2 ** 20).toFixed(1)} MiB`);
  assert.equal(remote.send(0, new Uint8Array(5000)), false);
  await withDeadline(remote.drain(), 20_000, "drain()");
  // Who begins to read has what comes from then on.
  const messages = remote[Symbol.asyncIterator]();
  const next = messages.next();
  peer.send(1, "heard");
  assert.equal((await withDeadline(next, 20_000, "a message")).value.packet.text(), "heard");
  await messages.return?.();
});

test("What a peer sends before anybody reads it is not lost, as long as it is little", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" }, { connect: () => {} });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  const remote = await until(() => server.peers[0], 20_000, "the connect event");
  await flood(peer, 900);
  let count = 0;
  for await (const { packet } of remote) {
    count++;
    if (packet.length === 8) break;
  }
  assert.equal(count, 901);
});

test("A loop that has been left gathers no events of connections that come and go", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1", peers: 2 });
  await using client = await Host.create();
  const seen = await client.connect(server.address);
  for await (const event of server) {
    if (event.type === "connect") break;
  }
  for (let i = 0; i < 3000; i++) {
    const peer = await client.connect(server.address);
    await withDeadline(peer.disconnect(), 20_000, "a disconnect");
  }
  await seen.disconnect();
  await until(() => server.peers.length === 0, 20_000, "the last disconnect");
  await server.close();
  const ends: Peer[] = [];
  for await (const event of server) {
    assert.equal(event.type, "disconnect");
    if (event.type === "disconnect") ends.push(event.peer);
  }
  assert.equal(ends.length, 1, "of what was seen, the end");
});

test("A loop that is taken up again has pairs of connect and disconnect, bounded in number", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1", peers: 2 });
  await using client = await Host.create();
  for (let i = 0; i < 3000; i++) {
    const peer = await client.connect(server.address);
    await withDeadline(peer.disconnect(), 20_000, "a disconnect");
  }
  await client.connect(server.address, { data: 7 });
  const open = new Set<Peer>();
  let events = 0;
  for await (const event of server) {
    events++;
    if (event.type === "connect") open.add(event.peer);
    if (event.type === "disconnect") {
      assert.ok(open.delete(event.peer), "a connect event before it");
    }
    if (event.type === "connect" && event.data === 7) break;
  }
  assert.ok(events <= 4100, `${events} events`);
});

test("Handlers that take no messages gather none of connections that come and go", async (t) => {
  await leakCheck(t);
  let ends = 0;
  const withoutReceive = { disconnect: () => void ends++ };
  await using server = await Host.listen({ hostname: "127.0.0.1" }, withoutReceive);
  await using client = await Host.create();
  const { memory } = hosts.endpointOf(server);
  let kept = 0;
  for (let i = 0; i < 400; i++) {
    const peer = await client.connect(server.address);
    for (let j = 0; j < 5; j++) peer.send(0, new Uint8Array(20_000));
    await withDeadline(peer.disconnectLater(), 20_000, "a disconnect");
    kept = Math.max(kept, memory.words[LAYOUT.WORD_KEPT]);
  }
  await until(() => ends === 400, 20_000, "the disconnect events");
  assert.ok(kept < 17 * 2 ** 20, `${kept} bytes waited`);
});

for (const consumer of ["handlers", "service()"]) {
  test(`${consumer} that come later get no message behind the end of its peer`, async (t) => {
    await leakCheck(t);
    const ended = Promise.withResolvers<unknown>();
    await using server = await Host.listen({ hostname: "127.0.0.1" }, {
      disconnect: ended.resolve,
    });
    await using client = await Host.create();
    const peer = await client.connect(server.address);
    const other = await client.connect(server.address);
    peer.send(0, "of one that is gone");
    await peer.disconnectLater();
    await withDeadline(ended.promise, 20_000, "the disconnect event");
    await other.deliver(0, "of one that is there");
    const got: string[] = [];
    if (consumer === "handlers") {
      server.handlers = { receive: (_peer, _channelId, packet) => void got.push(packet.text()) };
    } else server.handlers = undefined;
    await until(
      () => {
        const event = consumer === "handlers" ? null : server.service();
        if (event?.type === "receive") got.push(event.packet.text());
        return got.includes("of one that is there");
      },
      20_000,
      "the message of the other peer",
    );
    assert.deepEqual(got, ["of one that is there"]);
  });
}
