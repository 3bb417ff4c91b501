import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { type AddressFilter, Host, Packet } from "../../mod.ts";
import {
  connectedPair,
  currentRuntime,
  journal,
  leakCheck,
  spawnRuntime,
  until,
  withDeadline,
} from "../_helpers.ts";
import { Plain } from "../_plain.ts";

const LOOPBACK = "127.0.0.1";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Bytes without a pattern, the same ones each time: now and then others would be a request to connect. */
function noise(length: number): Uint8Array {
  let state = length;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state, 1103515245) + 12345 >>> 0;
    return state >>> 16 & 255;
  });
}

/** ENet's header: flags, session and peer. */
const header = (peer: number, session = 0, flags = 0) => {
  const word = flags << 14 | session << 12 | peer;
  return [word >> 8, word & 255];
};

const COMPRESSED = 1;
const SENT_TIME = 2;

/** Datagrams that are not ENet's, whatever they look like. None of them is empty. */
const FOREIGN: readonly (readonly [string, Uint8Array])[] = [
  ["JSON", encode(JSON.stringify({ query: "status", id: 7 }))],
  ["a server query of games", Uint8Array.of(0xFF, 0xFF, 0xFF, 0xFF, ...encode("TSource Engine\0"))],
  ["a STUN request", Uint8Array.of(0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, ...noise(12))],
  ["one byte", Uint8Array.of(0)],
  ["two bytes", Uint8Array.of(0, 0)],
  ["three bytes", Uint8Array.of(0x80, 0, 0)],
  ["random bytes", noise(700)],
  ["the MTU", noise(1400)],
  ["ENet's largest", noise(4096)],
  // A ping, from an address that is no peer's.
  ["a live peer of another address", Uint8Array.of(...header(0), 0x85, 0xFF, 0, 1)],
  ["a live peer with time", Uint8Array.of(...header(0, 0, SENT_TIME), 0, 9, 0x85, 0xFF, 0, 1)],
  ["another session", Uint8Array.of(...header(0, 2), 0x85, 0xFF, 0, 1)],
  ["a free peer", Uint8Array.of(...header(3), 0x85, 0xFF, 0, 1)],
  ["a peer beyond the last", Uint8Array.of(...header(4000), 0x85, 0xFF, 0, 1)],
  ["a compressed one of a free peer", Uint8Array.of(...header(3, 0, COMPRESSED), 1, 2, 3, 4)],
  ["no peer yet, nothing more", Uint8Array.of(...header(0xFFF))],
  ["no peer yet, a ping", Uint8Array.of(...header(0xFFF, 0, SENT_TIME), 0, 9, 0x85, 0xFF, 0, 1)],
  ["no peer yet, half a request", Uint8Array.of(...header(0xFFF), 0x82, 0xFF, 0, 1, 0, 0, 0)],
  ["no peer yet, compressed", Uint8Array.of(...header(0xFFF, 0, COMPRESSED), ...noise(40))],
];

for (
  const [name, settings] of [
    ["", {}],
    [" with compression", { compression: "range-coder" }],
    [" with a checksum", { checksum: "crc32" }],
    [" with compression and a checksum", { compression: "range-coder", checksum: "crc32" }],
  ] as const
) {
  test(`Datagrams that are not ENet's are reported${name}, and ENet is undisturbed`, async (t) => {
    await leakCheck(t);
    const seen = journal();
    await using plain = await Plain.open();
    await using pair = await connectedPair({
      server: { datagrams: true, ...settings },
      serverHandlers: seen.handlers,
      client: settings,
    });
    const { server, peer, remote } = pair;
    const delivered: Promise<void>[] = [];
    for (const [index, [, bytes]] of FOREIGN.entries()) {
      delivered.push(peer.deliver(index % 2, `message ${index}`));
      await plain.send(bytes, server.address);
    }
    const reported = await seen.wait("datagram", FOREIGN.length);
    for (const [index, [what, bytes]] of FOREIGN.entries()) {
      assert.deepEqual(reported[index].bytes, bytes, what);
      assert.deepEqual(reported[index].address, plain.address, what);
    }
    await withDeadline(Promise.all(delivered), 10_000, "the messages meanwhile");
    const messages = await seen.wait("receive", FOREIGN.length);
    const texts = messages.map(({ bytes }) => decode(bytes));
    assert.deepEqual(texts.sort(), FOREIGN.map((_, index) => `message ${index}`).sort());
    // Nothing of it was taken for a peer, and nothing of a peer's for a datagram.
    assert.equal(seen.entries.length, 1 + 2 * FOREIGN.length);
    assert.deepEqual([server.stats.datagrams, server.stats.connectedPeers], [FOREIGN.length, 1]);
    assert.deepEqual([remote.state, plain.received], ["connected", []]);
  });
}

