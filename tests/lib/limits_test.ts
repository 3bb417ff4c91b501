import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import {
  type Address,
  DisconnectCode,
  type DisconnectReason,
  Host,
  type Limits,
  PacketFlag,
} from "../../mod.ts";
import { Plain } from "../_plain.ts";
import { connectedPair, journal, leakCheck, until, withDeadline } from "../_helpers.ts";

const LOOPBACK = "127.0.0.1";

/** So slow that nothing comes back during a test. */
const ONCE = 0.01;

/** A stranger: a plain UDP socket. */
class Stranger implements AsyncDisposable {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(): Promise<Stranger> {
    const socket = createSocket("udp4");
    socket.bind(0, LOOPBACK);
    await once(socket, "listening");
    return new Stranger(socket);
  }

  /** Sends datagrams, a few at a time so that the host's socket loses none, until the host has read them. */
  async flood(host: Host, datagram: Uint8Array, count: number): Promise<void> {
    const { port }: Address = host.address;
    for (let sent = 0; sent < count; sent += 20) {
      const round = Math.min(20, count - sent);
      const { totalReceivedPackets } = host.stats;
      for (let i = 0; i < round; i++) {
        await new Promise((resolve) => this.#socket.send(datagram, port, LOOPBACK, resolve));
      }
      const read = () => host.stats.totalReceivedPackets >= totalReceivedPackets + round;
      await until(read, 10_000, "the flood to be read");
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

/** A request to connect with 2 channels, as ENet sends it; the number tells attempts apart. */
function connectRequest(id: number): Uint8Array {
  const bytes = new Uint8Array(52);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x8FFF); // no peer yet, with a sent time
  view.setUint8(4, 0x82); // CONNECT, to be acknowledged
  view.setUint8(5, 0xFF);
  view.setUint16(6, 1);
  view.setUint16(10, 0xFFFF); // sessions that are still to be chosen
  view.setUint32(12, 1400);
  view.setUint32(16, 32768);
  view.setUint32(20, 2);
  view.setUint32(32, 5000);
  view.setUint32(36, 2);
  view.setUint32(40, 2);
  view.setUint32(44, id);
  return bytes;
}

/** The counters of limits. */
function refused({ stats }: Host) {
  return {
    connects: stats.limitedConnects,
    datagrams: stats.limitedDatagrams,
    bytes: stats.limitedBytes,
    messages: stats.limitedMessages,
    messageBytes: stats.limitedMessageBytes,
    peers: stats.limitedPeers,
  };
}

const NOTHING = { connects: 0, datagrams: 0, bytes: 0, messages: 0, messageBytes: 0, peers: 0 };

const NONE = { perSecond: Infinity, burst: Infinity };

/**
 * With this, what is sent in one turn leaves together. Else a pump that takes over from a busy thread sends a part of
 * it, and again while the acknowledgement is late; both count.
 */
const TOGETHER = { stallLimitMs: 60_000 };

test("Limits have defaults, are read back complete, and are frozen then", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ hostname: LOOPBACK });
  const defaults = {
    address: { connects: { perSecond: 1024, burst: 4096 }, datagrams: NONE, bytes: NONE },
    peer: { messages: NONE, bytes: NONE, excess: "drop" },
  };
  assert.deepEqual(host.limits, defaults);
  host.limits = {
    address: { datagrams: { perSecond: 7.5 }, bytes: { perSecond: 10 } },
    peer: { messages: { perSecond: 20, burst: 3 }, excess: "disconnect" },
  };
  const given = {
    address: {
      connects: { perSecond: 1024, burst: 4096 },
      datagrams: { perSecond: 7.5, burst: 8 },
      bytes: { perSecond: 10, burst: 4096 },
    },
    peer: { messages: { perSecond: 20, burst: 3 }, bytes: NONE, excess: "disconnect" },
  };
  assert.deepEqual(host.limits, given);
  const writable = host.limits as { peer: Limits["peer"] };
  const refused = (what: string) => ({
    name: "TypeError",
    message: `${what}; assign whole limits, host.limits = { ...host.limits, … }`,
  });
  assert.throws(
    () => writable.peer!.messages!.burst = 1000,
    refused("host.limits.peer.messages.burst is read-only"),
  );
  assert.throws(
    () => writable.peer!.excess = "drop",
    refused("host.limits.peer.excess is read-only"),
  );
  assert.throws(() => writable.peer = {}, refused("host.limits.peer is read-only"));
  assert.throws(
    () => Object.assign(host.limits, { peers: 1 }),
    refused('host.limits has no property "peers" (did you mean "peer"?)'),
  );
  assert.throws(
    () => Object.assign(host.limits.address, { foo: 1 }),
    refused('host.limits.address has no property "foo"'),
  );
  assert.ok(Object.isFrozen(host.limits) && Object.isFrozen(host.limits.peer.messages));
  // @ts-expect-error: it is read-only for the compiler, too
  assert.throws(() => host.limits.peer.bytes = { perSecond: 1, burst: 5000 }, TypeError);
  assert.deepEqual(host.limits, given);
  host.limits = { ...host.limits, peer: {} };
  assert.deepEqual(host.limits, { address: given.address, peer: defaults.peer });
  host.limits = {};
  assert.deepEqual(host.limits, defaults);
});

