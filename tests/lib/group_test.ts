/**
 * Messages to several peers: groups, and broadcasts to some.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnostics, Host, PacketFlag, type Peer } from "../../mod.ts";
import {
  currentRuntime,
  equalBytes,
  type Journal,
  journal,
  leakCheck,
  spawnRuntime,
  until,
  withDeadline,
} from "../_helpers.ts";

/** A server, and clients with what each has received. */
interface Party extends AsyncDisposable {
  readonly server: Host;
  readonly log: Journal;
  readonly clients: readonly Host[];
  /** The clients as the server sees them, in the order of `clients`. */
  readonly peers: readonly Peer[];
  readonly logs: readonly Journal[];
}

async function party(count: number): Promise<Party> {
  await using stack = new AsyncDisposableStack();
  const log = journal();
  // So that its pump sends nothing of what a test queues in one turn.
  const options = { hostname: "127.0.0.1", stallLimitMs: 60_000 };
  const server = stack.use(await Host.listen(options, log.handlers));
  const clients: Host[] = [];
  const peers: Peer[] = [];
  const logs: Journal[] = [];
  for (let i = 0; i < count; i++) {
    const seen = journal();
    const client = stack.use(await Host.create({}, seen.handlers));
    await client.connect(server.address);
    peers.push((await log.wait("connect", i + 1))[i].peer);
    clients.push(client);
    logs.push(seen);
  }
  const hosts = stack.move();
  return { server, log, clients, peers, logs, [Symbol.asyncDispose]: () => hosts.disposeAsync() };
}

const decoder = new TextDecoder();
const texts = (log: Journal) => log.all("receive").map(({ bytes }) => decoder.decode(bytes));

/** Waits until everything that was sent before has arrived. */
async function settled({ peers }: Party): Promise<void> {
  await Promise.all(peers.map((peer) => peer.deliver(1, "end").catch(() => {})));
}

/** What each client has received on channel 0. */
async function received(all: Party): Promise<string[][]> {
  await settled(all);
  await until(
    () => all.logs.every((log) => texts(log).includes("end")),
    10_000,
    "the end of each client's messages",
  );
  return all.logs.map((log) => texts(log).filter((text) => text !== "end"));
}

test("A group is a set of peers in the order of joining", async (t) => {
  await leakCheck(t);
  await using all = await party(4);
  const [a, b, c, d] = all.peers;
  const group = all.server.group();
  assert.equal(group.size, 0);
  assert.equal(group.send(0, "nobody is here"), 0);
  for (const peer of [c, a, d, c]) assert.equal(group.add(peer), true);
  assert.equal(group.size, 3);
  assert.deepEqual([...group].map((peer) => all.peers.indexOf(peer)), [2, 0, 3]);
  assert.deepEqual([a, b, c, d].map((peer) => group.has(peer)), [true, false, true, true]);
  assert.equal(group.delete(c), true);
  assert.equal(group.delete(c), false);
  assert.equal(group.add(b), true);
  assert.deepEqual([...group].map((peer) => all.peers.indexOf(peer)), [0, 3, 1]);
  // Members may leave while it is iterated over.
  let seen = 0;
  for (const peer of group) {
    seen++;
    group.delete(peer);
  }
  assert.deepEqual([seen, group.size], [3, 0]);
  group.add(a);
  group.clear();
  assert.deepEqual([group.size, [...group].length, group.send(0, "x")], [0, 0, 0]);
});

test("Group.send() sends to every member and nobody else, and says to how many", async (t) => {
  await leakCheck(t);
  await using all = await party(4);
  const [a, b, c] = all.peers;
  const [left, right] = [all.server.group(), all.server.group()];
  for (const peer of [a, b]) left.add(peer);
  for (const peer of [b, c]) right.add(peer);
  assert.equal(left.send(0, "left"), 2);
  assert.equal(right.send(0, new TextEncoder().encode("right"), PacketFlag.RELIABLE), 2);
  assert.equal(left.send(1, "no member has channel 200"), 2);
  assert.equal(left.send(200, "no member has channel 200"), 0);
  left.delete(b);
  assert.equal(left.send(0, "left again"), 1);
  assert.deepEqual(
    (await received(all)).map((texts) => texts.filter((text) => /left|right/.test(text))),
    [
      ["left", "left again"],
      ["left", "right"],
      ["right"],
      [],
    ],
  );
});