test("Empty datagrams are not reported, and hold nothing up", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using plain = await Plain.open();
  await using pair = await connectedPair({
    server: { datagrams: true },
    serverHandlers: seen.handlers,
  });
  const { server, peer } = pair;
  for (let i = 0; i < 20; i++) {
    await plain.send(new Uint8Array(), server.address);
    await plain.send(encode(`${i}`), server.address);
  }
  await peer.deliver(0, "x");
  const reported = (await seen.wait("datagram", 20)).map(({ bytes }) => decode(bytes));
  assert.deepEqual(reported, Array.from({ length: 20 }, (_, i) => `${i}`));
});

test("Datagrams larger than ENet's largest are dropped and counted", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using plain = await Plain.open();
  await using pair = await connectedPair({
    server: { datagrams: true },
    serverHandlers: seen.handlers,
  });
  const { server, peer } = pair;
  await plain.send(new Uint8Array(4097), server.address);
  await plain.send(new Uint8Array(60_000), server.address);
  await plain.send(encode("small"), server.address);
  assert.equal(decode((await seen.wait("datagram"))[0].bytes), "small");
  assert.deepEqual([server.stats.datagrams, server.stats.socketErrors], [1, 2]);
  await peer.deliver(0, "x");
});

test("Datagrams as large as the arena are reported", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using plain = await Plain.open();
  await using host = await Host.listen(
    { hostname: LOOPBACK, datagrams: true, arenaSize: 4096 },
    seen.handlers,
  );
  const all = [1000, 4096, 3000, 1025, 4095, 2].map(noise);
  for (const bytes of all) await plain.send(bytes, host.address);
  const reported = await seen.wait("datagram", all.length);
  assert.deepEqual(reported.map(({ bytes }) => bytes), all);
});

test("Datagrams are not reported unless that is on; it can be changed at any time", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using plain = await Plain.open();
  await using pair = await connectedPair({ serverHandlers: seen.handlers });
  const { server, peer } = pair;
  /** Sends one and waits until the host has taken it in. */
  const send = async (text: string) => {
    const { totalReceivedPackets } = server.stats;
    await plain.send(encode(text), server.address);
    await until(() => server.stats.totalReceivedPackets > totalReceivedPackets, 30_000, text);
    await peer.deliver(0, text);
  };
  assert.equal(server.datagrams, false);
  await send("off");
  server.datagrams = true;
  await send("on");
  server.datagrams = false;
  await send("off again");
  assert.deepEqual(seen.all("datagram").map(({ bytes }) => decode(bytes)), ["on"]);
  assert.equal(server.stats.datagrams, 1);
});

test("Host.sendDatagram() sends every kind of data as it is", async (t) => {
  await leakCheck(t);
  await using plain = await Plain.open();
  await using host = await Host.listen({ hostname: LOOPBACK });
  const bytes = noise(64);
  const cases = [
    ["text", "Grüße", encode("Grüße")],
    ["buffer", bytes.buffer, new Uint8Array(bytes.buffer)],
    ["view", new DataView(bytes.buffer, bytes.byteOffset + 3, 5), bytes.subarray(3, 8)],
    ["packet", Packet.from(bytes), bytes],
    ["64 KB", new Uint8Array(65_507).fill(7), new Uint8Array(65_507).fill(7)],
    ["nothing", "", new Uint8Array()],
  ] as const;
  for (const [index, [what, data, expected]] of cases.entries()) {
    assert.equal(host.sendDatagram(plain.address, data), true, what);
    await until(() => plain.received.length > index, 30_000, what);
    assert.deepEqual(plain.received[index], { bytes: expected, port: host.address.port }, what);
  }
});

