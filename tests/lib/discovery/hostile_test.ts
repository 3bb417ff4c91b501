/**
 * What strangers can do to those who announce servers and to those who look for them.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Socket } from "node:dgram";
import { test } from "node:test";
import { Host } from "../../../mod.ts";
import { announce, discover, type DiscoveredServer } from "../../../lib/discovery/mod.ts";
import { Found } from "../../../lib/discovery/found.ts";
import {
  few,
  isBroadcast,
  isOfNoMachine,
  isOnLink,
  type Networks,
  reaching,
} from "../../../lib/discovery/networks.ts";
import { GROUP_IPV4 } from "../../../lib/discovery/options.ts";
import { AnswerRate } from "../../../lib/discovery/rate.ts";
import { Sockets, type Spot } from "../../../lib/discovery/sockets.ts";
import {
  type Answer,
  DATA_BYTES,
  decodeAnswer,
  decodeQuery,
  encodeAnswer,
  encodeGame,
  encodeQuery,
  NAME_BYTES,
  QUERY_BYTES,
} from "../../../lib/discovery/wire.ts";
import { type IpAddress, parseIp } from "../../../lib/internal/ip.ts";
import { pattern, until, withDeadline } from "../../_helpers.ts";
import { boundSocket, newPlace, overhear, type Place } from "./_discovery.ts";

const DEADLINE_MS = 60_000;

const answerOf = (values: Partial<Answer> = {}): Answer => ({
  nonce: pattern(8),
  number: 1,
  id: pattern(8),
  peers: 1,
  maximumPeers: 2,
  name: "name",
  data: pattern(3),
  ...values,
});

/** An id of its own for each number. */
const idOf = (number: number) => new Uint8Array(new BigUint64Array([BigInt(number)]).buffer);

test("Queries and answers are read as they were written, up to their largest", () => {
  const game = encodeGame("g".repeat(64), 0xFFFFFFFF);
  const query = { nonce: pattern(8), number: 0xFFFFFFFF, game };
  const bytes = encodeQuery(query);
  assert.equal(bytes.length, QUERY_BYTES);
  assert.deepEqual(decodeQuery(bytes), query);

  const largest = answerOf({
    number: 0xFFFFFFFF,
    peers: 65535,
    maximumPeers: 65535,
    name: "n".repeat(NAME_BYTES),
    data: pattern(DATA_BYTES),
  });
  const encoded = encodeAnswer(largest);
  assert.ok(encoded.length <= QUERY_BYTES, "an answer is no longer than a query");
  for (const answer of [largest, answerOf(), answerOf({ name: "x", data: new Uint8Array() })]) {
    assert.deepEqual(decodeAnswer(encodeAnswer(answer)), answer);
  }
});

test("What is cut off, too long, of another kind or has another name is dropped", () => {
  const answer = encodeAnswer(answerOf({ name: "näme" }));
  const query = encodeQuery({ nonce: pattern(8), number: 1, game: encodeGame("game", 0) });
  for (let length = 0; length < answer.length; length++) {
    assert.equal(decodeAnswer(answer.subarray(0, length)), undefined, `${length} bytes`);
  }
  for (const length of [0, 1, 25, QUERY_BYTES - 1]) {
    assert.equal(decodeQuery(query.subarray(0, length)), undefined, `${length} bytes`);
  }
  assert.equal(decodeQuery(new Uint8Array([...query, 0])), undefined);
  assert.equal(decodeAnswer(new Uint8Array([...answer, 0])), undefined);
  assert.equal(decodeQuery(answer), undefined);
  assert.equal(decodeAnswer(query), undefined);
  const changed = (bytes: Uint8Array, at: number, value: number) => bytes.with(at, value);
  // What stands there is ignored.
  for (const at of [6, 7]) {
    assert.ok(decodeAnswer(changed(answer, at, 9)));
    assert.ok(decodeQuery(changed(query, at, 9)));
  }
  assert.deepEqual(decodeQuery(changed(query, QUERY_BYTES - 1, 9)), decodeQuery(query));
  assert.equal(decodeAnswer(encodeAnswer(answerOf({ data: pattern(DATA_BYTES + 1) }))), undefined);
  for (const at of [0, 1, 2, 3, 4, 5]) {
    assert.equal(decodeQuery(changed(query, at, 9)), undefined, `${at}`);
    assert.equal(decodeAnswer(changed(answer, at, 9)), undefined, `${at}`);
  }
  for (const length of [0, 65, 255]) {
    assert.equal(decodeQuery(changed(query, 24, length)), undefined);
  }
  for (const length of [0, 4, 6, 65, 255]) {
    assert.equal(decodeAnswer(changed(answer, 32, length)), undefined, `a name of ${length}`);
  }
  const names = ["\n", "a\u0000", "\u001B[2J", "\u007F", "\u0085", "\u2028", "\u202Eab", "\u2066"];
  for (const name of ["", ...names, "n".repeat(65)]) {
    assert.equal(decodeAnswer(encodeAnswer(answerOf({ name }))), undefined, JSON.stringify(name));
  }
  for (const bytes of [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xC3]]) {
    const name = encodeAnswer(answerOf({ name: "x".repeat(bytes.length) }));
    name.set(bytes, 33);
    assert.equal(decodeAnswer(name), undefined, `${bytes}`);
  }
  assert.equal(decodeAnswer(encodeAnswer(answerOf({ name: "👩‍🚀" })))?.name, "👩‍🚀");
});

