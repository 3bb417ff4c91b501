/**
 * The faults of npm's `enet` that `lib/compat` does not have.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import {
  Address,
  createClient,
  createClientAsync,
  createServerAsync,
  Host,
  init,
  Packet,
  PACKET_FLAG,
  PEER_STATE,
} from "../../../lib/compat/mod.ts";
import { askAgain } from "../../../lib/compat/filter.ts";
import { diagnostics, ENetError, Host as CoreHost } from "../../../mod.ts";
import { addressOf, compatPair, next } from "./_compat.ts";
import { currentRuntime, leakCheck, spawnRuntime, until, withDeadline } from "../../_helpers.ts";

test("A listener that throws is an uncaught error, and the host goes on", async () => {
  await using program = spawnRuntime(currentRuntime(), "compat_throwing.ts");
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "the program");
  assert.equal(code, 0, stderr);
  const { uncaught, received } = JSON.parse(stdout);
  assert.deepEqual(received, ["first", "second", "third"]);
  assert.deepEqual(uncaught, [
    "destroy",
    "filter",
    "host connect",
    ...Array(3).fill("host message"),
    "peer disconnect",
    ...Array(3).fill("peer message"),
    "send callback",
    "telex",
  ]);
});

test("A send that fails leaves nothing behind", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  await pair.peer.sendAsync(0, "settled");
  pair.peer.disconnectNow();
  await next(pair.remote, "disconnect");
  const before = await diagnostics();
  for (let i = 0; i < 1000; i++) {
    assert.equal(pair.peer.send(0, new Packet(Buffer.alloc(10_000), PACKET_FLAG.RELIABLE)), true);
    assert.equal(pair.peer.send(0, Buffer.alloc(10_000), () => {}), true);
  }
  const { allocations, packets } = await diagnostics();
  assert.deepEqual({ allocations, packets }, {
    allocations: before.allocations,
    packets: before.packets,
  });
});

test("broadcast() takes text, bytes and packets, any number of times", async (t) => {
  await leakCheck(t);
  using server = await createServerAsync({ address: "127.0.0.1:0" });
  server.start();
  using clients = new DisposableStack();
  const messages: string[][] = [];
  for (let i = 0; i < 3; i++) {
    const client = clients.use(await createClientAsync());
    const mine: string[] = [];
    messages.push(mine);
    const connected = next(server, "connect");
    const peer = await client.connectAsync(addressOf(server));
    peer.on("message", (packet, channel) => void mine.push(`${channel} ${packet.data()}`));
    await connected;
  }
  const packet = new Packet("packet", PACKET_FLAG.RELIABLE);
  server.broadcast(0, "text");
  server.broadcast(0, Buffer.from("bytes"));
  server.broadcast(0, packet);
  server.broadcast(0, packet);
  await until(() => messages.every(({ length }) => length === 4), 20_000, "every message");
  for (const mine of messages) {
    assert.deepEqual(mine, ["0 text", "0 bytes", "0 packet", "0 packet"]);
  }
  packet.destroy();
  assert.throws(() => server.broadcast(0, packet), { code: "ENETJS_ERR_RELEASED" });
  assert.throws(() => server.broadcast(255, "x"), RangeError);
});

for (const how of ["disconnect", "disconnectLater"] as const) {
  test(`${how}() during an attempt to connect is told as such, not as the end of the host`, async (t) => {
    await leakCheck(t);
    await using silent = await CoreHost.listen({ hostname: "127.0.0.1", pump: false });
    using client = await createClientAsync();
    const { hostname, port } = silent.address;
    const told = Promise.withResolvers<Error | undefined>();
    const peer = client.connect({ address: hostname, port }, 1, 0, told.resolve);
    assert.ok(peer);
    await until(() => peer.stats(), 10_000, "the attempt");
    peer[how]();
    const error = await withDeadline(told.promise, 10_000, "the callback");
    assert.ok(error instanceof ENetError);
    assert.equal(error.code, "ENETJS_ERR_STALE");
    assert.doesNotMatch(String(error.cause), /host was closed|refused/);
  });
}

test("A datagram of ENet's own that is JSON is ENet's, and no telex", async (t) => {
  await leakCheck(t);
  // A datagram that begins with { and one of these names this peer, in its fourth session. Ids and
  // sessions are drawn, so clients connect until a peer has such an id, and that session.
  const texts = new Map<number, string>();
  for (const start of ['{"a":1}', "{}", "{ }", "{\n}", "{\r}", "{\t}"]) {
    texts.set(0xB00 + start.charCodeAt(1), start);
  }
  const AT_ONCE = 50;
  /** Fewer than an address may begin before it has to wait. */
  const CONNECTIONS = 4000;
  /** Connects until a datagram was ENet's, and sends the same from elsewhere. */
  const isTold = async (): Promise<boolean | undefined> => {
    using server = await createServerAsync({ address: "127.0.0.1:0", peers: AT_ONCE });
    server.start();
    const telexes: string[] = [];
    server.on("telex", (buffer) => void telexes.push(buffer.toString()));
    await using client = await CoreHost.create({ peers: AT_ONCE });
    using stranger = await createClientAsync();
    const { address, port } = addressOf(server);
    const where = { hostname: address, port };
    const connect = () => client.connect(where, { channels: 1, timeoutMs: 30_000 });
    const telex = async (text: string) => {
      const sent = telexes.length;
      await stranger.sendAsync(address, port, text);
      await until(() => telexes.includes(text, sent), 10_000, `the telex ${text}`);
    };
    for (let connections = 0; connections < CONNECTIONS; connections += AT_ONCE) {
      const peers = await Promise.all(Array.from({ length: AT_ONCE }, connect));
      for (const { stats } of peers) {
        const text = texts.get(stats.outgoingPeerId);
        if (text === undefined) continue;
        const sent = telexes.length;
        client.sendDatagram(where, text);
        await telex('{"last":1}');
        if (telexes.includes(text, sent)) continue;
        await telex(text);
        return true;
      }
      await Promise.all(peers.map((peer) => peer.disconnect()));
    }
  };
  let told: boolean | undefined;
  for (let pass = 0; pass < 20 && !told; pass++) told = await isTold();
  assert.ok(told, "a datagram with the id and session of a peer was ENet's, elsewhere a telex");
});

