/**
 * A host whose peers come over two transports: ENet, and one in memory that this file makes. Peers, groups,
 * broadcasts, limits and `accept` treat both alike.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DISCONNECT, LAYOUT, PEER_OPTION, PEER_STAT, type PeerOption } from "../../ffi/layout.ts";
import { PLAIN_CLIENT } from "../../lib/internal/client_facts.ts";
import { Connection } from "../../lib/internal/connection.ts";
import type { Endpoint } from "../../lib/internal/endpoint.ts";
import { dataBytes } from "../../lib/internal/payload.ts";
import type { Carried, Recipients, Transport } from "../../lib/internal/transport.ts";
import { NATIVE_ERROR } from "../../lib/errors.ts";
import { hosts } from "../../lib/host.ts";
import { peers } from "../../lib/peer.ts";
import {
  type AddressFilter,
  type Data,
  Host,
  Packet,
  PacketFlag,
  type Peer,
  PEER_STATES,
  type ResolvedLimits,
} from "../../mod.ts";
import { leakCheck, until, withDeadline } from "../_helpers.ts";

/** The other side of a connection in memory. */
interface Client {
  readonly connection: Connection;
  /** Text of what has reached it. */
  readonly got: string[];
  /** What waits for `acknowledge`, by token or 0. */
  readonly queue: { readonly token: number; readonly bytes: number }[];
  paused: boolean;
}

const CONNECTED = PEER_STATES.indexOf("connected");

/** Carries connections to clients in this process. A message waits in its queue until it is acknowledged. */
class MemoryTransport implements Transport {
  readonly clients = new Map<number, Client>();
  readonly verdicts = new Map<number, number>();
  readonly log: string[] = [];
  limits: ResolvedLimits | undefined;
  rules: AddressFilter | undefined;
  copies = 0;
  #count = 0;
  readonly #endpoint: Endpoint;

  constructor(host: Host) {
    this.#endpoint = hosts.endpointOf(host);
    this.#endpoint.carry(this);
  }

  /** A client connects; returns its side. */
  connect(data = 0): Client {
    const address = { hostname: "192.0.2.1", port: 1 };
    const id = ++this.#count;
    const connection = new Connection(this.#endpoint, this, id, address, 2, false);
    const client = { connection, got: [], queue: [], paused: false };
    this.clients.set(id, client);
    this.#endpoint.inlet.reportConnect(connection, data);
    return client;
  }

  /** The client sends. */
  push({ connection }: Client, channelId: number, text: string): void {
    this.#endpoint.inlet.reportMessage(connection, channelId, Packet.from(text));
  }

  /** The client acknowledges all that it has got. */
  acknowledge({ connection, queue }: Client): void {
    for (const { token } of queue.splice(0)) {
      if (token !== 0) this.#endpoint.deliveries.settle(token, true);
    }
    connection.drain();
  }

  /** The client disconnects. */
  leave({ connection, queue }: Client, data: number): void {
    this.#end(connection, "remote", data);
    for (const { token } of queue) this.#endpoint.deliveries.settle(token, false);
  }

  /** A client asks whether it may connect. */
  ask(question: number): void {
    const attempt = {
      address: { hostname: "192.0.2.1", port: 1 },
      data: question,
      channels: 2,
      ...PLAIN_CLIENT,
    };
    this.#endpoint.inlet.onAttempt(this, question, attempt, 0);
    this.#endpoint.change();
  }

  #end(connection: Connection, reason: "remote" | "local", data: number): void {
    if (!this.clients.delete(connection.id)) return;
    this.#endpoint.inlet.reportEnd(connection, { reason, data });
  }

