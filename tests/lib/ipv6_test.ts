/** IPv6: hosts over ::1 and on both versions of IP, names with several addresses, and everything that is about addresses. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import dns from "node:dns/promises";
import { once } from "node:events";
import { test } from "node:test";
import { type Address, DisconnectCode, type ENetError, Host, type Peer } from "../../mod.ts";
import { Messenger } from "../../lib/messaging/mod.ts";
import { Gateway } from "../../lib/gateway/mod.ts";
import { EnetSocket } from "../../lib/gateway/browser/mod.ts";
import { formatIp, parseIp } from "../../lib/internal/ip.ts";
import { until } from "../_helpers.ts";

const LOCAL = "::1";
const PATIENCE_MS = 20_000;

/** Whether this machine has the address ::1, and this process can use it. */
async function hasIPv6(): Promise<boolean> {
  const socket = createSocket("udp6");
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, LOCAL, resolve);
    });
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

const isPossible = await hasIPv6();
if (!isPossible) console.warn("SKIPPED: this machine has no IPv6 loopback address ::1");

/** A test that needs ::1. */
function over6(name: string, run: () => Promise<void>): void {
  test(name, { skip: !isPossible && "no ::1 on this machine" }, run);
}

/** The message of the TypeError that a call ends in. */
async function complaint(call: () => Promise<unknown>): Promise<string> {
  const error = await call().then(() => undefined, (error) => error);
  assert.ok(error instanceof TypeError, String(error));
  return error.message;
}

/** Puts addresses in place of what the resolver says. */
function resolving(addresses: readonly string[]): Disposable {
  const original = dns.lookup;
  const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  dns.lookup = (() => Promise.resolve(found)) as unknown as typeof dns.lookup;
  return { [Symbol.dispose]: () => void (dns.lookup = original) };
}

