/**
 * What errors say beyond the value at fault: the cause, as far as it can be known, and what to do.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type Peer } from "../../mod.ts";
import { connectedPair, leakCheck, withDeadline } from "../_helpers.ts";

const LOOPBACK = "127.0.0.1";

/** The message of what a call throws or rejects with. */
async function complaint(call: () => unknown): Promise<string> {
  try {
    await withDeadline(Promise.resolve(call()), 20_000, "the error");
  } catch (error) {
    assert.ok(error instanceof Error, String(error));
    return error.message;
  }
  assert.fail(`${call} was accepted`);
}

// Addresses.

test('Host.connect() and Host.sendDatagram() take "hostname:port"', async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK, datagrams: true });
  await using client = await Host.create();
  const { port } = server.address;
  const peer = await client.connect(`${LOOPBACK}:${port}`);
  assert.deepEqual(peer.address, { hostname: LOOPBACK, port });
  const named = await client.connect(`localhost:${port}`);
  assert.deepEqual(named.address, peer.address);
  client.sendDatagram(`${LOOPBACK}:${port}`, "ping");
  for await (const event of server) {
    if (event.type !== "datagram") continue;
    assert.equal(event.packet.text(), "ping");
    break;
  }
});

test("Text that is no address is refused with what is wrong about it", async () => {
  await using host = await Host.create();
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /must have a port, as in "example\.com:7777", not ""/],
    [LOOPBACK, /must have a port.*not "127\.0\.0\.1"/],
    [":7777", /must have a port.*not ":7777"/],
    ["a:", /must have a port.*not "a:"/],
    ["a:b", /must have a port.*not "a:b"/],
    ["a:-1", /must have a port.*not "a:-1"/],
    ["a:65536", /address\.port must be an integer from 1 to 65535, not 65536/],
    ["a:0", /address\.port must be an integer from 1 to 65535, not 0/],
    ["udp://a:7777", /without scheme and port, not "udp:\/\/a"/],
    ["300.0.0.1:7777", /"300\.0\.0\.1" is not an IPv4 address/],
    ["[::1]", /must have a port.*as in "\[::1\]:7777", not "\[::1\]"/],
    ["::1", /an IPv6 address stands in brackets, as in "\[::1\]:7777", not "::1"/],
    ["fe80::1%lo:7777", /stands in brackets, as in "\[fe80::1%lo\]:7777"/],
    ["[1::2::3]:7777", /"1::2::3" is not an IPv6 address/],
  ];
  for (const [text, says] of cases) {
    assert.match(await complaint(() => host.connect(text)), says);
    assert.match(await complaint(() => host.sendDatagram(text, "x")), says);
  }
  const twice = { hostname: "a:7777", port: 7777 };
  assert.match(await complaint(() => host.connect(twice)), /without scheme and port, not "a:7777"/);
});

// Options.