  #queue(id: number, bytes: Uint8Array, token: number): number {
    const client = this.clients.get(id);
    if (client === undefined) return NATIVE_ERROR.STALE;
    client.got.push(new TextDecoder().decode(bytes));
    client.queue.push({ token, bytes: bytes.length });
    const isFull = this.#queued(client) > this.#endpoint.settings.highWaterMark;
    client.connection.full ||= isFull;
    return Number(isFull);
  }

  #queued({ queue }: Client): number {
    return queue.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  post(): boolean {
    return false;
  }

  send(to: Carried, _channelId: number, _flags: number, data: Data, token: number): number {
    return this.#queue(to.id, dataBytes(data), token);
  }

  broadcast(channelId: number, _flags: number, data: Data, to: Recipients, mode: number): number {
    const ids = new Set(new Float64Array(to.ids.buffer, 0, to.byteLength / 8));
    const chosen = [...this.clients.values()].filter(({ connection: { id, channels } }) =>
      ids.has(id) === (mode === LAYOUT.BROADCAST_TO) && channelId < channels
    );
    const bytes = dataBytes(data);
    this.copies++;
    for (const { connection } of chosen) this.#queue(connection.id, bytes, 0);
    return chosen.length;
  }

  disconnect({ id }: Carried, data: number, mode: number): number {
    const client = this.clients.get(id);
    if (client === undefined) return NATIVE_ERROR.STALE;
    this.log.push(`${id} ends: ${data}`);
    if (mode === DISCONNECT.NOW) this.#end(client.connection, "local", data);
    else queueMicrotask(() => this.#end(client.connection, "local", data));
    return 0;
  }

  reset({ id }: Carried): number {
    return this.clients.delete(id) ? 0 : NATIVE_ERROR.STALE;
  }

  ping({ id }: Carried): number {
    this.log.push(`${id} ping`);
    return 0;
  }

  set({ id }: Carried, option: PeerOption, a: number): number {
    const client = this.clients.get(id);
    if (client !== undefined && option === PEER_OPTION.PAUSED) client.paused = a === 1;
    return 0;
  }

  state({ id }: Carried): number {
    return this.clients.has(id) ? CONNECTED : NATIVE_ERROR.STALE;
  }

  stats({ id }: Carried): Float64Array | undefined {
    const client = this.clients.get(id);
    if (client === undefined) return undefined;
    const stats = new Float64Array(LAYOUT.STATS_COUNT);
    stats[PEER_STAT.STATE] = CONNECTED;
    stats[PEER_STAT.QUEUED_BYTES] = this.#queued(client);
    stats[PEER_STAT.QUEUED_MESSAGES] = client.queue.length;
    return stats;
  }

  answer(question: number, verdict: number): void {
    this.verdicts.set(question, verdict);
  }

  limit(limits: ResolvedLimits): void {
    this.limits = limits;
  }

  filter(filter: AddressFilter): void {
    this.rules = filter;
  }
}

const LOOPBACK = { hostname: "127.0.0.1" };

/** What happens at a host, as text. */
function logOf(log: string[]) {
  return {
    connect: (peer: Peer, data: number) => void log.push(`connect ${peer.id} ${data}`),
    receive: (peer: Peer, channelId: number, packet: Packet) =>
      void log.push(`receive ${peer.id} ${channelId} ${packet.text()}`),
    disconnect: (peer: Peer, reason: string, data: number) =>
      void log.push(`disconnect ${peer.id} ${reason} ${data}`),
  };
}

test("A peer of another transport sends, delivers, drains, tells and ends as one of ENet's", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ ...LOOPBACK, highWaterMark: 100 });
  const transport = new MemoryTransport(host);
  const client = transport.connect(7);
  const peer = peers.of(client.connection);
  assert.equal(peer.host, host);
  assert.deepEqual(host.peers, [peer]);
  assert.equal(host.stats.connectedPeers, 1);
  assert.equal(peer.state, "connected");
  assert.equal(peer.send(0, "one"), true);
  assert.equal(peer.send(1, new Uint8Array(98).fill(65), PacketFlag.UNRELIABLE), false);
  assert.equal(peer.queuedBytes, 101);
  assert.equal(peer.stats.queuedMessages, 2);
  assert.throws(() => peer.send(2, "no such channel"), RangeError);
  const drained = peer.drain();
  const delivered = peer.deliver(0, "two");
  transport.acknowledge(client);
  await withDeadline(Promise.all([drained, delivered]), 20_000, "the acknowledgements");
  assert.deepEqual(client.got, ["one", "A".repeat(98), "two"]);
  const lost = assert.rejects(peer.deliver(0, "three"), { code: "ENETJS_ERR_UNDELIVERED" });
  peer.ping();
  peer.timeout({});
  transport.leave(client, 9);
  await lost;
  assert.deepEqual(await peer.closed, { reason: "remote", data: 9 });
  assert.equal(peer.state, "disconnected");
  assert.equal(peer.send(0, "late"), false);
  assert.equal(peer.stats.queuedBytes, 0);
  await assert.rejects(peer.drain(), { code: "ENETJS_ERR_STALE" });
  assert.deepEqual(transport.log, ["1 ping"]);
});