/** A port of ::1 from which nothing comes back, not even by ICMP. */
async function silentPort(): Promise<{ port: number } & AsyncDisposable> {
  const socket = createSocket("udp6");
  socket.bind(0, LOCAL);
  await once(socket, "listening");
  const { port } = socket.address();
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

test("IPv6 addresses are read and written in their canonical form", () => {
  const forms: Record<string, string> = {
    "::": "::",
    "::1": "::1",
    "1::": "1::",
    "2001:DB8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
    "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
    "fe80::1%eth0": "fe80::1%eth0",
    "64:ff9b::192.0.2.33": "64:ff9b::c000:221",
    "::ffff:192.0.2.7": "192.0.2.7",
    "::ffff:c000:207": "192.0.2.7",
    "1:2:3:4:5:6:7:8": "1:2:3:4:5:6:7:8",
    "0:0:0:1::": "0:0:0:1::",
  };
  for (const [text, canonical] of Object.entries(forms)) {
    const address = parseIp(text);
    assert.ok(address !== undefined, text);
    assert.equal(formatIp(address), canonical);
  }
  const wrong = [
    ...["", ":", ":::", "1", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8"],
    ...["12345::", "g::", "::1.2.3", "1.2.3.4::", "::1%", "[::1]", "::1/64", "::ffff:1.2.3.4%1"],
  ];
  for (const text of wrong) assert.equal(parseIp(text), undefined, text);
});

test("Addresses that cannot be meant are refused with what to write", async () => {
  await using client = await Host.create();
  const refusals: [unknown, RegExp][] = [
    ["::1", /stands in brackets, as in "\[::1\]:7777"/],
    ["[::1]", /must have a port.*"\[::1\]:7777"/],
    ["::1:7777", /stands in brackets/],
    [{ hostname: "[::1]", port: 1 }, /without brackets and port, "::1"/],
    [{ hostname: "[::1]:7", port: 1 }, /without brackets and port, "::1"/],
    [{ hostname: "fe80::1", port: 1 }, /needs its network interface, as in "fe80::1%eth0"/],
    [{ hostname: "::1%lo", port: 1 }, /only link-local addresses have: leave out "%lo"/],
    [{ hostname: "1::2::3", port: 1 }, /is not an IPv6 address/],
    [{ hostname: "240.0.0.1", port: 1 }, /is in 240\.0\.0\.0\/4/],
  ];
  for (const [address, message] of refusals) {
    assert.match(await complaint(() => client.connect(address as Address)), message);
  }
  const zone = "fe80::1%nowhere0";
  await assert.rejects(client.connect({ hostname: zone, port: 9 }), (error: ENetError) => {
    assert.equal(
      error.code,
      isPossible ? "ENETJS_ERR_ADDRESS_UNAVAILABLE" : "ENETJS_ERR_ADDRESS_FAMILY",
    );
    return true;
  });
});

over6("A connection over ::1 opens, carries 30,000 bytes and ends", async () => {
  const ended = Promise.withResolvers<string>();
  const met = Promise.withResolvers<Peer>();
  await using server = await Host.listen({ hostname: LOCAL }, {
    connect: (peer) => met.resolve(peer),
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
    disconnect: (_peer, reason) => ended.resolve(reason),
  });
  await using client = await Host.create();
  const { port } = server.address;
  assert.equal(server.address.hostname, LOCAL);
  assert.match(
    String(Reflect.get(server, Symbol.for("nodejs.util.inspect.custom")).call(server)),
    /\[::1\]:\d/,
  );
  const peer = await client.connect(`[::1]:${port}`, { data: 7 });
  assert.deepEqual(peer.address, { hostname: LOCAL, port });
  assert.equal((await met.promise).address.hostname, LOCAL);
  peer.send(0, new Uint8Array(30_000).map((_, index) => index));
  const { packet } = await peer.receive();
  assert.ok(packet.bytes.every((byte, index) => byte === (index & 255)));
  assert.equal(packet.length, 30_000);
  assert.equal(peer.stats.mtu, 1232);
  assert.ok(server.stats.totalReceivedData > 30_000);
  await peer.disconnect();
  assert.equal(await ended.promise, "remote");
});

over6("An mtu that is set counts for IPv6, too, on either side", async () => {
  await using server = await Host.listen({ hostname: LOCAL, mtu: 1300 });
  await using client = await Host.create({ mtu: 4000 });
  assert.equal((await client.connect(server.address)).stats.mtu, 1300);
  await using other = await Host.create({ mtu: 1280 });
  assert.equal((await other.connect(server.address)).stats.mtu, 1280);
});

over6("A host on both versions of IP has clients of each, with their real addresses", async () => {
  const met: string[] = [];
  await using server = await Host.listen({}, {
    connect: (peer) => void met.push(peer.address.hostname),
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
  assert.equal(server.address.hostname, "::");
  await using client = await Host.create();
  const { port } = server.address;
  for (const hostname of ["127.0.0.1", LOCAL, "::ffff:127.0.0.1"]) {
    const peer = await client.connect({ hostname, port });
    peer.send(0, hostname);
    assert.equal((await peer.receive()).packet.text(), hostname);
  }
  // The address to listen on is this machine for those who connect.
  assert.equal((await client.connect(server.address)).address.hostname, LOCAL);
  await until(() => met.length === 4, PATIENCE_MS, "four connections");
  assert.deepEqual(met, ["127.0.0.1", LOCAL, "127.0.0.1", LOCAL]);
});

over6("A socket of one version of IP says so", async () => {
  await using only = await Host.listen({ ipv6Only: true });
  await using plain = await Host.listen({ hostname: "0.0.0.0" });
  assert.equal(only.address.hostname, "::");
  const reject = async (host: Host, to: string, message: RegExp) => {
    const check = (error: ENetError) =>
      error.code === "ENETJS_ERR_ADDRESS_FAMILY" && message.test(error.message);
    await assert.rejects(host.connect(to), check);
  };
  await reject(
    only,
    "127.0.0.1:9",
    /127\.0\.0\.1:9: that is an IPv4 address.*speaks IPv6 only.*"::"/,
  );
  await reject(plain, "[::1]:9", /\[::1\]:9: that is an IPv6 address.*speaks IPv4 only/);
  assert.throws(() => plain.sendDatagram("[::1]:9", "x"), { code: "ENETJS_ERR_ADDRESS_FAMILY" });
});

over6("accept, the filter, limits and full hosts know IPv6 clients", async () => {
  const asked: string[] = [];
  await using server = await Host.listen({
    hostname: LOCAL,
    peers: 2,
    accept: ({ address, data }) => (asked.push(address.hostname), data !== 5),
  }, {});
  await using client = await Host.create();
  const refusal = async (data: number) => {
    try {
      await client.connect(server.address, { data });
    } catch (error) {
      return (error as ENetError).data;
    }
  };
  assert.equal(await refusal(5), DisconnectCode.DENIED);
  assert.deepEqual(asked, [LOCAL]);
  await client.connect(server.address);
  server.duplicatePeers = 1;
  assert.equal(await refusal(0), DisconnectCode.DUPLICATE);
  server.duplicatePeers = 100;
  await client.connect(server.address);
  assert.equal(await refusal(0), DisconnectCode.FULL);
  server.filter = { deny: ["::/64"], refuse: true };
  assert.equal(await refusal(0), DisconnectCode.DENIED);
  assert.ok(server.stats.filtered > 0);
  server.filter = { deny: ["0.0.0.0/0", "::2", "2001:db8::/32"], refuse: true };
  assert.equal(await refusal(0), DisconnectCode.FULL);
  server.filter = { allow: ["127.0.0.1"], refuse: true };
  assert.equal(await refusal(0), DisconnectCode.DENIED);
});

over6("A limit of connects holds an IPv6 client back", async () => {
  await using server = await Host.listen({
    hostname: LOCAL,
    limits: { address: { connects: { perSecond: 0.01, burst: 1 } } },
  }, {});
  await using client = await Host.create();
  await client.connect(server.address);
  await assert.rejects(client.connect(server.address, { timeoutMs: 200 }), {
    code: "ENETJS_ERR_TIMEOUT",
  });
  assert.ok(server.stats.limitedConnects > 0);
});

test("A rule for one version of IP says nothing about the other", async () => {
  for (
    const [text, message] of [
      ["::1/129", /must be an IP address or prefix/],
      ["fe80::1%eth0", /must not have a zone/],
      ["::ffff:0.0.0.0/96", /must be an IP address or prefix/],
    ] as const
  ) {
    assert.match(await complaint(() => Host.create({ filter: { deny: [text] } })), message);
  }
  await using server = await Host.listen({ hostname: "127.0.0.1", filter: { deny: ["::/0"] } });
  await using client = await Host.create();
  assert.equal((await client.connect(server.address)).state, "connected");
});

over6("Raw datagrams go to and come from IPv6 addresses", async () => {
  const come = Promise.withResolvers<[Address, string]>();
  const back = Promise.withResolvers<Address>();
  await using server: Host = await Host.listen({ datagrams: true }, {
    datagram(address, packet) {
      come.resolve([address, packet.text()]);
      server.sendDatagram(address, "back");
    },
  });
  const { port } = server.address;
  await using client = await Host.create({ datagrams: true }, {
    datagram: (address) => back.resolve(address),
  });
  client.sendDatagram(`[::1]:${port}`, "hello");
  const [{ hostname }, text] = await come.promise;
  assert.deepEqual([hostname, text], [LOCAL, "hello"]);
  assert.deepEqual(await back.promise, { hostname: LOCAL, port });
});

over6("Nothing listens on a port of ::1: ICMPv6 tells", async () => {
  await using gone = await Host.listen({ hostname: LOCAL });
  const { port } = gone.address;
  await gone.close();
  await using client = await Host.create();
  await assert.rejects(
    client.connect({ hostname: LOCAL, port }, { timeoutMs: 300 }),
    (error: ENetError) => {
      assert.equal(error.unreachable, "port");
      assert.match(error.message, new RegExp(`nothing listens on \\[::1\\]:${port}`));
      return true;
    },
  );
});

over6("A name with a dead and a live address connects to the live one", async () => {
  await using silent = await silentPort();
  await using server = await Host.listen({ hostname: "127.0.0.1", port: silent.port }, {});
  const connected: string[] = [];
  await using client = await Host.create({}, {
    connect: (peer) => void connected.push(peer.address.hostname),
  });
  using _names = resolving([LOCAL, "127.0.0.1"]);
  const peer = await client.connect({ hostname: "game.example", port: server.address.port });
  assert.equal(peer.address.hostname, "127.0.0.1");
  assert.deepEqual(connected, ["127.0.0.1"]);
  assert.equal(client.peers.length, 1);
});

// The network is so slow that the second attempt begins before the first one can succeed.
over6(
  "When both addresses are live, one connection is left, and the other place is free",
  async () => {
    const closed: string[] = [];
    await using server = await Host.listen({ peers: 2 }, {
      disconnect: (peer) => void closed.push(peer.address.hostname),
    });
    const seen: string[] = [];
    await using client = await Host.create({ conditions: { latencyMs: 200 } }, {
      connect: (peer) => void seen.push(`connect ${peer.address.hostname}`),
      disconnect: (peer) => void seen.push(`disconnect ${peer.address.hostname}`),
    });
    using _names = resolving([LOCAL, "127.0.0.1"]);
    const peer = await client.connect({ hostname: "game.example", port: server.address.port });
    const { hostname } = peer.address;
    const isAlone = () => server.peers.length === 1 && server.stats.connectedPeers === 1;
    await until(() => closed.length === 1 && isAlone(), PATIENCE_MS, "one connection");
    assert.notEqual(closed[0], hostname);
    assert.equal(server.peers[0].address.hostname, hostname);
    assert.equal(client.peers.length, 1);
    assert.deepEqual(seen, [`connect ${hostname}`]);
  },
);

over6("When no address of a name answers, the error tells of the attempt", async () => {
  await using silent = await silentPort();
  await using client = await Host.create();
  using _names = resolving([LOCAL, "127.0.0.1"]);
  const to = { hostname: "game.example", port: silent.port };
  await assert.rejects(client.connect(to, { timeoutMs: 600 }), (error: ENetError) => {
    assert.equal(error.code, "ENETJS_ERR_TIMEOUT");
    assert.match(error.message, /Connecting to game\.example:\d+: no answer within 600 ms/);
    return true;
  });
});

over6("Messaging goes over IPv6", async () => {
  await using listener = await Messenger.listen("udp://[::1]:0", {}, {
    request: (request) => `${request.data.text()}, world`,
  });
  await using connection = await Messenger.connect(listener.address);
  assert.equal((await connection.get("hello")).text(), "hello, world");
});

over6("The gateway brings browsers to a server with an IPv6 address", async () => {
  await using server = await Host.listen({ hostname: LOCAL }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
  const to = `[::1]:${server.address.port}`;
  await using gateway = await Gateway.listen({ hostname: "127.0.0.1", to });
  await using socket = await EnetSocket.connect(gateway.url);
  socket.send(0, "through");
  for await (const { packet } of socket) {
    assert.equal(packet.text(), "through");
    break;
  }
});
