/**
 * Ends at a bad moment: while messages are held back, while a page waits, while a program is within a call.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { EnetSocket } from "../../../lib/gateway/browser/mod.ts";
import { listenSockets } from "../../../lib/gateway/mod.ts";
import { Gateway } from "../../../lib/gateway/gateway.ts";
import { Host } from "../../../mod.ts";
import { leakCheck, until, withDeadline } from "../../_helpers.ts";
import { raw, serve } from "./_gateway.ts";
import { frame, handshake, RawClient } from "./_raw.ts";
import type { SocketServer } from "../../../lib/gateway/socket/contract.ts";
import { encodeHello } from "../../../lib/gateway/link/wire.ts";

const DEADLINE = 30_000;

test("What a browser has sent before its end reaches a server that is slow", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ hostname: "127.0.0.1" });
  await using gateway = await Gateway.listen({
    to: host.address,
    hostname: "127.0.0.1",
    client: { highWaterMark: 1000 },
  });
  const socket = await EnetSocket.connect(gateway.url);
  for (let i = 0; i < 300; i++) socket.send(0, new Uint8Array(100));
  // The gateway holds the browser back after the first ones.
  await socket.disconnectLater(5);
  let received = 0;
  for await (const event of host) {
    if (event.type === "receive") received++;
    if (event.type !== "disconnect") continue;
    assert.deepEqual([event.reason, event.data], ["remote", 5]);
    break;
  }
  assert.equal(received, 300);
});

test("EnetSocket.sessions() ends at once when onRetry aborts its signal", async () => {
  const end = new AbortController();
  const sessions = EnetSocket.sessions("ws://127.0.0.1:9", {
    minimumMs: 2 ** 31 - 1,
    signal: end.signal,
    onRetry: () => end.abort(),
  });
  const { done } = await withDeadline(sessions.next(), DEADLINE, "the end");
  assert.equal(done, true);
});

test("A gateway closes while 500 clients are connecting, each at another point of it", async (t) => {
  await leakCheck(t);
  const never = Promise.withResolvers<boolean>();
  const ended: string[] = [];
  await using served = await serve({
    peers: 128,
    accept: ({ data }) => data === 0 || new Promise<never>(() => {}),
  }, {
    connect: (peer) => void peer.send(0, new Uint8Array(100_000)),
    disconnect: (_peer, reason) => void ended.push(reason),
  }, { accept: ({ url }) => url === "/" || never.promise });
  const { gateway } = served;
  const request = handshake({ "Sec-WebSocket-Protocol": "enet.1" });
  const hello = (data: number) =>
    Buffer.concat([
      Buffer.from(request),
      frame(2, encodeHello({ channels: 1, data, window: 1000 })),
    ]);
  const points: (string | Uint8Array)[] = [
    "",
    request.slice(0, 50),
    request.replace("GET / ", "GET /waits "),
    hello(1), // nobody decides
    hello(0), // a peer that reads nothing
  ];
  const server = gateway as unknown as SocketServer;
  const clients: RawClient[] = [];
  for (let i = 0; i < 500; i++) {
    const client = await RawClient.connect(server);
    if (i % 5 === 4) client.socket.pause();
    client.write(points[i % 5]);
    clients.push(client);
    if (i === 300) await until(() => gateway.stats.browsers > 20, DEADLINE, "browsers");
  }
  const closing = gateway.close({ graceMs: 300 });
  assert.equal(gateway.close(), closing);
  await withDeadline(closing, DEADLINE, "the end of the gateway");
  const { clients: left, handshaking } = gateway.stats.sockets;
  assert.deepEqual([gateway.stats.browsers, left, handshaking], [0, 0, 0]);
  assert.equal(served.host.peers.length, 0);
  assert.ok(ended.length > 20 && ended.every((reason) => reason === "local"), ended.join());
  for (const client of clients) client.socket.destroy();
  never.resolve(true);
  await gateway[Symbol.asyncDispose]();
});

test("A gateway that closes while connections to its server are made leaves none behind", async (t) => {
  await leakCheck(t);
  const asked = Promise.withResolvers<void>();
  const verdict = Promise.withResolvers<boolean>();
  let connected = 0;
  await using host = await Host.listen({
    hostname: "127.0.0.1",
    accept: () => {
      asked.resolve();
      return verdict.promise;
    },
  }, { connect: () => void connected++ });
  await using gateway = await Gateway.listen({ to: host.address, hostname: "127.0.0.1" });
  const { send, closed } = await raw(gateway.url, { hello: false });
  send(encodeHello({ channels: 1, data: 0, window: 1000 }));
  await withDeadline(asked.promise, DEADLINE, "the question");
  const closing = gateway.close({ graceMs: 5000 });
  assert.match(await closed, /^4001/);
  verdict.resolve(true);
  await withDeadline(closing, DEADLINE, "the end of the gateway");
  await until(() => host.peers.length === 0, DEADLINE, "no peer");
  assert.equal(connected, 0);
});

test("A host that is closed while browsers come ends all of them, and its gateway", async (t) => {
  await leakCheck(t);
  await using served = await serve({ peers: 100 });
  const { host, gateway } = served;
  const connecting = Array.from({ length: 100 }, () => EnetSocket.connect(gateway.url));
  const settling = Promise.allSettled(connecting);
  await until(() => host.peers.length > 10, DEADLINE, "the first browsers");
  await host.close({ graceMs: 0 });
  await host[Symbol.asyncDispose]();
  const settled = await withDeadline(settling, DEADLINE, "all attempts");
  for (
    const { value: socket } of settled.filter(({ status }) => status === "fulfilled") as {
      value: EnetSocket;
    }[]
  ) {
    await withDeadline(socket.closed, DEADLINE, "the end of a browser");
    assert.equal(socket.send(0, "late"), false);
    await assert.rejects(socket.deliver(0, "late"), { code: "ENETJS_ERR_STALE" });
  }
  await until(() => gateway.closed, DEADLINE, "the end of the gateway");
  await assert.rejects(raw(gateway.url));
});

test("A client that half-closes and does not read is no longer open, whatever waits for it", async () => {
  const told: number[] = [];
  await using server = await listenSockets(
    { hostname: "127.0.0.1", pingIntervalMs: 0, queueLimitBytes: 1 << 18 },
    { close: (_client, code) => void told.push(code) },
  );
  await using stalled = await RawClient.open(server);
  stalled.socket.pause();
  const [client] = server.clients.values();
  const piece = new Uint8Array(64 * 1024);
  while (client.send(piece)) await new Promise((resolve) => setTimeout(resolve));
  stalled.socket.end();
  await until(() => client.state !== "open", DEADLINE, "the end noticed");
  assert.deepEqual([client.state, client.send("late"), server.clients.size], ["closing", false, 0]);
  // What was queued before still arrives, and then its end is told.
  stalled.socket.resume();
  await until(() => client.state === "closed", DEADLINE, "its end");
  assert.deepEqual(told, [1006]);
  assert.ok(stalled.received.length >= 1 << 18, String(stalled.received.length));
});

test("disconnect() twice, and after disconnectLater(), ends a page once", async (t) => {
  await leakCheck(t);
  await using served = await serve();
  const socket = await served.connect();
  const ends = [
    socket.disconnectLater(1),
    socket.disconnect(2),
    socket.disconnect(3),
    socket[Symbol.asyncDispose](),
  ];
  await withDeadline(Promise.all(ends), DEADLINE, "the end");
  assert.deepEqual(socket.end, { reason: "local", data: 1 });
  await socket.disconnect(4);
  assert.deepEqual(await socket.closed, { reason: "local", data: 1 });
});