/** A host with two peers of each kind, and what the clients get. */
async function mixed() {
  const host = await Host.listen(LOOPBACK);
  const transport = new MemoryTransport(host);
  const enet = await Host.create();
  const got: string[][] = [];
  const natives: Peer[] = [];
  for (const index of [0, 1]) {
    const peer = await enet.connect(host.address);
    await until(() => host.peers.length > index, 20_000, "the connection");
    natives.push(host.peers[index]);
    const texts: string[] = got[index] = [];
    void (async () => {
      for await (const { packet } of peer) texts.push(packet.text());
    })();
  }
  const clients = [transport.connect(), transport.connect()];
  got.push(...clients.map((client) => client.got));
  const all = [...natives, ...clients.map(({ connection }) => peers.of(connection))];
  return { host, transport, enet, got, all, clients };
}

test("Groups and broadcasts reach the peers of all transports", async (t) => {
  await leakCheck(t);
  const { host, transport, enet, got, all, clients } = await mixed();
  await using _host = host;
  await using _enet = enet;
  const [a, b, c, d] = all;
  const group = host.group();
  assert.equal(group.send(0, "nobody"), 0);
  for (const peer of all) assert.equal(group.add(peer), true);
  assert.deepEqual([...group], all);
  assert.equal(group.send(0, "1 all"), 4);
  assert.equal(group.send(0, "2 not a, c", PacketFlag.RELIABLE, { except: [a, c] }), 2);
  assert.equal(group.send(0, "3 not d", PacketFlag.RELIABLE, { except: d }), 3);
  assert.equal(group.delete(c), true);
  assert.equal(group.delete(a), true);
  assert.equal(group.send(0, "4 b, d"), 2);
  assert.equal(host.broadcast(0, "5 all"), 4);
  assert.equal(host.broadcast(0, "6 not b, c", PacketFlag.RELIABLE, { except: [b, c] }), 2);
  assert.equal(host.broadcast(0, "7 a, d", PacketFlag.RELIABLE, { to: [d, a] }), 2);
  assert.equal(host.broadcast(0, "8 c", PacketFlag.RELIABLE, { to: c }), 1);
  assert.equal(host.broadcast(0, "9 c", PacketFlag.RELIABLE, { to: [c, d], except: d }), 1);
  assert.throws(() => host.broadcast(0, Symbol() as unknown as Data), TypeError);
  assert.throws(() => group.send(255, "no such channel"), RangeError);
  const expected = [
    ["1 all", "3 not d", "5 all", "6 not b, c", "7 a, d"],
    ["1 all", "2 not a, c", "3 not d", "4 b, d", "5 all"],
    ["1 all", "3 not d", "5 all", "8 c", "9 c"],
    ["1 all", "2 not a, c", "4 b, d", "5 all", "6 not b, c", "7 a, d"],
  ];
  await until(() => got.flat().length >= expected.flat().length, 20_000, "all messages");
  assert.deepEqual(got, expected);
  group.add(c);
  transport.leave(clients[0], 0);
  assert.deepEqual([...group], [b, d], "c has left with its connection");
  assert.equal(host.broadcast(0, "10 a, b, d"), 3);
  await using other = await Host.listen(LOOPBACK);
  assert.throws(() => other.group().add(c), /a peer of another host/);
});