test("Host.sendDatagram() answers through the address of the event", async (t) => {
  await leakCheck(t);
  await using plain = await Plain.open();
  await using host = await Host.listen({ hostname: LOOPBACK, datagrams: true, arenaSize: 4096 });
  // The larger one is more than a packet of a peer could have in such an arena.
  const queries = [encode("ping"), noise(4000)];
  for (const query of queries) await plain.send(query, host.address);
  let left = queries.length;
  for await (const event of host) {
    assert.equal(event.type, "datagram");
    if (event.type === "datagram") assert.ok(host.sendDatagram(event.address, event.packet));
    if (--left === 0) break;
  }
  await until(() => plain.received.length === 2, 20_000, "the answers");
  assert.deepEqual(plain.received.map(({ bytes }) => bytes), queries);
});

test("Host.sendDatagram() sends on large messages of a peer", async (t) => {
  await leakCheck(t);
  await using plain = await Plain.open();
  await using pair = await connectedPair({ server: { arenaSize: 4096 } });
  const { server, peer } = pair;
  const message = noise(2000); // too large for this arena
  peer.send(0, message);
  for await (const event of server) {
    if (event.type !== "receive") continue;
    assert.ok(server.sendDatagram(plain.address, event.packet));
    break;
  }
  await until(() => plain.received.length > 0, 20_000, "the datagram");
  assert.deepEqual(plain.received[0].bytes, message);
});

test("Two hosts exchange datagrams beside their connection, also one that only connects", async (t) => {
  await leakCheck(t);
  const own = journal();
  const seen = journal();
  await using pair = await connectedPair({
    client: { datagrams: true },
    clientHandlers: own.handlers,
    server: { datagrams: true },
    serverHandlers: seen.handlers,
  });
  const { client, server, peer } = pair;
  const { port } = client.address;
  // From the address of a live peer: what is not ENet's must not be taken for its own.
  const texts = ["{}", "plain text", "ÿÿÿÿ"];
  for (const text of texts) {
    client.sendDatagram(server.address, text);
    server.sendDatagram({ hostname: LOOPBACK, port }, text);
  }
  const there = await seen.wait("datagram", texts.length);
  const here = await own.wait("datagram", texts.length);
  assert.deepEqual(there.map(({ bytes }) => decode(bytes)), texts);
  assert.deepEqual(here.map(({ bytes }) => decode(bytes)), texts);
  assert.deepEqual(there[0].address, { hostname: LOOPBACK, port });
  assert.deepEqual(here[0].address, server.address);
  await peer.deliver(0, "x");
  assert.equal(peer.state, "connected");
});

test("Datagrams reach handlers, iteration and service() alike", async (t) => {
  await leakCheck(t);
  await using plain = await Plain.open();
  await using polled = await Host.listen({ hostname: LOOPBACK, datagrams: true, pump: false });
  await plain.send(encode("by hand"), polled.address);
  const event = polled.service(10_000);
  assert.ok(event?.type === "datagram");
  assert.deepEqual([event.packet.text(), event.address], ["by hand", plain.address]);
  assert.equal(polled.service(), null);
  await using iterated = await Host.listen({ hostname: LOOPBACK, datagrams: true });
  await plain.send(encode("first"), iterated.address);
  await plain.send(encode("second"), iterated.address);
  const events = iterated[Symbol.asyncIterator]();
  const { value: first } = await withDeadline(events.next(), 10_000, "the first");
  const { packet } = first;
  assert.equal(new TextDecoder().decode(new Uint8Array(packet.view)), "first");
  const { value: second } = await withDeadline(events.next(), 10_000, "the second");
  assert.equal(second.packet.text(), "second");
  assert.throws(() => packet.bytes, { code: "ENETJS_ERR_RELEASED" });
});