test("Addresses: names are resolved, and IPv6 is refused with a message that says so", async (t) => {
  await leakCheck(t);
  using server = await createServerAsync({ address: "localhost:0" });
  server.start();
  using client = await createClientAsync();
  const peer = await client.connectAsync({
    address: "localhost",
    port: String(addressOf(server).port),
  });
  assert.equal(peer.state(), PEER_STATE.CONNECTED);
  for (const address of ["::1", "[::1]", "2001:db8::7"]) {
    assert.throws(() => client.connect({ address, port: 7 }), /IPv4 only/);
    assert.throws(() => new Address(address, 7), /IPv4 only/);
  }
  await assert.rejects(client.connectAsync({ address: "name.invalid", port: 7 }), (error) => {
    assert.equal((error as { code: string }).code, "ENETJS_ERR_RESOLVE");
    return true;
  });
  for (const port of [-1, 65536, 1.5]) {
    assert.throws(() => new Address("127.0.0.1", port), RangeError);
  }
  for (const address of ["1.2.3", "1.2.3.4.5", "256.1.1.1", ""]) {
    assert.throws(() => new Address(address, 7), TypeError);
  }
  const number = new Address("1.2.3.4", 5).host();
  assert.equal(number, 0x04030201);
  assert.deepEqual(new Address(number, 5).address(), "1.2.3.4");
});

test("Checksums, statistics, timeouts and pings are there", async (t) => {
  await leakCheck(t);
  using pair = await compatPair({ server: { checksum: true }, client: { checksum: true } });
  const { peer, client } = pair;
  await peer.sendAsync(0, "x".repeat(5000));
  assert.ok(peer.roundTripTime() >= 0 && peer.roundTripTime() < 1000);
  assert.equal(peer.packetLoss(), 0);
  assert.equal(peer.timeout({ limit: 4, minimumMs: 100, maximumMs: 200 }), peer);
  assert.equal(peer.pingInterval(250), peer);
  const { timeoutMaximumMs, pingIntervalMs } = peer.stats()!;
  assert.deepEqual([timeoutMaximumMs, pingIntervalMs], [200, 250]);
  assert.throws(() => peer.timeout({ limit: -1 }), RangeError);
  assert.ok((client.stats()?.totalSentData as number) > 5000);
  client.disableChecksum();
  const reason = next(peer, "disconnect");
  peer.send(0, "which the server takes for garbage");
  assert.deepEqual(await reason, [0, "timeout"]);
});

test("Compression can be switched before and after a host is open", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const { server, client, peer } = pair;
  const zeros = Buffer.alloc(100_000);
  const sentBy = async () => {
    const before = client.stats()!.totalSentData;
    await peer.sendAsync(0, zeros);
    return client.stats()!.totalSentData - before;
  };
  assert.ok(await sentBy() > zeros.length);
  assert.equal(server.enableCompression().isOnline(), true);
  client.enableCompression();
  assert.ok(await sentBy() < zeros.length / 4);
  server.disableCompression();
  client.disableCompression();
  assert.ok(await sentBy() > zeros.length);
  assert.equal(client.throttleBandwidth(), client);
});

