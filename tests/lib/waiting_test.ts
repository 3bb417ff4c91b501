/**
 * What waits in JavaScript counts towards `maximumHostData`, and peers share it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type ListenOptions, type Packet, type Peer } from "../../mod.ts";
import { leakCheck, until, withDeadline } from "../_helpers.ts";

const MIB = 2 ** 20;
const PEERS = 4;

/** A server that takes one message of each peer, and more only when it is told to. */
async function stuckServer(options: ListenOptions) {
  const resume = Promise.withResolvers<void>();
  const taken: Packet[] = [];
  let count = 0;
  const server = await Host.listen(
    { hostname: "127.0.0.1", maximumWaitingData: MIB, ...options },
    {
      async connect(peer, data) {
        if (data === 0) return;
        for await (const { packet } of peer) {
          count++;
          taken.push(packet);
          await resume.promise;
        }
      },
      receive: (peer, channelId, packet) => void peer.send(channelId, packet),
    },
  );
  return { server, resume: () => resume.resolve(), taken, count: () => count };
}

async function connectAll(client: Host, server: Host, count: number): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (let i = 0; i < count; i++) {
    const peer = await client.connect(server.address, { data: 1 });
    peer.timeout({ minimumMs: 60_000, maximumMs: 120_000 }); // on a busy machine they are held back for long
    peers.push(peer);
  }
  return peers;
}

/** Whether a peer in good order is still answered. */
async function requireEcho(server: Host): Promise<void> {
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  peer.send(0, "anybody there?");
  const { packet } = await peer.receive({ timeoutMs: 20_000 });
  assert.equal(packet.text(), "anybody there?");
}

test("Large messages that loops over peers have taken count, and keep nobody out", async (t) => {
  await leakCheck(t);
  const limit = 16 * MIB;
  const { server, resume, taken, count } = await stuckServer({
    maximumHostData: limit,
    maximumPacketSize: 2 * MIB,
  });
  await using _server = server;
  await using client = await Host.create();
  const peers = await connectAll(client, server, PEERS);
  const message = new Uint8Array(2 * MIB).fill(7);
  const sent = peers.flatMap((peer) => [1, 2, 3].map(() => peer.deliver(0, message)));
  await until(() => taken.length >= 2, 20_000, "two messages");
  await until(() => server.stats.overBudget > 0, 20_000, "a peer that is held back");
  const { hostData } = server.stats;
  assert.ok(hostData >= taken.length * message.length, `${hostData} of ${taken.length} messages`);
  assert.ok(hostData <= limit, `${hostData} bytes`);
  await requireEcho(server);
  resume();
  await withDeadline(Promise.all(sent), 60_000, "all messages");
  await until(() => count() === sent.length, 20_000, "all messages to be taken");
});

test("A message counts until it is given back, or is the program's own", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" }, { connect: () => {} });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  const remote = await until(() => server.peers[0], 20_000, "the connect event");
  const messages = remote[Symbol.asyncIterator]();
  const size = 200_000;
  const next = async () => {
    await peer.deliver(0, new Uint8Array(size));
    return (await messages.next()).value.packet as Packet;
  };
  const first = await next();
  assert.ok(server.stats.hostData >= size);
  first.retain();
  assert.ok(server.stats.hostData < size);
  await next();
  assert.ok(server.stats.hostData >= size);
  await messages.return?.();
  assert.ok(server.stats.hostData < size);
  assert.equal(first.view.length, size);
  first.dispose();
});

test("A message that is lent outlives its host", async (t) => {
  await leakCheck(t);
  await using client = await Host.create();
  const server = await Host.listen({ hostname: "127.0.0.1" }, { connect: () => {} });
  const peer = await client.connect(server.address);
  const remote = await until(() => server.peers[0], 20_000, "the connect event");
  const messages = remote[Symbol.asyncIterator]();
  const next = messages.next();
  peer.send(0, new Uint8Array(200_000).fill(5));
  const { packet } = (await next).value;
  const view = packet.view;
  await server.close({ graceMs: 0 });
  assert.ok(view.length === 0 || view.every((byte: number) => byte === 5));
  await messages.return?.();
});

test("Small messages that wait in JavaScript count, and peers share the room for them", async (t) => {
  await leakCheck(t);
  const limit = 16 * MIB;
  const { server, resume, count } = await stuckServer({
    maximumHostData: limit,
    maximumPacketSize: MIB,
    eventCapacity: 256,
  });
  await using _server = server;
  await using client = await Host.create({ highWaterMark: 4 * MIB });
  const peers = await connectAll(client, server, PEERS);
  const message = new Uint8Array(200);
  for (const peer of peers) for (let i = 0; i < 100; i++) peer.send(0, message);
  await Promise.all(peers.map((peer) => peer.deliver(0, message)));
  const counted = () => server.stats.hostData > PEERS * 100 * 200;
  await until(counted, 20_000, "JavaScript to have them");
  // More than JavaScript's part for these peers, and no more than native code may hold of one of them.
  const each = 2500;
  const floods = peers.map((peer) => {
    for (let i = 1; i < each; i++) peer.send(0, message);
    return peer.deliver(0, message);
  });
  await withDeadline(Promise.all(floods), 60_000, "the floods");
  assert.ok(server.stats.hostData <= limit, `${server.stats.hostData} bytes`);
  await requireEcho(server);
  resume();
  const all = PEERS * (101 + each);
  await until(() => count() === all, 60_000, "all messages to be taken");
});
