/** History: a peer that comes back gets what it has missed, or is told that it can't. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PacketFlag } from "../../../mod.ts";
import {
  type Backplane,
  type BackplaneHandlers,
  memory,
  readLogged,
} from "../../../lib/rooms/mod.ts";
import { Follower } from "../../../lib/rooms/follower.ts";
import { until } from "../../_helpers.ts";
import { agree, type Client, openPlaces } from "./_rooms.ts";

const HISTORY = { history: { length: 5, ageMs: 60_000 } };

/** The texts that a client has got of rooms with history. */
const texts = ({ bytes }: Client) =>
  bytes.map((message) => new TextDecoder().decode(readLogged(message).data));

/** Waits until it has got so many. */
async function logged(client: Client, count: number): Promise<string[]> {
  await until(() => client.bytes.length >= count, 20_000, `${count} messages`).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(texts(client))}`);
  });
  return texts(client);
}

/** The position of the last message that a client has got. */
const positionOf = ({ bytes }: Client) => readLogged(bytes.at(-1)!).position;

test("A peer that comes back to another host gets what it has missed, once and in order", async () => {
  await using cluster = await openPlaces(2, HISTORY);
  const [north, south] = cluster.places;
  const [a, b] = [await north.connect(), await north.connect()];
  north.rooms.join(a.peer, "arena");
  north.rooms.join(b.peer, "arena");
  await agree(cluster.places, "arena", 2);
  north.rooms.to("arena").send(0, "1");
  south.rooms.to("arena").except([]).send(0, "2");
  await logged(a, 2);
  await logged(b, 2);
  assert.deepEqual(positionOf(a), positionOf(b));
  const position = positionOf(b);
  await b.server.disconnect();
  for (const text of ["3", "4", "5"]) north.rooms.to("arena").send(0, text);
  north.rooms.to("arena").send(0, "not kept", PacketFlag.UNRELIABLE);
  const back = await south.connect();
  const resuming = south.rooms.resume(back.peer, "arena", { position, presence: "back" });
  north.rooms.to("arena").send(0, "6");
  const { joined, recovered, reason } = await resuming;
  assert.deepEqual([joined, recovered, reason], [true, true, undefined]);
  south.rooms.to("arena").send(0, "7");
  assert.deepEqual(await logged(back, 5), ["3", "4", "5", "6", "7"]);
  await until(() => a.bytes.length === 8, 20_000, "7 messages and an unreliable one");
  assert.equal(south.rooms.members("arena").find(({ peer }) => peer)?.presence, "back");
});

test("Who is left out does not get a message that is kept", async () => {
  await using cluster = await openPlaces(1, HISTORY);
  const [{ rooms, connect }] = cluster.places;
  const [a, b] = [await connect(), await connect()];
  rooms.join(a.peer, "arena");
  rooms.join(b.peer, "arena");
  rooms.to("arena").except(a.peer).send(0, "1");
  rooms.to("arena").send(0, "2");
  assert.deepEqual(await logged(b, 2), ["1", "2"]);
  assert.deepEqual(await logged(a, 1), ["2"]);
  assert.throws(() => rooms.to("arena").except("other").send(0, "x"), /with history/);
});

test("Messages to users are not kept, and have no header", async () => {
  await using cluster = await openPlaces(1, HISTORY);
  const [{ rooms, connect }] = cluster.places;
  const { peer, got } = await connect();
  rooms.identify(peer, "ada");
  rooms.join(peer, "arena");
  assert.equal(rooms.toUser("ada").send(1, "for Ada"), 1);
  await until(() => got.length === 1, 20_000, "the message");
  assert.equal(rooms.toUser("ada").to("arena").send(1, "both"), 2);
  await until(() => got.length === 3, 20_000, "two messages");
  assert.deepEqual(got.map((line) => line.length), [9, 6, 22]);
});

test("A peer that was away for too long is told, and is a member all the same", async () => {
  await using cluster = await openPlaces(1, HISTORY);
  const [{ rooms, connect }] = cluster.places;
  const a = await connect();
  rooms.join(a.peer, "arena");
  rooms.to("arena").send(0, "0");
  await logged(a, 1);
  const position = positionOf(a);
  for (let i = 1; i < 10; i++) rooms.to("arena").send(0, `${i}`);
  await logged(a, 10);
  const b = await connect();
  assert.deepEqual(await rooms.resume(b.peer, "arena", { position }), {
    joined: true,
    recovered: false,
    messages: 0,
    reason: "expired",
  });
  const other = { ...position, epoch: position.epoch + 1 };
  const c = await connect();
  const { reason, joined } = await rooms.resume(c.peer, "arena", { position: other });
  assert.deepEqual([reason, joined], ["epoch", true]);
  const d = await connect();
  d.server.disconnect();
  const ended = await rooms.resume(d.peer, "arena", { position: positionOf(a) });
  assert.equal(ended.recovered, ended.joined);
});

test("A position that is none is refused, and so is resume without history", async () => {
  await using cluster = await openPlaces(1);
  const [{ rooms, connect }] = cluster.places;
  const { peer } = await connect();
  const position = { epoch: 1, offset: 1 };
  await assert.rejects(rooms.resume(peer, "a", { position }), /needs the option history/);
  await assert.rejects(rooms.resume(peer, "a", {} as never), /position must be an object/);
  await assert.rejects(rooms.resume(peer, "a", { position: { epoch: 1, offset: -1 } }), RangeError);
  assert.throws(() => readLogged(new Uint8Array(15)), /15 bytes, less than the header/);
  assert.throws(() => readLogged(new Uint8Array(16).fill(255)), RangeError);
});

/** A backplane whose entries can be withheld from a host. */
function leaky(): {
  backplane: Backplane;
  lose(lose: boolean): void;
  handlers: BackplaneHandlers[];
} {
  const inner = memory();
  const handlers: BackplaneHandlers[] = [];
  let losing = false;
  return {
    handlers,
    lose: (lose) => losing = lose,
    backplane: {
      connect(id, given, needs) {
        handlers.push(given);
        const entry: BackplaneHandlers["entry"] = (...args) => losing || given.entry(...args);
        return inner.connect(id, { ...given, entry }, needs);
      },
    },
  };
}

test("A host reads what it has missed of the log, by the next message or when its link is up again", async () => {
  const { backplane, lose, handlers } = leaky();
  await using cluster = await openPlaces(1, HISTORY, backplane);
  const [{ rooms, connect, events }] = cluster.places;
  const a = await connect();
  rooms.join(a.peer, "arena");
  rooms.to("arena").send(0, "0");
  await logged(a, 1);
  const sendLost = async (...lost: string[]) => {
    lose(true);
    for (const text of lost) rooms.to("arena").send(0, text);
    await new Promise((resolve) => setTimeout(resolve, 1)); // the messages of this turn are lost
    lose(false);
  };
  await sendLost("1", "2");
  rooms.to("arena").send(0, "3");
  assert.deepEqual(await logged(a, 4), ["0", "1", "2", "3"]);
  await sendLost("4");
  handlers[0].status(false, new Error("cut"));
  handlers[0].status(true);
  assert.deepEqual(await logged(a, 5), ["0", "1", "2", "3", "4"]);
  assert.equal(rooms.stats.dropped.gap, 0);
  await sendLost(..."56789abc");
  rooms.to("arena").send(0, "d");
  await until(() => rooms.stats.dropped.gap === 1, 20_000, "the gap");
  assert.equal((await logged(a, 10)).at(-1), "d");
  const types = events.map((event) => event.type === "dropped" ? event.reason : event.type);
  assert.deepEqual(types.filter((type) => type !== "joined"), ["link", "link", "gap"]);
});

test("After the log was lost, what comes is delivered again, and the gap is told", () => {
  let epoch = 1;
  const told: string[] = [];
  const follower = new Follower("room.a", {
    log: () => ({
      epoch,
      append: () => Promise.resolve(0),
      read: () => Promise.reject(new Error("down")),
    }),
    deliver: ({ offset }, of) => told.push(`${of}:${offset}`),
    gap: () => told.push("gap"),
  });
  const entry = (offset: number, previous: number) =>
    follower.entry({ offset, previous, bytes: new Uint8Array() });
  entry(7, 3);
  entry(9, 7);
  entry(9, 7);
  epoch = 2;
  entry(1, 0);
  entry(2, 1);
  assert.deepEqual(told, ["1:7", "1:9", "gap", "2:1", "2:2"]);
});