const ip = (text: string) => parseIp(text) as IpAddress;

const NETWORKS: Networks = {
  ipv4: [
    { interface: "lo", number: 1, address: "127.0.0.1", first: 0x7F000000, last: 0x7FFFFFFF },
    { interface: "eth0", number: 2, address: "192.0.2.2", first: 0xC0000200, last: 0xC00002FF },
    { interface: "tun0", number: 4, address: "10.8.0.2", first: 0x0A080002, last: 0x0A080002 },
  ],
  ipv6: [
    { interface: "eth0", number: 2, address: "fe80::2", all: ["fe80::2", "2001:db8::2"] },
    { interface: "eth1", number: 3, address: "fe80::2", all: ["fe80::2"] },
  ],
};

test("Addresses are on a network of this machine, or they are not", () => {
  for (const address of ["127.0.0.9", "192.0.2.1", "192.0.2.254", "10.8.0.2", "fe80::1%eth0"]) {
    assert.ok(isOnLink(NETWORKS, ip(address)) && !isBroadcast(NETWORKS, ip(address)), address);
  }
  for (const address of ["192.0.3.1", "192.0.1.255", "10.8.0.1", "2001:db8::1", "::1"]) {
    assert.ok(!isOnLink(NETWORKS, ip(address)), address);
  }
  for (const address of ["192.0.2.0", "192.0.2.255", "127.255.255.255"]) {
    assert.ok(isBroadcast(NETWORKS, ip(address)), address);
  }
  for (
    const address of ["224.0.0.1", "239.255.36.38", "255.255.255.255", "0.0.0.0", "::", "ff12::1"]
  ) {
    assert.ok(isOfNoMachine(ip(address)), address);
  }
});

test("A host is announced where it can be reached", () => {
  const named = (hostname: string, ipv6Only = false) => {
    const { ipv4, ipv6 } = reaching(NETWORKS, hostname, ipv6Only);
    return [ipv4, ipv6].map((list) => list.map((network) => network.interface).join());
  };
  assert.deepEqual(named("::"), ["lo,eth0,tun0", "eth0,eth1"]);
  assert.deepEqual(named("::", true), ["", "eth0,eth1"]);
  assert.deepEqual(named("0.0.0.0"), ["lo,eth0,tun0", ""]);
  assert.deepEqual(named("192.0.2.2"), ["eth0", ""]);
  assert.deepEqual(named("127.0.0.2"), ["lo", ""]);
  assert.deepEqual(named("2001:db8::2"), ["", "eth0"]);
  assert.deepEqual(named("fe80::2%eth1"), ["", "eth1"]);
  assert.deepEqual(named("::1"), ["", ""]);
  // The networks that are too many are those that do not reach it.
  const many = Array.from({ length: 40 }, (_, index) => {
    const first = 0x0A000000 + 256 * index;
    const address = `10.0.${index}.1`;
    return { interface: `br${index}`, number: index + 1, address, first, last: first + 255 };
  });
  const used = few(reaching({ ipv4: many, ipv6: [] }, "10.0.39.1", false));
  assert.deepEqual(used.ipv4.map((network) => network.interface), ["br39"]);
  assert.equal(few({ ipv4: many, ipv6: [] }).ipv4.length, 32);
});

test("An address gets ten answers a second, all of them 200, in bounded memory", () => {
  const rate = new AnswerRate();
  const taken = (address: string, now: number, tries: number) => {
    let count = 0;
    for (let i = 0; i < tries; i++) count += Number(rate.take(address, now));
    return count;
  };
  assert.equal(taken("192.0.2.1", 0, 100), 10);
  assert.equal(taken("192.0.2.1", 100, 100), 1);
  assert.equal(taken("192.0.2.1", 60_000, 100), 10);
  let count = 0;
  for (let i = 0; i < 10_000; i++) count += taken(`10.0.${i >> 8}.${i & 255}`, 60_000, 1);
  assert.equal(count, 190);
  assert.equal(taken("192.0.2.1", 61_000, 100), 10);
});

