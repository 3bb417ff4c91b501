/**
 * What one client can cost: messages that are too small to be counted by their bytes, and WebSockets that wait for the
 * program's decision.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { listenSockets } from "../../../lib/gateway/mod.ts";
import type { SocketServer } from "../../../lib/gateway/socket/contract.ts";
import { encodeMessage } from "../../../lib/gateway/link/wire.ts";
import { PacketFlag } from "../../../mod.ts";
import { journal, leakCheck, until, withDeadline } from "../../_helpers.ts";
import { raw, serve } from "./_gateway.ts";
import { pass, side } from "./_pipe.ts";
import { handshake, RawClient } from "./_raw.ts";
import { formatLogLine } from "../../../lib/gateway/socket/log.ts";

const DEADLINE = 30_000;
const turn = () => new Promise((resolve) => setTimeout(resolve));
const EMPTY = new Uint8Array(0);

test("A client that does not read holds no more empty messages than the queue has room for", async () => {
  await using server = await listenSockets({ hostname: "127.0.0.1", queueLimitBytes: 1 << 20 });
  await using stalled = await RawClient.open(server);
  stalled.socket.pause();
  const [client] = server.clients.values();
  const piece = new Uint8Array(64 * 1024);
  while (client.queuedBytes < 4 * piece.length && client.send(piece)) await turn();
  const before = client.queuedBytes;
  let queued = 0;
  while (client.send("")) queued++;
  assert.ok(queued > 8000 && queued <= (1 << 20) / 64, `${queued} beside ${before} bytes`);
  stalled.socket.destroy();
});

test("send() is false above the mark for empty messages, too, and they drain", () => {
  const [a, b] = [side({}, 6400), side()];
  b.link.inbox.paused = true;
  for (let i = 0; i < 100; i++) assert.equal(a.send(0, EMPTY), true);
  assert.equal(a.send(0, EMPTY), false);
  pass(a, b);
  assert.deepEqual([a.link.queuedBytes, a.link.isFull, a.told], [0, true, []]);
  b.link.inbox.paused = false;
  a.link.ping();
  pass(a, b);
  assert.deepEqual([b.got.length, a.link.isFull, a.told], [101, false, ["drained"]]);
});

test("Empty unreliable messages that wait take no more than the mark", () => {
  const { link, send } = side({ sendWindow: 1 }, 6400);
  for (let i = 0; i < 1000; i++) send(0, EMPTY, PacketFlag.UNSEQUENCED);
  assert.deepEqual([link.queue.messages, link.queue.dropped], [100, 900]);
});

test("A browser that never acknowledges ends, also where all messages for it are empty", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({ highWaterMark: 4096 }, {
    ...log.handlers,
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  }, { browsers: 4095 });
  const stuck = await raw(served.gateway.url);
  const [empty] = encodeMessage(0, 1, EMPTY);
  for (let i = 0; i < 200; i++) stuck.send(empty);
  const [end] = await log.wait("disconnect");
  assert.equal(end.reason, "timeout");
  await withDeadline(stuck.closed, DEADLINE, "its end");
});

test("An address has at most 64 WebSockets that are no browsers, also while accept decides", async (t) => {
  await leakCheck(t);
  const decision = Promise.withResolvers<boolean>();
  let asked = 0;
  const accept = () => {
    asked++;
    return decision.promise;
  };
  await using served = await serve({}, {}, { accept });
  const { gateway } = served;
  const clients = await Promise.all(Array.from({ length: 100 }, async () => {
    const client = await RawClient.connect(gateway as unknown as SocketServer);
    client.write(handshake({ "Sec-WebSocket-Protocol": "enet.1" }));
    return client;
  }));
  const answered = () => asked + (gateway.stats.sockets.refused[429] ?? 0);
  await until(() => answered() === 100, DEADLINE, "all requests");
  decision.resolve(true);
  const heads = await Promise.all(clients.map((client) => client.head()));
  assert.equal(heads.filter((head) => head.startsWith("HTTP/1.1 101 ")).length, 64);
  for (const client of clients) client.socket.destroy();
  await until(() => gateway.stats.sockets.clients === 0, DEADLINE, "the end of all");
  await served.connect();
});

test("A line of the access log has 1,024 bytes at most of each text of a stranger", () => {
  const entry = { address: "192.0.2.1", status: 408, bytes: 0, elapsedMs: 1, request: undefined };
  const line = formatLogLine({ ...entry, requestLine: "\xFF".repeat(8192) });
  assert.match(line, /"\uFFFD{1024}…" 408 0 "-" "-" 1$/);
  const whole = formatLogLine({ ...entry, requestLine: "x".repeat(1024) });
  assert.match(whole, /"x{1024}" 408 /);
});
