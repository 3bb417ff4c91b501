/** IPv6: hosts over ::1 and on both versions of IP, and everything that is about addresses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Address, DisconnectCode, type ENetError, Host, type Peer } from "../../mod.ts";
import { Messenger } from "../../lib/messaging/mod.ts";
import { Gateway } from "../../lib/gateway/mod.ts";
import { EnetSocket } from "../../lib/gateway/browser/mod.ts";
import { createClientAsync } from "../../lib/compat/mod.ts";
import { journal, until } from "../_helpers.ts";
import { isPossible, linkLocal, LOCAL, over6 } from "./_ipv6.ts";

const PATIENCE_MS = 20_000;

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
  const abort = new AbortController();
  const attempt = client.connect(server.address, { signal: abort.signal });
  attempt.catch(() => {});
  await until(() => server.stats.limitedConnects > 0, PATIENCE_MS, "a CONNECT too many");
  abort.abort(new Error("enough"));
  await assert.rejects(attempt, /enough/);
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
    client.connect({ hostname: LOCAL, port }, { timeoutMs: 1000 }),
    (error: ENetError) => {
      assert.equal(error.unreachable, "port");
      assert.match(error.message, new RegExp(`nothing listens on \\[::1\\]:${port}`));
      return true;
    },
  );
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

test("A link-local address is reached over the interface of its zone", {
  skip: !isPossible
    ? "no ::1 on this machine"
    : linkLocal() === undefined && "no link-local address",
}, async () => {
  const hostname = linkLocal() as string;
  const seen = journal();
  await using server = await Host.listen({ hostname, datagrams: true }, seen.handlers);
  assert.equal(server.address.hostname, hostname);
  await using client = await Host.create({ datagrams: true });
  const peer = await client.connect(`[${hostname}]:${server.address.port}`);
  assert.deepEqual(peer.address, server.address);
  client.sendDatagram(server.address, "hello");
  const [connect] = await seen.wait("connect");
  const [datagram] = await seen.wait("datagram");
  assert.equal(connect.peer.address.hostname, hostname);
  assert.deepEqual(datagram.address, connect.peer.address);
});

over6("Without a pump, service() carries a connection over ::1", async () => {
  await using server = await Host.listen({ hostname: LOCAL, pump: false });
  await using client = await Host.create({ pump: false });
  const attempt = client.connect(server.address);
  const seen: string[] = [];
  const poll = () => {
    for (const host of [server, client]) {
      for (let event = host.service(); event; event = host.service()) {
        seen.push(event.type);
        if (event.type === "connect" && host === client) event.peer.send(0, "hello");
        if (event.type === "receive") assert.equal(event.peer.address.hostname, LOCAL);
      }
    }
    return seen.includes("receive");
  };
  await until(poll, PATIENCE_MS, "the message");
  assert.equal((await attempt).address.hostname, LOCAL);
});

over6(
  "A flood of datagrams over both versions of IP is told in order, with its addresses",
  async () => {
    const COUNT = 300;
    const seen = journal();
    await using server = await Host.listen({ datagrams: true }, seen.handlers);
    const { port } = server.address;
    await using client = await Host.create();
    const texts: string[] = [];
    for (let i = 0; i < COUNT; i++) {
      const hostname = i % 3 === 0 ? "[::1]" : "127.0.0.1";
      texts.push(`${i} ${i % 3 === 0 ? LOCAL : hostname}`);
      client.sendDatagram(`${hostname}:${port}`, texts[i]);
      // What the socket's buffer holds.
      if (i % 50 === 49) await seen.wait("datagram", i + 1);
    }
    const told = seen.all("datagram");
    assert.deepEqual(told.map(({ bytes }) => new TextDecoder().decode(bytes)), texts);
    assert.ok(
      told.every(({ bytes, address }) =>
        new TextDecoder().decode(bytes).endsWith(` ${address.hostname}`)
      ),
    );
  },
);

over6("Hosts of the compat API reach no IPv6 address, and nobody there reaches them", async () => {
  using client = await createClientAsync();
  assert.equal(client.address()?.address, "0.0.0.0");
  assert.throws(() => client.connect({ address: LOCAL, port: 9 }), /speaks IPv4 only/);
});
