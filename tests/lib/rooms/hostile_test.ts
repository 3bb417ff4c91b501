/** What comes from the backplane is checked: it is from servers of ours, but maybe of another version. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "../../../lib/rooms/mod.ts";
import {
  decodeFenced,
  decodeLogged,
  decodeSeveral,
  encodeFenced,
  encodeLogged,
  encodeMessage,
  encodePresenceFrame,
  encodeSeveral,
  typeOf,
} from "../../../lib/rooms/frame.ts";
import { decodePresence, encodePresence } from "../../../lib/rooms/presence_message.ts";
import { until } from "../../_helpers.ts";
import { randomOf } from "../../_relay.ts";
import { agree, messages, openPlaces } from "./_rooms.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const HOST = "0123456789abcdef";

/** Messages of presence that are none. */
const BAD_PRESENCE = [
  "",
  "{",
  "null",
  "[]",
  `{"t":"h"}`,
  `{"t":"h","h":"short","version":0}`,
  `{"t":"h","h":"${HOST}","version":-1}`,
  `{"t":"h","h":"${HOST}","version":1e300}`,
  `{"t":"h","h":"${HOST}","version":1,"address":7}`,
  `{"t":"h","h":"${HOST}","version":1,"address":"${"x".repeat(257)}"}`,
  `{"t":"constructor","h":"${HOST}","version":1}`,
  `{"t":"d","h":"${HOST}","version":1}`,
  `{"t":"d","h":"${HOST}","version":1,"changes":[7]}`,
  `{"t":"d","h":"${HOST}","version":1,"changes":[[9,"a",1]]}`,
  `{"t":"d","h":"${HOST}","version":1,"changes":[[0,"",1]]}`,
  `{"t":"d","h":"${HOST}","version":1,"changes":[[0,"a","1"]]}`,
  `{"t":"d","h":"${HOST}","version":1,"changes":[[0,"a",1,7,null]]}`,
  `{"t":"d","h":"${HOST}","version":0,"changes":[[0,"a",1,null,null]]}`,
  `{"t":"s","h":"${HOST}","version":1,"part":1,"parts":1,"changes":[]}`,
  `{"t":"s","h":"${HOST}","version":1,"part":0,"parts":1e9,"changes":[]}`,
  `{"t":"s","h":"${HOST}","version":1,"part":0,"parts":1,"changes":[[2,"a",1]]}`,
];

test("Damaged frames are dropped and counted, and nothing else happens", async () => {
  const backplane = memory();
  await using cluster = await openPlaces(1, { limits: { messageBytes: 100 } }, backplane);
  const [{ rooms, connect }] = cluster.places;
  const client = await connect();
  rooms.join(client.peer, "arena");
  await agree(cluster.places, "arena", 1);
  const handlers = { message() {}, entry() {}, status() {} };
  const stranger = await backplane.connect(HOST, handlers, {});
  const good = encodeMessage(0, 1, bytes("good"));
  const changed = (at: number, value: number) => good.with(at, value);
  const toRoom = [
    new Uint8Array(),
    good.subarray(0, 3),
    changed(0, 2),
    changed(1, 99),
    changed(2, 255),
    changed(3, 7),
    encodeMessage(0, 1, new Uint8Array(101)),
    encodeFenced(1, 0, 1, bytes("x")).subarray(0, 11),
    encodeFenced(1, 0, 1, bytes("x")).fill(255, 4, 12),
    encodeLogged([], 0, 1, bytes("not on this way")),
  ];
  const toHosts = [
    good,
    encodeSeveral({ to: ["room.arena"], except: [] }, 0, 1, new Uint8Array(101)),
    encodeSeveral({ to: ["room.arena"], except: [] }, 0, 1, bytes("x")).subarray(0, 9),
    ...BAD_PRESENCE.map((text) => encodePresenceFrame(bytes(text))),
  ];
  for (const frame of toRoom) stranger.publish("room.arena", frame);
  for (const frame of toHosts) stranger.publish("hosts", frame);
  stranger.publish("room.arena", good);
  assert.deepEqual(await messages(client, 1), ["0 good"]);
  const expected = toRoom.length + toHosts.length;
  await until(() => rooms.stats.refused === expected, 20_000, `${expected} refused`).catch(
    () => {},
  );
  assert.equal(rooms.stats.refused, expected);
  assert.equal(rooms.hosts().length, 1);
  await stranger.close();
});

test("A host that claims members and falls silent is forgotten with them", async () => {
  const backplane = memory();
  const options = { heartbeatMs: 50, hostTimeoutMs: 150 };
  await using cluster = await openPlaces(1, options, backplane);
  const [{ rooms, events }] = cluster.places;
  const handlers = { message() {}, entry() {}, status() {} };
  const stranger = await backplane.connect(HOST, handlers, {});
  const tell = (message: Parameters<typeof encodePresence>[0]) =>
    stranger.publish("hosts", encodePresenceFrame(encodePresence(message)));
  tell({ type: "heartbeat", host: HOST, version: 0, address: "a:1", asks: true });
  const change = { kind: "join", room: "x", peer: 1, user: undefined, presence: 1 } as const;
  tell({ type: "delta", host: HOST, version: 1, changes: [change] });
  tell({ type: "delta", host: HOST, version: 1, changes: [change] });
  await until(() => events.some(({ type }) => type === "left"), 20_000, "the end of the host");
  assert.deepEqual(events.map(({ type }) => type), ["host", "joined", "left", "host"]);
  assert.deepEqual(rooms.names(), []);
  await stranger.close();
});

test("Random bytes are no messages, and change nothing", () => {
  const random = randomOf(7);
  const frames = [
    encodeMessage(0, 1, bytes("x")),
    encodeSeveral({ to: ["room.a"], except: ["room.b"] }, 0, 1, bytes("x")),
    encodeLogged([`${HOST}-7`], 0, 1, bytes("x")),
    encodeFenced(7, 0, 1, bytes("x")),
  ];
  assert.deepEqual(decodeLogged(frames[2])?.except, [`${HOST}-7`]);
  for (let i = 0; i < 20_000; i++) {
    const frame = frames[i % frames.length].slice(0, Math.floor(random() * 40));
    for (let n = random() * 4; n > 0 && frame.length > 0; n--) {
      frame[Math.floor(random() * frame.length)] = Math.floor(random() * 256);
    }
    typeOf(frame);
    for (const decode of [decodeSeveral, decodeLogged, decodeFenced, decodePresence]) decode(frame);
  }
});