test("Clients refuse connections, and nothing is emitted before start()", async (t) => {
  await leakCheck(t);
  using server = await createServerAsync({ address: "127.0.0.1:0" });
  using client = await createClientAsync();
  const events: string[] = [];
  server.on("connect", () => void events.push("connect"));
  server.on("message", (_peer, packet) => void events.push(String(packet.data())));
  const peer = await client.connectAsync(addressOf(server));
  await peer.sendAsync(0, "waits");
  assert.deepEqual(events, []);
  const message = next(server, "message");
  server.start(50);
  server.start();
  await message;
  assert.deepEqual(events, ["connect", "waits"]);
  using other = await createClientAsync();
  const refused = other.connect({ address: "127.0.0.1", port: client.address()!.port })!;
  const telex = next(client, "telex");
  await other.sendAsync("127.0.0.1", client.address()!.port, '{"after":"the request"}');
  await telex;
  assert.equal(refused.state(), PEER_STATE.CONNECTING);
  assert.throws(() => Reflect.construct(Host, []), TypeError);
});

test("The filter: rules are enforced, and a function is asked once for each address", async (t) => {
  await leakCheck(t);
  t.after(() => Promise.resolve(init()));
  using server = await createServerAsync({ address: "127.0.0.1:0" });
  server.start();
  const { address, port } = addressOf(server);
  const sockets = await Promise.all(Array.from({ length: 4 }, async () => {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    return socket;
  }));
  const [allowed, denied] = sockets.map((socket) => socket.address().port);
  const asked: string[] = [];
  const heard: number[] = [];
  server.on("telex", (_buffer, source) => void heard.push(source.port));
  init((from, port) => {
    asked.push(`${from}:${port}`);
    return port === denied ? 0 : 1;
  });
  const send = (index: number) => sockets[index].send("{}", port, address);
  send(1);
  for (let i = 0; i < 50; i++) {
    const count = heard.length;
    send(1);
    send(0);
    await until(() => heard.length > count, 20_000, "the telex that may pass");
  }
  assert.deepEqual(heard, Array(50).fill(allowed), "the first one too, and none of the other");
  assert.deepEqual(asked.sort(), [`127.0.0.1:${allowed}`, `127.0.0.1:${denied}`].sort());

  init({ deny: ["127.0.0.0/8"] });
  const before = server.stats()!.filtered;
  send(0);
  await until(() => server.stats()!.filtered > before, 20_000, "the datagram that is dropped");
  init();
  send(2);
  await until(() => heard.includes(sockets[2].address().port), 20_000, "a telex without a filter");
  assert.equal(asked.length, 2);
  for (const socket of sockets) socket.close();
  assert.throws(() => init(7 as never), TypeError);
  assert.throws(
    () => init({ allow: ["127.0.0.1", "::1"] }),
    /"::1", but this API speaks IPv4 only/,
  );
});

test("A flood from many addresses does not keep out one that is known", async (t) => {
  await leakCheck(t);
  t.after(() => Promise.resolve(init()));
  using server = await createServerAsync({ address: "127.0.0.1:0" });
  using client = await createClientAsync();
  server.start();
  let asked = 0;
  init(() => ++asked);
  const { port } = addressOf(server);
  const peer = await client.connectAsync({ address: "127.0.0.1", port });
  assert.equal(asked, 2, "each side has asked about the other");
  const flood = async () => {
    const sockets = Array.from({ length: 100 }, () => createSocket("udp4"));
    await Promise.all(
      sockets.map((socket) =>
        new Promise<void>((resolve) => socket.send("garbage", port, "127.0.0.1", () => resolve()))
      ),
    );
    for (const socket of sockets) socket.close();
    await peer.sendAsync(0, "gets through");
  };
  await flood();
  assert.equal(asked, 2, "nobody listens for telexes");
  server.on("telex", () => assert.fail("garbage is no telex"));
  for (let i = 0; i < 30; i++) await flood();
});

