/** Rooms over real servers of NATS: what happens when processes and servers are killed, stopped and cut off. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nats, readLogged } from "../../../lib/rooms/mod.ts";
import { currentRuntime, until } from "../../_helpers.ts";
import { natsServer, startNats } from "../../_nats.ts";
import { HostProcess, runSchedule } from "./_processes.ts";
import { agree, messages, openPlaces } from "./_rooms.ts";

const skip = natsServer() === undefined;

test("Rooms, history and leases work over NATS", { skip }, async () => {
  await using server = await startNats();
  const backplane = nats({ servers: server.url });
  const options = { history: { length: 10, ageMs: 60_000 }, leases: true };
  await using cluster = await openPlaces(2, options, backplane);
  const [north, south] = cluster.places;
  const [a, b] = [await north.connect(), await south.connect()];
  north.rooms.join(a.peer, "ärena", { presence: { score: 1 } });
  south.rooms.join(b.peer, "ärena");
  await agree(cluster.places, "ärena", 2);
  north.rooms.to("ärena").send(0, "1", 0);
  assert.deepEqual(await messages(b, 1), ["0 1"]);
  north.rooms.to("ärena").send(0, "2");
  await until(() => a.bytes.length === 2 && b.bytes.length === 2, 20_000, "a logged message");
  const { position, data } = readLogged(b.bytes[1]);
  assert.equal(new TextDecoder().decode(data), "2");
  for (const text of ["3", "4"]) south.rooms.to("ärena").send(0, text);
  await until(() => a.bytes.length === 4, 20_000, "two more");
  const back = await north.connect();
  const resumed = await north.rooms.resume(back.peer, "ärena", { position });
  assert.deepEqual(resumed, { joined: true, recovered: true, messages: 2, reason: undefined });
  await using lease = await north.rooms.claim("ärena");
  await assert.rejects(south.rooms.claim("ärena", { timeoutMs: 0 }), { code: "ENETJS_ERR_LEASE" });
  assert.equal(lease.send(0, "fenced", 0), 2);
  await until(() => b.got.includes("0 fenced"), 20_000, "the message of the holder");
  assert.ok(south.rooms.stats.lagMs >= 0 && south.rooms.linked);
});

test(
  "What may wait on the way to the server is limited, and the rest is told",
  { skip },
  async () => {
    await using server = await startNats({ jetStream: false });
    const backplane = nats({ servers: server.url, maximumQueuedBytes: 65_536 });
    await using cluster = await openPlaces(2, {}, backplane);
    const [{ rooms, events }, south] = cluster.places;
    const client = await south.connect();
    south.rooms.join(client.peer, "arena");
    await agree(cluster.places, "arena", 1);
    // In one turn of the event loop nothing leaves.
    for (let i = 0; i < 64; i++) {
      rooms.to("arena").send(0, new Uint8Array(4096));
      assert.ok(rooms.stats.queuedBytes <= 65_536, String(rooms.stats.queuedBytes));
    }
    const { backplane: dropped } = rooms.stats.dropped;
    assert.ok(dropped >= 64 - 16, String(dropped));
    const told = await until(
      () => events.find(({ type }) => type === "dropped"),
      20_000,
      "dropped",
    );
    assert.deepEqual(told, { type: "dropped", reason: "backplane", messages: 1, room: "arena" });
    await messages(client, 64 - dropped);
    await until(() => rooms.stats.queuedBytes === 0, 20_000, "the server's answer");
    rooms.to("arena").send(0, "again");
    assert.equal((await messages(client, 64 - dropped + 1)).at(-1), "0 again");
  },
);

test("The members of a killed process leave everywhere, exactly once", { skip }, async (t) => {
  await using server = await startNats();
  await using stack = new AsyncDisposableStack();
  const start = async () => stack.use(await HostProcess.start([server.url]));
  const [killed, watcher] = await Promise.all([start(), start()]);
  await using cluster = await openPlaces(1, {}, nats({ servers: server.url }));
  const [{ rooms, events }] = cluster.places;
  for (const peer of [1, 2, 3]) killed.set(peer, "arena", peer);
  await agree(cluster.places, "arena", 3);
  await until(async () => (await watcher.view()).view.length === 3, 20_000, "the other's view");
  killed.program.process.kill("SIGKILL");
  const since = performance.now();
  await agree(cluster.places, "arena", 0);
  t.diagnostic?.(`they left after ${Math.round(performance.now() - since)} ms`);
  await watcher.program.lines("left host-lost arena", 3);
  const left = events.filter((event) => event.type === "left");
  assert.deepEqual(left.map(({ reason }) => reason), ["host-lost", "host-lost", "host-lost"]);
  assert.equal(rooms.hosts().length, 2);
  assert.equal((await watcher.program.lines("left ", 3)).length, 3);
});

test(
  "When the server is killed and comes back, nobody leaves, and history is read",
  { skip },
  async () => {
    await using server = await startNats();
    const options = { history: { length: 100, ageMs: 60_000 } };
    await using cluster = await openPlaces(2, options, nats({ servers: server.url }));
    const [north, south] = cluster.places;
    const [a, b] = [await north.connect(), await south.connect()];
    north.rooms.join(a.peer, "arena");
    south.rooms.join(b.peer, "arena");
    await agree(cluster.places, "arena", 2);
    north.rooms.to("arena").send(0, "1");
    await until(() => b.bytes.length === 1, 20_000, "a message");
    await server.restart();
    const wentDown = () =>
      cluster.places.every(({ events }) =>
        events.some((event) => event.type === "link" && !event.up)
      );
    await until(wentDown, 20_000, "links that are down");
    await until(() => cluster.places.every(({ rooms }) => rooms.linked), 20_000, "the links");
    // On a busy machine a link may break again, and a message be lost.
    const sendUntil = (send: () => unknown, condition: () => boolean, what: string) => {
      let asked = 0;
      return until(() => (asked++ % 100 === 0 && send(), condition()), 20_000, what);
    };
    const isLogged = () => b.bytes.length > 1;
    await sendUntil(() => north.rooms.to("arena").send(0, "2"), isLogged, "a message of the log");
    const isThere = () => a.got.includes("0 x");
    await sendUntil(() => south.rooms.to("arena").send(0, "x", 0), isThere, "a message");
    for (const { events } of cluster.places) {
      assert.deepEqual(events.filter(({ type }) => type === "left"), []);
    }
  },
);

test("A random schedule over a cluster of three servers converges", { skip }, async () => {
  const seed = { deno: 1, bun: 2, node: 3 }[currentRuntime()];
  await runSchedule(seed, 12);
});
