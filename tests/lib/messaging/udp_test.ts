/** The wire of udp, with a side that only uses ENet, and over a bad network. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Messenger } from "../../../lib/messaging/mod.ts";
import { Host, PacketFlag } from "../../../mod.ts";
import { errorOf, leakCheck, type TestContext, until, withDeadline } from "../../_helpers.ts";
import { randomOf, startRelay } from "../../_relay.ts";
import { describe, describeEnd, Log, logging } from "./_messaging.ts";
import {
  CLOSE,
  CLOSED,
  HEARTBEAT,
  MESSAGE,
  type Message,
  messageOf,
  PROTOCOL,
  REPLY,
  REQUEST,
} from "./_wire.ts";

const CONNECT = 0x6D736731;

const url = "udp://127.0.0.1:0";
const wire = { channels: 2, data: CONNECT };

test("Every message of the wire is as documented, from a client that only uses ENet", async (t) => {
  await leakCheck(t as TestContext);
  const log = new Log();
  await using listener = await Messenger.listen(url, {}, {
    ...logging(log, "server"),
    request: (request) => request.data.text(),
  });
  await using host = await Host.create();
  const peer = await host.connect({ hostname: "127.0.0.1", port: listener.address.port }, wire);
  peer.send(0, messageOf({ type: MESSAGE, flags: 1, body: "hi" }));
  peer.send(1, messageOf({ type: MESSAGE, flags: 1, body: "unreliable" }), PacketFlag.UNRELIABLE);
  peer.send(0, messageOf({ type: REQUEST, id: 77, flags: 1, body: "ask" }));
  const { channelId, packet } = await peer.receive();
  assert.equal(channelId, 0);
  assert.deepEqual(packet.bytes, messageOf({ type: REPLY, id: 77, flags: 1, body: "ask" }));
  await log.seen("server", "message unreliable");
  await peer.disconnectLater(CLOSED);
  await log.seen("server", "closed");
  assert.deepEqual(log.sides.server.toSorted(), [
    "closed remote",
    "message hi",
    "message unreliable",
    "ready",
  ]);
});

test("What the wire does not allow ends that connection, and no other", async (t) => {
  await leakCheck(t as TestContext);
  const log = new Log();
  await using listener = await Messenger.listen(url, { maximumMessageSize: 100 }, {
    closed: (_, end) => log.add("server", describeEnd(end)),
    request: () => "here",
    message() {},
  });
  const { port } = listener.address;
  await using good = await Messenger.connect(`udp://127.0.0.1:${port}`);
  await using host = await Host.create();
  const bad: readonly [number, Message | Uint8Array][] = [
    [0, { type: 0 }],
    [0, { type: 9 }],
    [0, { type: MESSAGE, version: 3 }],
    [0, { type: MESSAGE, body: "x".repeat(101) }],
    [0, { type: HEARTBEAT }],
    [0, { type: CLOSE, id: CLOSED }],
    [1, { type: REQUEST, id: 1 }],
    [0, new Uint8Array(7)],
    [0, new Uint8Array(0)],
  ];
  for (const [i, [channelId, what]] of bad.entries()) {
    const peer = await host.connect({ hostname: "127.0.0.1", port }, wire);
    peer.send(channelId, what instanceof Uint8Array ? what : messageOf(what));
    const end = await withDeadline(peer.closed, 20_000, `the end of ${i}`);
    assert.deepEqual(end, { reason: "remote", data: PROTOCOL });
    await until(() => log.sides.server?.length === i + 1, 20_000, `the end of ${i}`);
    assert.equal(log.sides.server[i], "protocol ENETJS_ERR_PROTOCOL");
  }
  assert.equal((await good.get()).text(), "here");
});

test("A client that does not speak the protocol is never ready", async (t) => {
  await leakCheck(t as TestContext);
  const log = new Log();
  await using listener = await Messenger.listen(url, {}, logging(log, "server"));
  const address = { hostname: "127.0.0.1", port: listener.address.port };
  await using host = await Host.create();
  for (const options of [{}, { channels: 2, data: CONNECT + 1 }, { channels: 1, data: CONNECT }]) {
    const peer = await host.connect(address, options);
    peer.send(0, messageOf({ type: MESSAGE, flags: 1, body: "hi" }));
    assert.deepEqual(await peer.closed, { reason: "remote", data: PROTOCOL });
  }
  assert.deepEqual(log.sides, {});
});

test("10,000 random packets end only the connections that they come on", async (t) => {
  await leakCheck(t as TestContext);
  const random = randomOf(12);
  const below = (n: number) => Math.floor(random() * n);
  await using listener = await Messenger.listen(url, { maximumMessageSize: 1000 }, {
    message: (_, data) => void data.text(),
    request: (request) => random() < 0.5 ? request.data : undefined,
  });
  const { port } = listener.address;
  await using good = await Messenger.connect(`udp://127.0.0.1:${port}`);
  await using host = await Host.create();
  let sent = 0;
  while (sent < 10_000) {
    const peer = await host.connect({ hostname: "127.0.0.1", port }, wire);
    for (let i = 0; i < 500 && peer.reason === undefined; i++) {
      const type = random() < 0.01 ? below(256) : 1 + below(5);
      const id = type === MESSAGE ? 0 : 1 + below(5000);
      const body = type === 4 ? "\0\0\0\x01x" : "x".repeat(type === 5 ? 0 : below(50));
      const message = messageOf({ type, id, flags: type <= REPLY ? below(3) : 0, body });
      if (random() < 0.005) message[below(message.length)] = below(256);
      peer.send(0, message);
      if (++sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await peer.disconnect();
  }
  await until(() => listener.connections.length === 1, 20_000, "the ends");
  for (;;) {
    const reply = await good.get("still here", { timeoutMs: 1000 }).catch(() => undefined);
    if (reply?.text() === "still here") break;
  }
});

test("A server in plain ENet that ends the connection in its own way is lost", async (t) => {
  await leakCheck(t as TestContext);
  const ends: (() => void)[] = [];
  await using host = await Host.listen({ hostname: "127.0.0.1" }, {
    connect: (peer) => {
      ends.push(() => peer.disconnectNow(5), () => peer.reset());
    },
  });
  const log = new Log();
  const to = `udp://127.0.0.1:${host.address.port}`;
  for (const index of [0, 3]) {
    const options = { heartbeatMs: 50, lostMs: 400 };
    const client = await Messenger.connect(to, options, logging(log, "client"));
    const get = errorOf(client.get("?", { timeoutMs: 0 }));
    await until(() => ends.length > index, 20_000, "the connection");
    ends[index]();
    log.add("client", describe(await get));
    await client.closed;
  }
  assert.deepEqual(
    log.sides.client,
    [0, 1].flatMap(() => [
      "ready",
      "ENETJS_ERR_STALE unknown",
      "closed lost ENETJS_ERR_STALE",
    ]),
  );
});

test("Nobody there, and a full server, are told as errors of connect", async (t) => {
  await leakCheck(t as TestContext);
  await using listener = await Messenger.listen(url, { connections: 1 });
  const to = `udp://127.0.0.1:${listener.address.port}`;
  await using _ = await Messenger.connect(to);
  const full = await errorOf(Messenger.connect(to) as Promise<unknown>);
  assert.equal(full.code, "ENETJS_ERR_REFUSED");
  const end = new AbortController();
  const host = { conditions: { loss: 1 } };
  const late = await errorOf(Messenger.connect(to, { timeoutMs: 50, host }) as Promise<unknown>);
  assert.equal(late.code, "ENETJS_ERR_TIMEOUT");
  const aborted = Messenger.connect(to, { signal: end.signal, host });
  end.abort(new RangeError("stop"));
  await assert.rejects(aborted, RangeError);
});

test("Each get has its reply over a network that loses, duplicates and delays", async (t) => {
  await leakCheck(t as TestContext);
  const counts = { messages: 0, requests: 0 };
  await using listener = await Messenger.listen(url, {}, {
    message: (_, data) => {
      assert.equal(data.text(), `message ${counts.messages++}`);
    },
    request: (request) => {
      assert.equal(request.data.text(), String(counts.requests++));
      return request.data;
    },
  });
  const conditions = { loss: 0.05, duplicate: 0.1, reorder: 0.1, reorderMs: 1, seed: 21 };
  await using client = await Messenger.connect(`udp://127.0.0.1:${listener.address.port}`, {
    host: { conditions },
    timeoutMs: 20_000,
    getTimeoutMs: 0,
    lostMs: 30_000,
  });
  let begun = 0;
  const worker = async () => {
    while (begun < 1000) {
      const i = begun++;
      client.send(`message ${i}`);
      assert.equal((await client.get(String(i))).text(), String(i));
    }
  };
  await Promise.all(Array.from({ length: 20 }, worker));
  assert.deepEqual(counts, { messages: 1000, requests: 1000 });
  assert.equal(client.stats.lateReplies, 0);
});

test("A network that goes away ends the connection on both sides, after its gets", async (t) => {
  await leakCheck(t as TestContext);
  const log = new Log();
  const options = { heartbeatMs: 50, lostMs: 1500 };
  await using listener = await Messenger.listen(url, options, {
    ...logging(log, "server"),
    request: (request) => request.data.text() === "echo" ? "echo" : undefined,
  });
  await using relay = await startRelay(listener.address.port, 0, 1);
  const to = `udp://127.0.0.1:${relay.port}`;
  const client = await Messenger.connect(
    to,
    { ...options, getTimeoutMs: 0 },
    logging(log, "client"),
  );
  await client.get("echo");
  relay.cut();
  log.add("client", describe(await errorOf(client.get("never answered"))));
  await log.seen("client", "closed");
  await log.seen("server", "closed");
  assert.deepEqual(log.sides, {
    server: ["ready", "closed lost ENETJS_ERR_STALE"],
    client: ["ready", "ENETJS_ERR_STALE unknown", "closed lost ENETJS_ERR_STALE"],
  });
});

test("A client that comes back at once from its address is told as closed first, then ready", async (t) => {
  await leakCheck(t as TestContext);
  const log = new Log();
  let outcomes = 0;
  await using listener = await Messenger.listen(url, {}, {
    ready(connection) {
      log.add("server", "ready");
      connection.get("?", { timeoutMs: 0 }).catch(() => {
        outcomes++;
        log.add("server", "settled");
      });
    },
    message: (_, data) => log.add("server", data.text()),
    closed: (_, end) => log.add("server", `closed ${describeEnd(end)}`),
  });
  const address = { hostname: "127.0.0.1", port: listener.address.port };
  await using host = await Host.create();
  for (let i = 0; i < 20; i++) {
    const peer = await host.connect(address, wire);
    peer.send(0, messageOf({ type: MESSAGE, flags: 1, body: "hi" }));
    const greetings = () => log.sides.server?.filter((line) => line === "hi").length;
    await until(() => greetings() === i + 1, 20_000, "the message");
    void peer.disconnect(CLOSED);
  }
  await until(() => outcomes === 20 && listener.connections.length === 0, 10_000, "the ends");
  const once = ["ready", "hi", "settled", "closed remote"];
  assert.deepEqual(log.sides.server, Array.from({ length: 20 }, () => once).flat());
});