test("The function refuses a client, and does not hear one that was connected", async (t) => {
  await leakCheck(t);
  t.after(() => Promise.resolve(init()));
  using pair = await compatPair();
  const { server, client, peer, remote } = pair;
  using other = await createClientAsync();
  await other.sendAsync("127.0.0.1", addressOf(server).port, "{}"); // which gives it a port
  const banned = new Set<number>([other.address()!.port]);
  const ports: number[] = [];
  init((_address, port) => {
    ports.push(port);
    return !banned.has(port);
  });
  await peer.sendAsync(0, "still admitted");
  assert.deepEqual(ports.sort(), [addressOf(server).port, addressOf(client).port].sort());

  await assert.rejects(other.connectAsync(addressOf(server)), {
    code: "ENETJS_ERR_REFUSED",
    message: "failed",
  });
  assert.deepEqual(server.peers(), [remote]);

  // Asked again within a minute; that minute is not waited for here.
  banned.add(addressOf(client).port);
  askAgain();
  remote.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  peer.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  server.on("message", () => assert.fail("a message of a peer that the function denies"));
  const ends = [next(remote, "disconnect"), next(peer, "disconnect")];
  const told = Promise.withResolvers<Error | undefined>();
  peer.send(0, "not heard", told.resolve);
  remote.ping();
  assert.deepEqual(await Promise.all(ends), [[0, "timeout"], [0, "timeout"]]);
  assert.equal((await told.promise)?.message, "packet-not-delivered");
});

test("A server without protection never tells of a client that the function denies", async (t) => {
  await leakCheck(t);
  t.after(() => Promise.resolve(init()));
  using server = await createServerAsync({ address: "127.0.0.1:0", unguarded: true });
  using client = await createClientAsync();
  server.start();
  server.on("connect", () => assert.fail("a client that the function denies"));
  await client.sendAsync("127.0.0.1", addressOf(server).port, "{}"); // which gives it a port
  const { port } = client.address()!;
  init((_address, from) => from !== port);
  // Nobody has refused it, so it is connected for a moment.
  const peer = await client.connectAsync(addressOf(server));
  const gone = next(peer, "disconnect");
  peer.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  peer.ping();
  assert.deepEqual(await gone, [0, "timeout"]);
  assert.deepEqual(server.peers(), []);
  assert.equal(server.stats()!.connectedPeers, 0);
});

test("A connection survives that the function denies for a moment", async (t) => {
  await leakCheck(t);
  t.after(() => Promise.resolve(init()));
  using pair = await compatPair();
  const { server, peer } = pair;
  const { port } = peer.address();
  init((_address, from) => from === port);
  const message = next(server, "message");
  const before = server.stats()!.filtered;
  const delivered = peer.sendAsync(0, "arrives in the end");
  await until(() => server.stats()!.filtered > before, 10_000, "a datagram that is dropped");
  init();
  await message;
  await delivered;
});

test("An attempt to connect to an address that the function denies gets no answer", async (t) => {
  await leakCheck(t);
  t.after(() => Promise.resolve(init()));
  using server = await createServerAsync({ address: "127.0.0.1:0" });
  using client = await createClientAsync();
  server.start();
  const { port } = addressOf(server);
  init((_address, from) => from !== port);
  const answer = Promise.withResolvers<Error | undefined>();
  const peer = client.connect({ address: "127.0.0.1", port }, 1, 0, answer.resolve);
  peer?.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  const error = await withDeadline(answer.promise, 10_000, "the callback") as ENetError;
  assert.deepEqual([error.code, error.message], ["ENETJS_ERR_TIMEOUT", "failed"]);
  assert.match((error.cause as Error).message, /the filter of this host denies the address/);
  assert.ok(client.stats()!.filtered > 0, "the answers are dropped");
});

test("An attempt that nobody answers is a timeout", async (t) => {
  await leakCheck(t);
  const silent = createSocket("udp4");
  silent.bind(0, "127.0.0.1");
  await once(silent, "listening");
  using client = await createClientAsync();
  const { port } = silent.address();
  const answer = Promise.withResolvers<Error | undefined>();
  const peer = client.connect({ address: "127.0.0.1", port }, 1, 0, answer.resolve);
  peer?.timeout({ limit: 1, minimumMs: 50, maximumMs: 100 });
  const error = await withDeadline(answer.promise, 10_000, "the callback") as ENetError;
  assert.deepEqual([error.code, error.message], ["ENETJS_ERR_TIMEOUT", "failed"]);
  assert.match((error.cause as Error).message, /no answer for as long as ENet tries/);
  silent.close();
});

test("A callback that is no function is refused before anything is done", async (t) => {
  await leakCheck(t);
  using pair = await compatPair();
  const { client, server, peer, remote } = pair;
  const wrong = PACKET_FLAG.RELIABLE as never;
  const refused = { name: "TypeError", message: "callback must be a function, not 1" };
  const { address, port } = addressOf(server);
  assert.throws(() => peer.send(0, "hi", wrong), refused);
  assert.throws(() => client.connect({ address, port }, 1, 0, wrong), refused);
  assert.throws(() => client.send(address, port, "hi", wrong), refused);
  assert.throws(() => createClient({}, wrong), refused);
  const first = next(remote, "message");
  peer.send(0, "the only one");
  assert.equal((await first)[0].data().toString(), "the only one");
});