test("A flood of datagrams is reported in order and disturbs no peer", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({
    server: { datagrams: true, receiveBufferSize: 4_000_000, eventCapacity: 64, arenaSize: 4096 },
    serverHandlers: seen.handlers,
  });
  const { client, server, peer } = pair;
  const delivered: Promise<void>[] = [];
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 100; i++) client.sendDatagram(server.address, `${round * 100 + i}`);
    delivered.push(peer.deliver(0, `${round}`));
    // Lets the host read, so that its socket's buffer need not lose any.
    await delivered.at(-1);
  }
  const reported = () => seen.all("datagram").length === server.stats.datagrams;
  await until(reported, 20_000, "what waited for the ring to be reported");
  const numbers = seen.all("datagram").map(({ bytes }) => Number(decode(bytes)));
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  assert.equal(server.stats.datagrams, numbers.length);
  assert.ok(numbers.length > 1000, `${numbers.length} of 2000`);
  assert.equal(seen.all("receive").length, 20);
});

// The address filter. Every address of 127.0.0.0/8 is this machine, on Linux.

const linux = process.platform === "linux";

const SOURCES = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.1.1", "127.255.255.254"];

/** Sends a datagram from every source, and tells whose came through. */
async function admitted(host: Host, sources: readonly Plain[], seen: ReturnType<typeof journal>) {
  const before = seen.all("datagram").length;
  const { filtered, datagrams } = host.stats;
  for (const source of sources) await source.send(encode("may I?"), host.address);
  const answered = () => {
    const { stats } = host;
    return stats.filtered + stats.datagrams === filtered + datagrams + sources.length;
  };
  await until(answered, 20_000, "every datagram");
  const count = host.stats.datagrams - datagrams;
  assert.equal(host.stats.filtered - filtered, sources.length - count);
  const events = (await seen.wait("datagram", before + count)).slice(before);
  return events.map(({ address }) => address.hostname).sort();
}

test("The filter admits by address and prefix, and a change takes effect at once", {
  skip: !linux,
}, async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using host = await Host.listen({ hostname: LOOPBACK, datagrams: true }, seen.handlers);
  await using stack = new AsyncDisposableStack();
  const sources: Plain[] = [];
  for (const hostname of SOURCES) sources.push(stack.use(await Plain.open(hostname)));
  const all = SOURCES;
  const cases: [AddressFilter, readonly string[]][] = [
    [{}, all],
    [{ allow: [], deny: [] }, all],
    [{ allow: undefined, deny: undefined }, all],
    [{ allow: ["127.0.0.2"] }, ["127.0.0.2"]],
    [{ deny: ["127.0.0.2"] }, all.filter((a) => a !== "127.0.0.2")],
    [{ allow: ["127.0.0.0/24"] }, all.slice(0, 3)],
    [{ allow: ["127.0.0.0/24"], deny: ["127.0.0.2", "127.0.0.3"] }, ["127.0.0.1"]],
    [{ allow: ["127.0.0.2/31"] }, ["127.0.0.2", "127.0.0.3"]],
    // The rest of the address does not matter to a prefix.
    [{ allow: ["127.0.0.3/31"] }, ["127.0.0.2", "127.0.0.3"]],
    [{ allow: ["127.0.0.2/32"] }, ["127.0.0.2"]],
    [{ allow: ["0.0.0.0/0"] }, all],
    [{ deny: ["0.0.0.0/0"] }, []],
    [{ allow: ["127.0.0.1"], deny: ["127.0.0.1"] }, []],
    [{ deny: ["127.128.0.0/9"] }, all.slice(0, 4)],
    [{ allow: ["10.0.0.0/8"] }, []],
    [{ allow: ["127.0.0.1", "127.0.0.1", "127.0.0.0/30", "127.0.0.3"] }, all.slice(0, 3)],
    [{ allow: ["127.0.1.1", "127.0.0.3", "127.0.0.1"], deny: ["127.0.0.3"] }, [all[0], all[3]]],
    [{}, all],
  ];
  for (const [filter, expected] of cases) {
    host.filter = filter;
    const { allow = [], deny = [] } = filter;
    assert.deepEqual(host.filter, { allow, deny, refuse: false });
    assert.deepEqual(await admitted(host, sources, seen), [...expected].sort(), `${[allow, deny]}`);
  }
});