for (const way of ["handlers", "iteration", "service"]) {
  test(`What another transport brings reaches ${way}`, async (t) => {
    await leakCheck(t);
    const log: string[] = [];
    const take = logOf(log);
    await using host = await Host.listen(
      { ...LOOPBACK, pump: way !== "service" },
      way === "handlers" ? take : undefined,
    );
    const transport = new MemoryTransport(host);
    const client = transport.connect(5);
    transport.push(client, 1, "hello");
    const gone = transport.connect();
    transport.leave(gone, 6);
    transport.push(client, 0, "again");
    const reader = way !== "iteration" ? undefined : (async () => {
      for await (const event of host) {
        if (event.type === "connect") take.connect(event.peer, event.data);
        if (event.type === "receive") take.receive(event.peer, event.channelId, event.packet);
        if (event.type === "disconnect") take.disconnect(event.peer, event.reason, event.data);
        if (log.length === 5) break;
      }
    })();
    await until(
      () => {
        const event = way === "service" ? host.service() : null;
        if (event?.type === "connect") take.connect(event.peer, event.data);
        if (event?.type === "receive") take.receive(event.peer, event.channelId, event.packet);
        if (event?.type === "disconnect") take.disconnect(event.peer, event.reason, event.data);
        return log.length === 5;
      },
      20_000,
      "five events",
    );
    await reader;
    assert.deepEqual(log, [
      "connect 1 5",
      "receive 1 1 hello",
      "connect 2 0",
      "disconnect 2 remote 6",
      "receive 1 0 again",
    ]);
  });
}

test("An iteration over a peer of another transport takes its messages", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen(LOOPBACK);
  const transport = new MemoryTransport(host);
  const client = transport.connect();
  const peer = peers.of(client.connection);
  transport.push(client, 0, "kept");
  const read = peer.receive();
  assert.equal((await withDeadline(read, 20_000, "the first")).packet.text(), "kept");
  const texts: string[] = [];
  const reading = (async () => {
    for await (const { packet } of peer) texts.push(packet.text());
  })();
  for (const text of ["a", "b"]) transport.push(client, 0, text);
  await until(() => texts.length === 2, 20_000, "the messages");
  transport.leave(client, 0);
  await withDeadline(reading, 20_000, "the end");
  assert.deepEqual(texts, ["a", "b"]);
});

test("A transport is told to pause a peer of which too much waits", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen(LOOPBACK);
  const transport = new MemoryTransport(host);
  const client = transport.connect();
  const text = "x".repeat(1024 * 1024);
  for (let i = 0; i < 3; i++) transport.push(client, 0, text);
  assert.equal(client.paused, true);
  let count = 0;
  for await (const event of host) if (event.type === "receive" && ++count === 3) break;
  assert.equal(client.paused, false);
});

test("Limits, filter and accept are those of every transport", async (t) => {
  await leakCheck(t);
  const asked: number[] = [];
  await using host = await Host.listen({
    ...LOOPBACK,
    accept({ data }) {
      asked.push(data);
      return data === 1 ? true : data === 2 ? 77 : Promise.resolve(false);
    },
  });
  const transport = new MemoryTransport(host);
  assert.deepEqual([transport.limits, transport.rules], [host.limits, host.filter]);
  host.limits = { peer: { messages: { perSecond: 10 } } };
  host.filter = { deny: ["192.0.2.0/24"] };
  assert.deepEqual([transport.limits, transport.rules], [host.limits, host.filter]);
  for (const question of [1, 2, 3]) transport.ask(question);
  await until(() => transport.verdicts.size === 3, 20_000, "the verdicts");
  assert.deepEqual([...transport.verdicts], [[1, LAYOUT.ACCEPT], [2, 77], [
    3,
    LAYOUT.CODE_DENIED,
  ]]);
  host.accept = undefined;
  transport.ask(4);
  await until(() => transport.verdicts.has(4), 20_000, "the verdict");
  assert.equal(transport.verdicts.get(4), LAYOUT.ACCEPT);
  assert.deepEqual(asked, [1, 2, 3]);
});

for (const graceMs of [1000, 0]) {
  test(`close({ graceMs: ${graceMs} }) ends the peers of every transport, each with one event`, async (t) => {
    await leakCheck(t);
    const log: string[] = [];
    await using host = await Host.listen(LOOPBACK, logOf(log));
    const transport = new MemoryTransport(host);
    transport.connect();
    await until(() => log.length === 1, 20_000, "the connect event");
    await host.close({ graceMs, data: 3 });
    await until(() => log.length === 2, 20_000, "the disconnect event");
    assert.deepEqual(log, ["connect 1 0", "disconnect 1 local 3"]);
    assert.equal(transport.log[0], "1 ends: 3");
    assert.equal(transport.clients.size, 0);
  });
}