test("Group.send() leaves out exceptions, and the members stay as they were", async (t) => {
  await leakCheck(t);
  await using all = await party(5);
  const [a, b, c, d, e] = all.peers;
  const group = all.server.group();
  for (const peer of [a, b, c, d]) group.add(peer);
  const send = (text: string, except: Peer | Iterable<Peer>) =>
    group.send(0, text, PacketFlag.RELIABLE, { except });
  assert.equal(send("1", a), 3);
  assert.equal(send("2", [d, a, d]), 2);
  assert.equal(send("3", [...group]), 0);
  assert.equal(send("4", [e]), 4);
  assert.equal(send("5", group), 0);
  assert.equal(send("6", []), 4);
  assert.deepEqual([...group], [a, b, c, d]);
  assert.ok(group.delete(b));
  assert.equal(send("7", d), 2);
  assert.deepEqual([...group], [a, c, d]);
  assert.deepEqual(await received(all), [
    ["4", "6", "7"],
    ["1", "2", "4", "6"],
    ["1", "2", "4", "6", "7"],
    ["1", "4", "6"],
    [],
  ]);
});

test("Host.broadcast() sends to some, or to all but some", async (t) => {
  await leakCheck(t);
  await using all = await party(4);
  const { server, peers: [a, b, c, d] } = all;
  const group = server.group();
  group.add(a);
  group.add(b);
  const send = (text: string, options: Parameters<Host["broadcast"]>[3]) =>
    server.broadcast(0, text, PacketFlag.RELIABLE, options);
  assert.equal(send("1", {}), 4);
  assert.equal(send("2", { to: [a, c, a] }), 2);
  assert.equal(send("3", { to: [] }), 0);
  assert.equal(send("4", { except: b }), 3);
  assert.equal(send("5", { except: new Set([a, b, c]) }), 1);
  assert.equal(send("6", { to: group, except: a }), 1);
  assert.equal(send("7", { except: group }), 2);
  assert.equal(send("8", { to: server.peers, except: server.peers }), 0);
  assert.equal(send("9", { except: [] }), 4);
  assert.equal(send("10", { to: [d], except: undefined }), 1);
  assert.equal(send("11", { to: d }), 1);
  assert.deepEqual(await received(all), [
    ["1", "2", "4", "9"],
    ["1", "6", "9"],
    ["1", "2", "4", "7", "9"],
    ["1", "4", "5", "7", "9", "10", "11"],
  ]);
});

test("Messages of send, broadcast and groups keep the order of the calls", async (t) => {
  await leakCheck(t);
  await using all = await party(3);
  const { server, peers } = all;
  const group = server.group();
  for (const peer of peers) group.add(peer);
  const bytes = new Uint8Array(4);
  const numbers = new DataView(bytes.buffer);
  const sends = [
    (peer: Peer) => peer.send(0, bytes), // through the outbox
    () => group.send(0, bytes),
    () => server.broadcast(0, bytes),
    (peer: Peer) => peer.send(0, bytes.buffer), // by a call
    () => server.broadcast(0, bytes, PacketFlag.RELIABLE, { to: peers }),
    () => group.send(0, bytes, PacketFlag.RELIABLE, { except: [] }),
  ];
  const expected: number[][] = peers.map(() => []);
  for (let n = 0; n < 3000; n++) {
    numbers.setUint32(0, n);
    const send = sends[n * 7 % sends.length];
    if (send.length === 1) {
      send(peers[n % 3]);
      expected[n % 3].push(n);
    } else {
      assert.equal(send(peers[0]), 3);
      for (const numbers of expected) numbers.push(n);
    }
  }
  await settled(all);
  for (const [i, log] of all.logs.entries()) {
    await log.wait("receive", expected[i].length + 1);
    const got = log.all("receive").filter(({ channelId }) => channelId === 0)
      .map(({ bytes }) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
    assert.deepEqual(got, expected[i]);
  }
});

test("Messages of all sizes and kinds arrive, and members share one native packet", async (t) => {
  await leakCheck(t);
  await using all = await party(3);
  const group = all.server.group();
  for (const peer of all.peers) group.add(peer);
  await settled(all);
  const { packets } = await diagnostics();
  const sizes = [0, 1, 511, 512, 1400, 65_536, 100_000];
  for (const size of sizes) {
    const bytes = new Uint8Array(size).map((_, i) => i * 31);
    assert.equal(group.send(0, bytes), 3);
  }
  // One for each message of 512 bytes or more, and none for each member.
  assert.equal((await diagnostics()).packets - packets, 4);
  for (const log of all.logs) {
    const got = (await log.wait("receive", sizes.length + 1))
      .filter(({ channelId }) => channelId === 0);
    sizes.forEach((size, i) =>
      equalBytes(got[i].bytes, new Uint8Array(size).map((_, i) => i * 31))
    );
  }
});

test("What groups queue counts towards a peer's high-water mark", async (t) => {
  await leakCheck(t);
  await using all = await party(2);
  const [a, b] = all.peers;
  all.server.highWaterMark = 10_000;
  const group = all.server.group();
  group.add(a);
  const message = new Uint8Array(1000);
  for (let i = 0; i < 20; i++) assert.equal(group.send(0, message), 1);
  assert.equal(a.send(0, message), false);
  assert.equal(b.send(0, message), true, "who is in no group has nothing queued");
  await a.drain();
  assert.equal(a.send(0, message), true);
});

test("Peers leave their groups when they end, before the disconnect event", async (t) => {
  await leakCheck(t);
  await using clients = new AsyncDisposableStack();
  const sizes: number[] = [];
  const sent: number[] = [];
  const events: string[] = [];
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {
    connect: (peer) => {
      assert.equal(room.add(peer), true);
      peers.push(peer);
    },
    disconnect(peer, reason) {
      events.push(reason);
      assert.equal(room.has(peer), false);
      assert.equal(room.delete(peer), false);
      assert.equal(room.add(peer), false, "a peer that is gone joins no group");
      sizes.push(room.size, lobby.size);
      sent.push(room.send(0, "left"));
    },
  });
  const peers: Peer[] = [];
  const room = server.group();
  const lobby = server.group();
  const ours: Peer[] = [];
  for (let i = 0; i < 4; i++) {
    const client = clients.use(await Host.create({}, {}));
    ours.push(await client.connect(server.address));
    await until(() => peers.length > i, 20_000, "the connect event");
    lobby.add(peers[i]);
  }
  await ours[1].disconnect();
  await until(() => events.length === 1, 20_000, "the client's leaving");
  void peers[0].disconnect();
  assert.equal(room.send(0, "to those who stay"), 2, "who is leaving gets nothing");
  assert.deepEqual([room.has(peers[0]), lobby.size, lobby.add(peers[0])], [false, 2, false]);
  await until(() => events.length === 2, 20_000, "the server's disconnect");
  peers[2].reset();
  await until(() => events.length === 3, 20_000, "the reset");
  assert.deepEqual(events, ["remote", "local", "reset"]);
  assert.deepEqual(sizes, [3, 3, 2, 2, 1, 1]);
  assert.deepEqual(sent, [3, 2, 1]);
  assert.deepEqual([...room], [peers[3]]);
});