test("A filter of many rules admits as its rules say", { skip: !linux }, async (t) => {
  await leakCheck(t);
  const seen = journal();
  // Every other address, so that none can be merged with its neighbour.
  const deny = Array.from(
    { length: 20_000 },
    (_, i) => `127.${i >> 13 & 255}.${i >> 7 & 63}.${(i & 127) * 2}`,
  );
  await using host = await Host.listen(
    { hostname: LOOPBACK, datagrams: true, filter: { deny } },
    seen.handlers,
  );
  await using stack = new AsyncDisposableStack();
  const sources: Plain[] = [];
  const names = ["127.0.0.1", "127.0.0.2", "127.0.0.254", "127.0.1.5", "127.1.3.8", "127.1.3.9"];
  for (const hostname of names) sources.push(stack.use(await Plain.open(hostname)));
  const odd = ["127.0.0.1", "127.0.1.5", "127.1.3.9"];
  assert.deepEqual(await admitted(host, sources, seen), odd);
  assert.equal(host.filter.deny?.length, 20_000);
  host.filter = { allow: deny };
  assert.deepEqual(await admitted(host, sources, seen), names.filter((a) => !odd.includes(a)));
});

test("The filter decides who can connect", { skip: !linux }, async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using server = await Host.listen(
    { hostname: LOOPBACK, filter: { deny: ["127.0.0.2"] } },
    seen.handlers,
  );
  await using denied = await Host.listen({ hostname: "127.0.0.2" });
  await using other = await Host.listen({ hostname: "127.0.0.3" });
  const attempt = denied.connect(server.address, { timeoutMs: 100 });
  await assert.rejects(attempt, { code: "ENETJS_ERR_TIMEOUT" });
  await until(() => server.stats.filtered > 0, 20_000, "a request that is dropped");
  await other.connect(server.address);
  await seen.wait("connect");
  server.filter = { allow: ["127.0.0.2"] };
  await denied.connect(server.address);
  const from = (await seen.wait("connect", 2)).map(({ peer }) => peer.address.hostname);
  assert.deepEqual(from, ["127.0.0.3", "127.0.0.2"]);
});

test("A connected peer that is denied times out, unless it is admitted again in time", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({ serverHandlers: seen.handlers });
  const { server, peer, remote } = pair;
  await peer.deliver(0, "before");
  const { filtered } = server.stats;
  server.filter = { deny: ["127.0.0.0/8"] };
  const delivered = peer.deliver(0, "meanwhile");
  await until(() => server.stats.filtered > filtered, 20_000, "the first that is dropped");
  assert.equal(seen.all("receive").length, 1);
  server.filter = {};
  await withDeadline(delivered, 10_000, "the delivery");
  server.filter = { deny: ["127.0.0.0/8"] };
  remote.timeout({ limit: 1, minimumMs: 30, maximumMs: 60 });
  remote.pingInterval(20);
  const [{ reason }] = await seen.wait("disconnect");
  assert.equal(reason, "timeout");
});

test("The filter keeps datagrams of the denied from being reported as such", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using plain = await Plain.open();
  await using host = await Host.listen(
    { hostname: LOOPBACK, datagrams: true, filter: { deny: [LOOPBACK] } },
    seen.handlers,
  );
  await plain.send(encode("dropped"), host.address);
  await until(() => host.stats.filtered === 1, 20_000, "the drop");
  host.filter = {};
  await plain.send(encode("reported"), host.address);
  assert.deepEqual((await seen.wait("datagram")).map(({ bytes }) => decode(bytes)), ["reported"]);
});

test("Datagrams pass one by one where a libenet that is shared was loaded before, else batched", {
  skip: process.platform !== "linux",
}, async () => {
  const { LD_PRELOAD = "" } = process.env; // a sanitizer's has to be the first
  const beside = process.env.ENETJS_ENET_SOURCE ? "batched" : "plain"; // ENet that is built in is not shared
  for (const [preload, datagrams] of [["", "batched"], ["libenet.so.7", beside]]) {
    await using program = spawnRuntime(currentRuntime(), "batched.ts", [], {
      env: { LD_PRELOAD: `${LD_PRELOAD} ${preload}` },
    });
    const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "the program");
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), { datagrams, length: 1 << 20 });
  }
});