test("A flood above the limits of an address is dropped and counted, from all ports together", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using one = await Stranger.open();
  await using other = await Stranger.open();
  await using host = await Host.listen({
    hostname: LOOPBACK,
    datagrams: true,
    limits: { address: { datagrams: { perSecond: ONCE, burst: 50 } } },
  }, seen.handlers);
  await one.flood(host, new Uint8Array(100), 200);
  await other.flood(host, new Uint8Array(100), 200);
  await seen.wait("datagram", 50);
  assert.equal(host.stats.datagrams, 50);
  assert.deepEqual(refused(host), { ...NOTHING, datagrams: 350 });
  host.limits = { address: { bytes: { perSecond: ONCE, burst: 5000 } } };
  await one.flood(host, new Uint8Array(1000), 10);
  await seen.wait("datagram", 55);
  assert.equal(host.stats.datagrams, 55);
  assert.deepEqual(refused(host), { ...NOTHING, datagrams: 350, bytes: 5000 });
});

test("Limits change while the host runs", async (t) => {
  await leakCheck(t);
  await using stranger = await Stranger.open();
  await using host = await Host.listen({ hostname: LOOPBACK, datagrams: true }, journal().handlers);
  const passed = async (limits: Limits) => {
    const { datagrams } = host.stats;
    host.limits = limits;
    await stranger.flood(host, new Uint8Array(10), 100);
    return host.stats.datagrams - datagrams;
  };
  const once = (burst: number) => ({ address: { datagrams: { perSecond: ONCE, burst } } });
  assert.equal(await passed({}), 100);
  assert.equal(await passed(once(30)), 30);
  assert.equal(await passed(once(30)), 0, "what was used up stays used up");
  assert.equal(await passed({ address: { datagrams: { perSecond: Infinity } } }), 100);
  assert.equal(await passed({ address: { bytes: { perSecond: ONCE, burst: 4096 } } }), 100);
});

test("A forged flood in the name of a peer's address does not touch the peer", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({ serverHandlers: seen.handlers });
  const { server, peer } = pair;
  await using forger = await Stranger.open(); // the same address, another port
  server.limits = {
    address: {
      connects: { perSecond: ONCE, burst: 1 },
      datagrams: { perSecond: ONCE, burst: 800 }, // more than the peer needs
      bytes: { perSecond: ONCE, burst: 500_000 },
    },
  };
  // What no peer sent, what claims to be the peer's, and requests to connect.
  const kinds = [
    new Uint8Array(700),
    Uint8Array.of(0x80, 0, 0, 9, 0x85, 0xFF, 0, 1),
    connectRequest(7),
  ];
  for (const datagram of kinds) await forger.flood(server, datagram, 1500);
  const before = refused(server);
  assert.ok(before.datagrams + before.bytes + before.connects > 1000, JSON.stringify(before));
  let over = false;
  const flooding = (async () => {
    while (!over) await forger.flood(server, kinds[1], 20);
  })();
  for (let i = 0; i < 50; i++) {
    await withDeadline(peer.deliver(0, `message ${i}`), 10_000, "a message during the flood");
  }
  over = true;
  await flooding;
  assert.equal((await seen.wait("receive", 50)).length, 50);
  assert.equal(peer.state, "connected");
});