test("A handler sends to a group while a member ends", async (t) => {
  await leakCheck(t);
  const counts: number[] = [];
  let members = 0;
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {
    connect: (peer) => void room.add(peer),
    receive(peer) {
      const before = room.send(0, "before");
      peer.disconnectNow();
      const after = room.send(0, "after");
      assert.deepEqual([after, room.size, room.has(peer)], [before - 1, before - 1, false]);
      assert.equal([...room].length, room.size);
      counts.push(after);
    },
    disconnect: () => members = room.size,
  });
  const room = server.group();
  await using clients = new AsyncDisposableStack();
  const ours: Peer[] = [];
  for (let i = 0; i < 4; i++) {
    const client = clients.use(await Host.create({}, {}));
    ours.push(await client.connect(server.address));
  }
  await until(() => room.size === 4, 20_000, "four members");
  for (const peer of ours) peer.send(0, "one leaves");
  await until(() => counts.length === 4, 20_000, "four leaving");
  assert.deepEqual(counts, [3, 2, 1, 0]);
  await until(() => room.size === 0, 20_000, "an empty room");
  assert.equal(members, 0);
});

test("A later connection in the same slot is no member", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using server = await Host.listen({ hostname: "127.0.0.1", peers: 1 }, log.handlers);
  await using client = await Host.create();
  const group = server.group();
  const first = await client.connect(server.address);
  group.add((await log.wait("connect", 1))[0].peer);
  await first.disconnect();
  await log.wait("disconnect", 1);
  await client.connect(server.address);
  const [, { peer }] = await log.wait("connect", 2);
  assert.deepEqual([group.size, group.has(peer), group.send(0, "x")], [0, false, 0]);
});

test("After close a group is empty, sends to nobody and throws nothing", async (t) => {
  await leakCheck(t);
  await using all = await party(2);
  const { server, peers } = all;
  const group = server.group();
  for (const peer of peers) group.add(peer);
  await server.close();
  assert.equal(group.size, 0);
  assert.equal(group.send(0, "late"), 0);
  assert.equal(group.send(0, new Uint8Array(100_000), PacketFlag.UNRELIABLE, { except: peers }), 0);
  assert.equal(server.broadcast(0, "late", PacketFlag.RELIABLE, { to: peers }), 0);
  assert.equal(group.add(peers[0]), false);
  const another = server.group();
  assert.deepEqual([another.add(peers[1]), another.size, another.send(0, "x")], [false, 0, 0]);
});

test("Groups that are forgotten leave nothing behind", async () => {
  const flags = { deno: ["--v8-flags=--expose-gc"], bun: [], node: ["--expose-gc"] };
  const runtime = currentRuntime();
  await using child = spawnRuntime(runtime, "groups.ts", [], { flags: flags[runtime] });
  const { code, stdout, stderr } = await withDeadline(child.ended, 60_000, "the program");
  assert.equal(code, 0, `${stdout}\n${stderr}`);
});
