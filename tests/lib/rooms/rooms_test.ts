/** Rooms, on one host and on several hosts of a process. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PacketFlag } from "../../../mod.ts";
import { type Member, memory, Rooms, type RoomsEvent } from "../../../lib/rooms/mod.ts";
import { leakCheck, until } from "../../_helpers.ts";
import { collect, serve } from "../gateway/_gateway.ts";
import { agree, messages, openPlaces } from "./_rooms.ts";

test("A message to a room reaches its members on all hosts once, and not the one left out", async (t) => {
  await leakCheck(t);
  await using cluster = await openPlaces(2);
  const [north, south] = cluster.places;
  const [a, b, c, d] = [
    await north.connect(),
    await north.connect(),
    await south.connect(),
    await south.connect(),
  ];
  for (const { peer } of [a, b]) assert.equal(north.rooms.join(peer, "arena"), true);
  south.rooms.join(c.peer, "arena");
  south.rooms.join(d.peer, "other");
  await agree(cluster.places, "arena", 3);

  assert.equal(north.rooms.to("arena").except(a.peer).send(0, "hello"), 1);
  assert.equal(north.rooms.to("other").send(0, "end"), 0);
  assert.equal(
    south.rooms.to("arena").send(0, new Uint8Array([104, 105]), PacketFlag.UNRELIABLE),
    1,
  );
  assert.deepEqual(await messages(d, 1), ["0 end"]);
  assert.deepEqual(await messages(a, 1), ["0 hi"]);
  assert.deepEqual(await messages(b, 2), ["0 hello", "0 hi"]);
  assert.deepEqual((await messages(c, 2)).toSorted(), ["0 hello", "0 hi"]);
});

test("A packet that is being received is passed on to all hosts", async () => {
  await using cluster = await openPlaces(2);
  const [north, south] = cluster.places;
  const [a, b, c] = [await north.connect(), await north.connect(), await south.connect()];
  north.rooms.join(a.peer, "arena");
  north.rooms.join(b.peer, "arena");
  south.rooms.join(c.peer, "arena");
  await agree(cluster.places, "arena", 3);
  north.host.handlers = {
    receive: (peer, channelId, packet) =>
      void north.rooms.to("arena").except(peer).send(channelId, packet),
  };
  a.server.send(0, "forwarded");
  assert.deepEqual(await messages(b, 1), ["0 forwarded"]);
  assert.deepEqual(await messages(c, 1), ["0 forwarded"]);
});

test("A message to several rooms comes once; rooms can be left out", async () => {
  await using cluster = await openPlaces(2);
  const [north, south] = cluster.places;
  const [a, b, c] = [await north.connect(), await south.connect(), await south.connect()];
  for (const room of ["x", "y", "both"]) {
    north.rooms.join(a.peer, room);
    south.rooms.join(b.peer, room);
  }
  south.rooms.join(c.peer, "y");
  south.rooms.join(c.peer, "quiet");
  await agree(cluster.places, "y", 3);
  north.rooms.to("x").to("y").send(0, "1");
  north.rooms.to("y").except("quiet").send(0, "2");
  north.rooms.to("quiet").send(0, "3");
  assert.deepEqual(await messages(a, 2), ["0 1", "0 2"]);
  assert.deepEqual(await messages(b, 2), ["0 1", "0 2"]);
  assert.deepEqual((await messages(c, 2)).toSorted(), ["0 1", "0 3"]);
  const long = "ä€".repeat(32); // the longest topics
  south.rooms.join(c.peer, long);
  north.rooms.to("none").to(long).send(0, "4");
  assert.equal((await messages(c, 3))[2], "0 4");
});

test("Messages to a user reach each of its peers, on whatever host", async () => {
  await using cluster = await openPlaces(2);
  const [north, south] = cluster.places;
  const [a, b, c] = [await north.connect(), await south.connect(), await south.connect()];
  for (const [place, { peer }] of [[north, a], [south, b]] as const) {
    place.rooms.join(peer, "lobby", { presence: 1 });
    place.rooms.identify(peer, "ada");
  }
  south.rooms.identify(c.peer, "grace");
  await until(
    () => north.rooms.members("lobby").filter(({ user }) => user === "ada").length === 2,
    20_000,
    "the users",
  );
  south.rooms.toUser("ada").send(0, "for Ada");
  south.rooms.toUser("grace").send(0, "for Grace");
  assert.deepEqual(await messages(a, 1), ["0 for Ada"]);
  assert.deepEqual(await messages(b, 1), ["0 for Ada"]);
  assert.deepEqual(await messages(c, 1), ["0 for Grace"]);
  south.rooms.identify(c.peer, undefined);
  assert.equal(south.rooms.toUser("grace").send(0, "lost"), 0);
});

test("Members are told with their presence, updated, and leave with a reason", async () => {
  await using cluster = await openPlaces(2);
  const [north, south] = cluster.places;
  const [a, b] = [await north.connect(), await south.connect()];
  north.rooms.join(a.peer, "arena", { presence: { score: 1 } });
  south.rooms.join(b.peer, "arena");
  await agree(cluster.places, "arena", 2);
  const member = () =>
    south.rooms.members("arena").find(({ hostId }) => hostId === north.rooms.id) as Member;
  assert.deepEqual(member().presence, { score: 1 });
  assert.equal(member().peer, undefined);
  assert.equal(
    north.rooms.members("arena").find(({ peer }) => peer === a.peer)?.hostId,
    north.rooms.id,
  );
  north.rooms.join(a.peer, "arena", { presence: { score: 2 } });
  await until(() => (member().presence as { score: number }).score === 2, 20_000, "the update");
  a.server.disconnect();
  await agree(cluster.places, "arena", 1);
  south.rooms.leave(b.peer, "arena");
  await agree(cluster.places, "arena", 0);
  const told = south.events.filter((event) => "room" in event && event.type !== "dropped");
  assert.deepEqual(
    told.map((event) => event.type === "left" ? `left ${event.reason}` : event.type).toSorted(),
    ["joined", "joined", "left disconnected", "left left", "updated"],
  );
  assert.deepEqual(north.rooms.names(), []);
  assert.deepEqual(north.rooms.roomsOf(a.peer), []);
});

test("Closing the rooms or the host takes its members out of all rooms elsewhere", async () => {
  await using cluster = await openPlaces(3);
  const [a, b, c] = cluster.places;
  a.rooms.join((await a.connect()).peer, "arena");
  b.rooms.join((await b.connect()).peer, "arena");
  c.rooms.join((await c.connect()).peer, "arena");
  await agree(cluster.places, "arena", 3);
  await a.rooms.close();
  await b.host.close({ graceMs: 0 });
  await agree([c], "arena", 1);
  const left = c.events.filter((event) => event.type === "left");
  assert.deepEqual(left.map(({ reason }) => reason), ["host-closed", "host-closed"]);
  await until(() => c.rooms.hosts().length === 1, 20_000, "one host");
  const { peer } = await a.connect();
  assert.equal(a.rooms.join(peer, "arena"), false, "closed rooms take nobody");
  assert.equal(a.rooms.to("arena").send(0, "x"), 0);
  assert.deepEqual(a.rooms.hosts()[0].here, true);
});

test("A peer that has ended joins nothing, and one in too many rooms no more", async () => {
  await using cluster = await openPlaces(1, { limits: { roomsPerPeer: 2 } });
  const [{ rooms, connect }] = cluster.places;
  const { peer, server } = await connect();
  assert.deepEqual(["a", "b", "c", "a"].map((room) => rooms.join(peer, room)), [
    true,
    true,
    false,
    true,
  ]);
  rooms.leave(peer, "a");
  assert.equal(rooms.join(peer, "c"), true);
  assert.deepEqual(rooms.roomsOf(peer).toSorted(), ["b", "c"]);
  server.disconnect();
  await peer.closed;
  assert.equal(rooms.join(peer, "a"), false);
  assert.equal(rooms.leave(peer, "b"), false);
  assert.equal(rooms.identify(peer, "x"), false);
});

test("Rates hold for each room, and the program is told what was dropped", async () => {
  const limits = { messages: { perSecond: 0.01, burst: 2 }, messageBytes: 8 };
  await using cluster = await openPlaces(1, { limits });
  const [{ rooms, connect, events }] = cluster.places;
  const { peer } = await connect();
  rooms.join(peer, "a");
  rooms.join(peer, "b");
  assert.deepEqual([1, 2, 3].map(() => rooms.to("a").send(0, "x")), [1, 1, 0]);
  assert.equal(rooms.to("b").send(0, "x"), 1);
  assert.throws(
    () => rooms.to("b").send(0, "x".repeat(9)),
    /9 bytes is larger than limits.messageBytes, 8/,
  );
  const dropped = await until(
    () => events.find(({ type }) => type === "dropped"),
    20_000,
    "dropped",
  );
  assert.deepEqual(dropped, { type: "dropped", reason: "rate", messages: 1, room: "a" });
  assert.equal(rooms.stats.dropped.rate, 1);
});

test("What is no name, peer, presence or option is refused with its value", async () => {
  await using cluster = await openPlaces(2);
  const [{ rooms, connect, host }, other] = cluster.places;
  const { peer } = await connect();
  const refuses = (call: () => unknown, kind: typeof Error, message: RegExp) =>
    assert.throws(call, (error) => error instanceof kind && message.test(error.message));
  refuses(() => rooms.join(peer, ""), RangeError, /room must have 1 to 64 characters.*isName/);
  refuses(() => rooms.join(peer, "a\nb"), RangeError, /control characters/);
  refuses(() => rooms.join(peer, "\ud800"), RangeError, /room must/);
  refuses(() => rooms.to("x".repeat(65)), RangeError, /room must/);
  refuses(() => rooms.to(7 as never), TypeError, /room must be a string, not 7/);
  refuses(() => rooms.join(7 as never, "a"), TypeError, /peer must be a Peer, not 7/);
  refuses(() => other.rooms.join(peer, "a"), TypeError, /peer of another host/);
  refuses(() => rooms.join(peer, "a", { presence: 1n }), TypeError, /JSON/);
  refuses(() => rooms.join(peer, "a", { presence: () => 1 }), TypeError, /JSON/);
  refuses(
    () => rooms.join(peer, "a", { presence: "x".repeat(1023) }),
    RangeError,
    /1025 characters/,
  );
  refuses(() => rooms.join(peer, "a", { data: 1 } as never), TypeError, /no option "data"/);
  refuses(() => rooms.to("a").send(255, "x"), RangeError, /channelId/);
  refuses(() => rooms.to("a").send(0, 7 as never), TypeError, /7/);
  refuses(() => new Rooms(host, { backplane: {} } as never), TypeError, /backplane must be/);
  refuses(() => new Rooms(host, { room: 1 } as never), TypeError, /no option "room"/);
  refuses(() => new Rooms({} as never), TypeError, /host must be a Host/);
  refuses(() => new Rooms(host, {}, { join() {} } as never), TypeError, /no option "join"/);
  refuses(() => new Rooms(host, { heartbeatMs: 500, hostTimeoutMs: 1000 }), RangeError, /1500/);
});

test("Events can be iterated over until the rooms are closed", async () => {
  await using cluster = await openPlaces(1);
  const [{ host, connect }] = cluster.places;
  const rooms = new Rooms(host);
  const told: RoomsEvent["type"][] = [];
  const loop = (async () => {
    for await (const { type } of rooms) told.push(type);
  })();
  assert.throws(() => rooms[Symbol.asyncIterator](), /iterated over already/);
  const { peer } = await connect();
  rooms.join(peer, "a");
  rooms.leave(peer, "a");
  await until(() => told.length === 2, 20_000, "two events");
  await rooms.close();
  await loop;
  assert.deepEqual(told, ["joined", "left"]);
});

test("A backplane that can't be reached rejects ready, and the host's own rooms work", async () => {
  await using cluster = await openPlaces(1);
  const [{ host, connect }] = cluster.places;
  const backplane = { connect: () => Promise.reject(new Error("nobody there")) };
  await using rooms = new Rooms(host, { backplane });
  await assert.rejects(rooms.ready, { code: "ENETJS_ERR_BACKPLANE", message: /nobody there/ });
  const client = await connect();
  rooms.join(client.peer, "a");
  assert.equal(rooms.to("a").send(0, "here"), 1);
  assert.deepEqual(await messages(client, 1), ["0 here"]);
  assert.equal(rooms.linked, false);
});

test("A browser behind a gateway is a member like others", async () => {
  const backplane = memory();
  await using cluster = await openPlaces(1, {}, backplane);
  const [{ rooms, connect }] = cluster.places;
  await using served = await serve();
  await using browserRooms = new Rooms(served.host, { backplane });
  await browserRooms.ready;
  const browser = await served.connect();
  const got = collect(browser);
  const peer = await until(() => served.host.peers[0], 20_000, "the browser's peer");
  const client = await connect();
  browserRooms.join(peer, "arena");
  rooms.join(client.peer, "arena");
  await until(() => browserRooms.members("arena").length === 2, 20_000, "two members");
  await until(() => rooms.members("arena").length === 2, 20_000, "two members");
  rooms.to("arena").except(client.peer).send(0, "to the browser");
  await until(() => got.length === 1, 20_000, "a message");
  assert.match(got[0], /^0 1 to the browser$/);
  browserRooms.to("arena").except(peer).send(0, "from the browser");
  assert.deepEqual(await messages(client, 1), ["0 from the browser"]);
  await browser.disconnect();
  await until(() => rooms.members("arena").length === 1, 20_000, "one member");
});