test("Forged attempts to connect take nothing from the limit of their address", async (t) => {
  await leakCheck(t);
  const limits = { address: { connects: { perSecond: ONCE, burst: 1 } } };
  await using server = await Host.listen({ hostname: LOOPBACK, limits }, {});
  await using client = await Host.create({}, {});
  await using forger = await Stranger.open();
  await forger.flood(server, connectRequest(7), 200);
  await client.connect(server.address, { timeoutMs: 20_000 });
  assert.equal(server.stats.limitedConnects, 0);
});

test("Attempts to connect above the limit are dropped and counted; a later repetition succeeds", async (t) => {
  await leakCheck(t);
  const limits = { address: { connects: { perSecond: ONCE, burst: 3 } } };
  await using server = await Host.listen({ hostname: LOOPBACK, limits }, {});
  await using client = await Host.create({}, {});
  for (let i = 0; i < 3; i++) await client.connect(server.address);
  const fourth = client.connect(server.address, { timeoutMs: 20_000 });
  await until(() => server.stats.limitedConnects > 0, 30_000, "a refused attempt");
  await until(() => server.peers.length === 3, 30_000, "the connect events of the three");
  assert.equal(server.stats.connectedPeers, 3);
  server.limits = {};
  await fourth;
  await until(() => server.peers.length === 4, 10_000, "the fourth peer");
});

for (const way of ["handlers", "iteration"] as const) {
  test(`A peer that exceeds its limit is disconnected with the reason "limit": ${way}`, async (t) => {
    await leakCheck(t);
    const own = journal();
    const seen = journal();
    const limits: Limits = {
      peer: { messages: { perSecond: ONCE, burst: 10 }, excess: "disconnect" },
    };
    await using pair = await connectedPair({
      server: { limits, compression: "range-coder", checksum: "crc32" },
      client: { compression: "range-coder", checksum: "crc32", ...TOGETHER },
      clientHandlers: own.handlers,
      ...(way === "handlers" ? { serverHandlers: seen.handlers } : {}),
    });
    const { client, server, peer, remote } = pair;
    await using second = await Host.create(
      { compression: "range-coder", checksum: "crc32" },
      {},
    );
    const bystander = await second.connect(server.address);
    let received = 0;
    const ends: [DisconnectReason, number][] = [];
    for (let i = 0; i < 100; i++) peer.send(0, `message ${i}`);
    if (way === "handlers") {
      await seen.wait("disconnect");
      received = seen.all("receive").length;
      for (const { reason, data, peer } of seen.all("disconnect")) {
        assert.equal(peer, remote);
        ends.push([reason, data]);
      }
    } else {
      for await (const event of server) {
        if (event.type === "receive") received++;
        if (event.type !== "disconnect") continue;
        assert.equal(event.peer, remote);
        ends.push([event.reason, event.data]);
        break;
      }
    }
    assert.deepEqual(ends, [["limit", 0]]);
    assert.equal(received, 10, "what came within the limit");
    assert.equal(remote.state, "disconnected");
    const [{ reason, data }] = await own.wait("disconnect");
    assert.deepEqual([reason, data], ["remote", DisconnectCode.LIMIT]);
    const { peers, messages } = refused(server);
    assert.equal(peers, 1);
    assert.ok(messages > 0);
    await bystander.deliver(0, "from elsewhere");
    // It may come back, and nothing more is reported of the connection that was.
    await (await client.connect(server.address)).deliver(0, "again");
    if (way === "handlers") assert.equal(seen.all("disconnect").length, 1);
  });
}

test("Where excess is dropped, reliable messages come late and in order, others are lost", async (t) => {
  await leakCheck(t);
  const seen = journal();
  await using pair = await connectedPair({
    server: { limits: { peer: { messages: { perSecond: 200, burst: 40 } } } },
    client: TOGETHER,
    serverHandlers: seen.handlers,
  });
  const { server, peer, remote } = pair;
  for (let i = 0; i < 120; i++) peer.send(0, Uint8Array.of(i));
  const all = await seen.wait("receive", 120, 30_000);
  assert.deepEqual(all.map(({ bytes }) => bytes[0]), Array.from({ length: 120 }, (_, i) => i));
  assert.ok(server.stats.limitedMessages > 0);
  const { limitedMessages } = server.stats;
  const before = seen.all("receive").length;
  let sent = 0;
  /** On a busy machine, 200 messages may take so long that none is too many. */
  const someAreRefused = async () => {
    for (let i = 0; i < 200; i++) peer.send(1, Uint8Array.of(i), PacketFlag.UNSEQUENCED);
    sent += 200;
    await peer.deliver(0, "the end");
    sent++;
    return server.stats.limitedMessages > limitedMessages;
  };
  await until(someAreRefused, 30_000, "refused messages");
  assert.ok(seen.all("receive").length - before < sent, "and they did not come");
  assert.deepEqual([remote.state, peer.state], ["connected", "connected"]);
  assert.equal(server.stats.limitedPeers, 0);
});