test("One who forges answers fills a table of bounded size, and is heard once for each query", () => {
  const found = new Found();
  const news = () => {
    const list: DiscoveredServer[] = [];
    for (let server = found.next(); server !== undefined; server = found.next()) list.push(server);
    return list;
  };
  const from = (host: number) => ({ hostname: `192.0.2.${host}`, port: 7777 });
  for (let i = 0; i < 1000; i++) found.add(answerOf({ id: idOf(i) }), from(1), 1);
  assert.equal(news().length, 32);
  for (let i = 1000; i < 20_000; i++) found.add(answerOf({ id: idOf(i) }), from(i % 250), 1);
  assert.equal(news().length, 256 - 32);

  // The same query answered many times, and from other addresses.
  for (let i = 0; i < 1000; i++) found.add(answerOf({ id: idOf(0), name: `n${i}` }), from(1), 1);
  found.add(answerOf({ id: idOf(0), number: 2, name: "forged" }), from(2), 1);
  assert.deepEqual(news(), []);
  for (let i = 0; i < 1000; i++) {
    found.add(answerOf({ id: idOf(0), number: 2, name: `n${i}` }), from(1), 1);
  }
  assert.deepEqual(news().map(({ status, name }) => `${status} ${name}`), ["changed n0"]);

  // What nobody has heard of is told in its latest state, or not at all.
  found.expire(4);
  assert.deepEqual(news(), []);
  found.expire(6);
  assert.equal(news().filter(({ status }) => status === "lost").length, 256);
  found.add(answerOf({ id: idOf(0), number: 6, name: "old" }), from(1), 1);
  found.add(answerOf({ id: idOf(0), number: 7, name: "new" }), from(1), 1);
  found.add(answerOf({ id: idOf(1), number: 7 }), from(1), 1);
  assert.deepEqual(news().map(({ status, name }) => `${status} ${name}`), [
    "found new",
    "found name",
  ]);
  found.add(answerOf({ id: idOf(2), number: 7 }), from(1), 1);
  found.expire(11);
  assert.deepEqual(news().map(({ status }) => status), ["lost", "lost"]);
});

test("A server has news when anything has changed that it tells", () => {
  const found = new Found();
  const from = { hostname: "192.0.2.1", port: 7777 };
  const told: Partial<Answer>[] = [
    {},
    {},
    { name: "other" },
    { name: "other", data: pattern(4) },
    { name: "other", data: pattern(4), peers: 2 },
    { name: "other", data: pattern(4), peers: 2, maximumPeers: 3 },
  ];
  const news = told.map((values, index) => {
    found.add(answerOf({ ...values, number: index + 1 }), from, index);
    return found.next()?.status;
  });
  assert.deepEqual(news, ["found", undefined, "changed", "changed", "changed", "changed"]);
});

/** Answers queries with whatever a function makes of them. */
async function forge(
  place: Place,
  make: (query: Uint8Array) => Iterable<Uint8Array>,
): Promise<Disposable> {
  const socket = await boundSocket();
  const overheard = await overhear(place, (query, { address, port }) => {
    for (const bytes of make(query)) socket.send(bytes, port, address, () => {});
  });
  return {
    [Symbol.dispose]() {
      overheard[Symbol.dispose]();
      socket.close();
    },
  };
}

test("A search takes no answer that does not answer it, and no part of one", async () => {
  const place = await newPlace();
  using _forger = await forge(place, function* (bytes) {
    const query = decodeQuery(bytes);
    assert.ok(query !== undefined);
    const answer = { ...query, ...answerOf(), nonce: query.nonce, number: query.number };
    const wrong = (values: Partial<Answer>) => encodeAnswer({ ...answer, name: "bad", ...values });
    yield wrong({ nonce: new Uint8Array(8) });
    yield wrong({ number: 0 });
    yield wrong({ number: query.number + 1 });
    yield wrong({ number: 0xFFFFFFFF });
    yield wrong({ name: "\u001B[2Jbad" });
    yield wrong({}).subarray(1);
    yield new Uint8Array(0);
    yield bytes;
    yield pattern(2000);
    yield encodeAnswer({ ...answer, name: "good" });
  });
  const names: string[] = [];
  const look = async () => {
    for await (const { name } of discover({ ...place, timeoutMs: Infinity })) {
      names.push(name);
      break;
    }
  };
  await withDeadline(look(), DEADLINE_MS, "a good answer");
  assert.deepEqual(names, ["good"]);
});