test("An unknown option suggests the name that was probably meant", async () => {
  await using host = await Host.create();
  const cases: readonly (readonly [() => unknown, string | undefined])[] = [
    [() => host.connect({ host: "a", port: 1 } as never), "hostname"],
    [() => host.connect({ address: "a", port: 1 } as never), "hostname"],
    [() => host.connect("a:1", { timeout: 1 } as never), "timeoutMs"],
    [() => host.connect("a:1", { chanels: 1 } as never), "channels"],
    [() => Host.listen({ maxPeers: 1 } as never), "peers"],
    [() => Host.listen({ maxClients: 1 } as never), "peers"],
    [() => Host.listen({ maximumPacketsize: 1 } as never), "maximumPacketSize"],
    [() => Host.listen({ prot: 1 } as never), "port"],
    [() => Host.listen({}, { onDisconnect() {} } as never), "disconnect"],
    [() => Host.listen({}, { message() {} } as never), "receive"],
    [() => host.close({ timeoutMs: 1 } as never), "graceMs"],
    [() => Host.create({ somethingElse: 1 } as never), undefined],
    [() => Host.create({ x: 1 } as never), undefined],
    [() => Host.create({ ["y".repeat(10_000)]: 1 } as never), undefined],
  ];
  for (const [call, meant] of cases) {
    const message = await complaint(call);
    assert.match(message, /has no option "/);
    assert.match(message, /; it takes \w+/);
    assert.ok(message.length < 1000, "a long name is cut");
    assert.equal(message.match(/did you mean "(\w+)"/)?.[1], meant, message);
  }
});

test("Peer.timeout() refuses a minimum above the maximum, and fits what is absent", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer } = pair;
  const set = (timeouts: Parameters<Peer["timeout"]>[0]) => {
    peer.timeout(timeouts);
    const { timeoutLimit, timeoutMinimumMs, timeoutMaximumMs } = peer.stats;
    return [timeoutLimit, timeoutMinimumMs, timeoutMaximumMs];
  };
  assert.deepEqual(set({ minimumMs: 7, maximumMs: 8 }), [32, 7, 8]);
  assert.throws(() => peer.timeout({ minimumMs: 3, maximumMs: 2 }), {
    name: "RangeError",
    message: "minimumMs must be at most maximumMs, 2, not 3",
  });
  assert.deepEqual([peer.stats.timeoutMinimumMs, peer.stats.timeoutMaximumMs], [7, 8]);
  assert.deepEqual(set({ maximumMs: 1000 }), [32, 1000, 1000]);
  assert.deepEqual(set({ minimumMs: 40_000 }), [32, 40_000, 40_000]);
  assert.deepEqual(set({ minimumMs: 5, maximumMs: 5, limit: 4 }), [4, 5, 5]);
  assert.deepEqual(set({}), [32, 5000, 30_000]);
});

// Data.

test("A detached buffer says how its bytes could have been kept", async () => {
  await using host = await Host.create();
  const bytes = new Uint8Array(4);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  for (const data of [bytes, bytes.buffer]) {
    const message = await complaint(() => host.broadcast(0, data));
    assert.match(message, /detached ArrayBuffer: its bytes were transferred.*view\.slice\(\)/);
  }
});

// Connecting and listening.

test("An attempt without an answer names the causes that are left", async (t) => {
  await leakCheck(t);
  await using silent = await Host.listen({ hostname: LOOPBACK, checksum: "crc32" });
  await using client = await Host.create({ compression: "range-coder" });
  const connect = () => complaint(() => client.connect(silent.address, { timeoutMs: 300 }));
  const { port } = silent.address;
  const nothing = await connect();
  assert.ok(nothing.startsWith(`Connecting to ${LOOPBACK}:${port}: no answer within 300 ms, and `));
  assert.match(nothing, /nothing else arrived: no host listens there on UDP, a firewall/);
  assert.match(nothing, /has not compression "range-coder" and checksum "none"$/);
  client.filter = { deny: ["127.0.0.0/8"] };
  assert.match(await connect(), /: the filter of this host denies the address$/);
  client.filter = {};
  // Somebody else is heard meanwhile.
  await using other = await Host.create({ compression: "range-coder" });
  await client.connect(silent.address, { timeoutMs: 1 }).catch(() => {}); // which binds a port
  const to = { hostname: LOOPBACK, port: client.address.port };
  const noise = setInterval(() => other.sendDatagram(to, "noise"), 10);
  try {
    assert.match(
      await connect(),
      /, though \d+ datagrams arrived from somewhere: .* another address of its machine, its filter denies/,
    );
  } finally {
    clearInterval(noise);
  }
});

test("An attempt that is refused says by whom, and what the number means", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: LOOPBACK, peers: 1 });
  await using client = await Host.create();
  await client.connect(server.address);
  const message = await complaint(() => client.connect(server.address));
  assert.match(message, /: the other side refused, with data 1718971500: it is full, so try again/);
});

test("An address in use says by what to find who has it", async () => {
  await using first = await Host.listen({ hostname: LOOPBACK });
  const { port } = first.address;
  const message = await complaint(() => Host.listen({ hostname: LOOPBACK, port }));
  assert.ok(
    message.startsWith(`Listening on ${LOOPBACK}:${port}: the address is in use; `),
    message,
  );
  assert.match(message, /a host that was not closed.*`ss -ulpn`/);
});