test("Bytes of a peer are limited apart from its messages, large ones in fragments too", async (t) => {
  await leakCheck(t);
  const seen = journal();
  const burst = 1_000_000; // What a busy machine has sent twice counts twice.
  await using pair = await connectedPair({
    server: {
      limits: {
        peer: {
          messages: { perSecond: ONCE, burst: 100 }, // fewer than fragments
          bytes: { perSecond: ONCE, burst },
          excess: "disconnect",
        },
      },
    },
    serverHandlers: seen.handlers,
  });
  const { server, peer } = pair;
  for (let i = 0; i < 3; i++) await peer.deliver(0, new Uint8Array(50_000).fill(i));
  assert.deepEqual(refused(server), NOTHING);
  peer.send(0, new Uint8Array(900_000));
  assert.equal((await seen.wait("disconnect"))[0].reason, "limit");
  assert.equal(seen.all("receive").length, 3);
  const { messages, messageBytes, peers } = refused(server);
  assert.deepEqual([messages, peers], [0, 1]);
  assert.ok(messageBytes > 0);
});

test("Honest traffic stays below the default limits", async (t) => {
  await leakCheck(t);
  const count = 255;
  let received = 0;
  await using server = await Host.listen({ hostname: LOOPBACK, peers: count }, {
    receive: () => void received++,
  });
  await using client = await Host.create({ peers: count }, {});
  // Everybody behind one address, at once, twice.
  for (let round = 0; round < 2; round++) {
    const connecting = Array.from(
      { length: count },
      () => client.connect(server.address, { timeoutMs: 30_000 }),
    );
    const peers = await Promise.all(connecting);
    for (const peer of peers) {
      for (let i = 0; i < 20; i++) peer.send(0, new Uint8Array(200));
    }
    await Promise.all(peers.map((peer) => peer.deliver(0, "done")));
    await until(() => received === (round + 1) * count * 21, 30_000, "every message");
    await Promise.all(peers.map((peer) => peer.disconnect()));
  }
  assert.deepEqual(refused(server), NOTHING);
});

test("A host that only connects limits the peers that it connects to", async (t) => {
  await leakCheck(t);
  const own = journal();
  await using pair = await connectedPair({
    server: TOGETHER,
    client: {
      limits: { peer: { messages: { perSecond: ONCE, burst: 5 }, excess: "disconnect" } },
    },
    clientHandlers: own.handlers,
  });
  const { client, remote } = pair;
  for (let i = 0; i < 6; i++) remote.send(0, `message ${i}`);
  const [{ reason }] = await own.wait("disconnect");
  assert.equal(reason, "limit");
  assert.equal(own.all("receive").length, 5);
  assert.equal(client.stats.limitedPeers, 1);
});

test("A server that exceeds a limit before it has answered an attempt has not refused it", async (t) => {
  await leakCheck(t);
  await using server = await Plain.open();
  await using client = await Host.create({
    limits: { peer: { messages: { perSecond: ONCE, burst: 1 }, excess: "disconnect" } },
  });
  const where = `${LOOPBACK}:${server.address.port}`;
  const refusal = assert.rejects(
    withDeadline(client.connect(where, { timeoutMs: 60_000 }), 30_000, "the end"),
    {
      code: "ENETJS_ERR_STALE",
      message:
        `Connecting to ${where}: this side disconnected, because the other exceeded a limit of this host`,
    },
  );
  const { bytes, port } = await until(() => server.received[0], 20_000, "a request");
  // Unreliable messages, to the number that the request gives the connection.
  const message = (number: number) => [7, 0, 0, 0, 0, number, 0, 1, 0];
  const answer = Uint8Array.of(bytes[8], bytes[9], ...message(1), ...message(2));
  await server.send(answer, { hostname: LOOPBACK, port });
  await refusal;
});