test("Answers that flood a search end neither in memory nor in a loop without end", async () => {
  const place = await newPlace();
  let queries = 0;
  using _forger = await forge(place, function* (bytes) {
    queries++;
    const { nonce, number } = decodeQuery(bytes)!;
    for (let i = 0; i < 100; i++) {
      yield encodeAnswer(answerOf({ nonce, number, id: idOf(i % 50), name: `${number}.${i}` }));
    }
  });
  const ids = new Map<string, number>();
  const look = async () => {
    for await (const { id } of discover({ ...place, timeoutMs: Infinity })) {
      ids.set(id, (ids.get(id) ?? 0) + 1);
      if (queries >= 3) break;
    }
  };
  await withDeadline(look(), DEADLINE_MS, "three queries");
  assert.ok(ids.size > 0 && ids.size <= 32, `${ids.size} servers`);
  assert.ok([...ids.values()].every((count) => count <= queries), `${[...ids.values()]}`);
});

test("A server answers what it is asked for, once for each query, and is never longer", async () => {
  const place = await newPlace();
  await using host = await Host.listen({ hostname: "127.0.0.1" }, {});
  const name = "n".repeat(NAME_BYTES);
  using _announcement = await announce(host, { ...place, name, data: pattern(DATA_BYTES) });
  const answers: Uint8Array[] = [];
  const socket = await boundSocket();
  socket.setMulticastInterface("127.0.0.1");
  socket.on("message", (bytes: Uint8Array) => answers.push(bytes));
  const ask = (bytes: Uint8Array) => socket.send(bytes, place.discoveryPort, GROUP_IPV4, () => {});
  const query = (number: number, game = "test", version = 0) =>
    encodeQuery({ nonce: pattern(8), number, game: encodeGame(game, version) });
  try {
    ask(query(1).subarray(0, 100));
    ask(query(2, "other"));
    ask(query(3, "test", 1));
    ask(query(4, "tes"));
    ask(pattern(QUERY_BYTES));
    ask(new Uint8Array([...query(5), 0]));
    ask(query(6));
    await until(() => answers.length > 0, DEADLINE_MS, "an answer");
    assert.equal(answers.length, 1);
    const answer = decodeAnswer(answers[0]);
    assert.deepEqual([answer?.number, answer?.name], [6, name]);
    assert.equal(answers[0].length, 35 + NAME_BYTES + DATA_BYTES);
    assert.ok(answers[0].length <= QUERY_BYTES);
    // The same search has the same id, another one has another.
    ask(query(7));
    ask(encodeQuery({ nonce: new Uint8Array(8), number: 8, game: encodeGame("test", 0) }));
    await until(() => answers.length === 3, DEADLINE_MS, "two more answers");
    const ids = answers.map((bytes) => `${decodeAnswer(bytes)?.id}`);
    assert.equal(ids[0], ids[1]);
    assert.notEqual(ids[0], ids[2]);
    // A host answers no address that its filter denies. What comes later from another one is answered.
    host.filter = { deny: ["127.0.0.1"] };
    ask(query(9));
    const other = await boundSocket("127.0.0.2");
    try {
      const answered = new Promise((resolve) => other.once("message", resolve));
      other.setMulticastInterface("127.0.0.1");
      other.send(query(10), place.discoveryPort, GROUP_IPV4, () => {});
      await withDeadline(answered, DEADLINE_MS, "an answer to another address");
    } finally {
      other.close();
    }
    assert.equal(answers.length, 3);
  } finally {
    socket.close();
  }
});

/** Sends the same bytes again and again, with pauses in which others work, until a condition is true. */
async function flood(socket: Socket, port: number, isOver: () => boolean): Promise<void> {
  const bytes = new Uint8Array(10);
  const sendSome = async () => {
    for (let i = 0; i < 100; i++) socket.send(bytes, port, "127.0.0.1", () => {});
    await new Promise((resolve) => setImmediate(resolve));
    return isOver();
  };
  await until(sendSome, DEADLINE_MS, "the end of the flood");
}

test("A flood closes the sockets until the next look at the interfaces", async () => {
  const { discoveryPort: port } = await newPlace();
  let count = 0;
  const sockets = new Sockets(() => count++, false);
  const spot: Spot = {
    ...{ type: "udp4", address: "127.0.0.1", port },
    ...{ zone: "", numbers: [], group: "", joins: [], targets: [] },
  };
  const sender = await boundSocket();
  try {
    assert.equal(await sockets.refresh([spot], "Testing"), undefined);
    assert.ok(sockets.isOpen);
    await flood(sender, port, () => !sockets.isOpen);
    assert.equal(count, 5000);
    assert.equal(await sockets.refresh([spot], "Testing"), undefined);
    await flood(sender, port, () => count > 5000);
  } finally {
    sender.close();
    sockets.close();
  }
  assert.ok(!sockets.isOpen);
});
