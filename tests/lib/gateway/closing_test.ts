/**
 * How gateways, hosts and browsers end, and how browsers come back.
 *
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { EnetSocket, EnetSocketError } from "../../../lib/gateway/browser/mod.ts";
import { Gateway } from "../../../lib/gateway/gateway.ts";
import type { SocketServer } from "../../../lib/gateway/socket/contract.ts";
import { encodeHello } from "../../../lib/gateway/link/wire.ts";
import { DisconnectCode, Host, type Peer } from "../../../mod.ts";
import { journal, leakCheck, until, withDeadline } from "../../_helpers.ts";
import { collect, raw, serve } from "./_gateway.ts";
import { describe, frame, handshake, RawClient } from "./_raw.ts";

const DEADLINE = 30_000;

test("host.close() ends browsers after what is queued, with its data, and the gateway with it", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const socket = await served.connect();
  const got = collect(socket);
  const [{ peer }] = await log.wait("connect");
  for (let i = 0; i < 300; i++) peer.send(0, new Uint8Array(1000));
  peer.send(1, "last");
  const undelivered = await served.host.close({ data: 99, graceMs: 20_000 });
  assert.deepEqual(undelivered, { bytes: 0, messages: 0, peers: 0 });
  assert.deepEqual(await socket.closed, { reason: "remote", data: 99 });
  await until(() => got.length === 301, DEADLINE, "all messages");
  const [end] = await log.wait("disconnect");
  assert.deepEqual([end.peer, end.reason, end.data], [peer, "local", 99]);
  await until(() => served.gateway.closed, DEADLINE, "the end of the gateway");
  await served.gateway.close();
  await assert.rejects(served.connect({ timeoutMs: 1000 }), EnetSocketError);
});

test("host.close({ graceMs: 0 }) tells what a browser has not got", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const { closed } = await raw(served.gateway.url);
  const [{ peer }] = await log.wait("connect");
  for (let i = 0; i < 10; i++) peer.send(0, new Uint8Array(50_000));
  assert.deepEqual(await served.host.close({ graceMs: 0, data: 5 }), {
    bytes: 500_000,
    messages: 10,
    peers: 1,
  });
  assert.equal(await withDeadline(closed, DEADLINE, "the close"), "4000 5");
});

test("gateway.close() ends the browsers alone, and another gateway may follow", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const { host, gateway } = served;
  await using client = await Host.create();
  await client.connect(host.address);
  const socket = await served.connect();
  const silent = await raw(gateway.url, { hello: false });
  await until(() => host.peers.length === 2, DEADLINE, "two peers");
  const browser = host.peers.find((peer) => peer.address.port !== client.address.port) as Peer;
  const closing = gateway.close();
  assert.equal(gateway.close(), closing);
  await closing;
  assert.deepEqual(await socket.closed, { reason: "remote", data: DisconnectCode.CLOSING });
  assert.equal(
    await withDeadline(silent.closed, DEADLINE, "the end"),
    "4000 " + DisconnectCode.CLOSING,
  );
  assert.deepEqual([host.closed, host.peers.length], [false, 1]);
  assert.equal(host.broadcast(0, "still here", 1, { except: browser }), 1);
  await using next = await Gateway.listen({ host, hostname: "127.0.0.1" });
  await using again = await EnetSocket.connect(next.url);
  await until(() => host.peers.length === 2, DEADLINE, "two peers");
  assert.equal(again.channelCount, 2);
});

test("While a gateway closes, it lets nobody in", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const { gateway } = served;
  const slow = await raw(gateway.url);
  const [{ peer }] = await log.wait("connect");
  // More than its window, so that its end waits.
  peer.send(0, new Uint8Array(200_000));
  const closing = gateway.close({ graceMs: 60_000 });
  await assert.rejects(served.connect(), { code: "ENETJS_ERR_SOCKET" });
  assert.deepEqual(gateway.stats.sockets.refused, { 503: 1 });
  slow.socket.close();
  await withDeadline(closing, DEADLINE, "the end of the gateway");
  assert.equal(log.all("connect").length, 1);
});

test("disconnectLater() ends a browser that answers, but takes nothing, after its timeout", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const stuck = await raw(served.gateway.url);
  const [{ peer }] = await log.wait("connect");
  peer.pingInterval(50);
  peer.timeout({ minimumMs: 100, maximumMs: 1000 });
  peer.send(0, new Uint8Array(200_000));
  void peer.disconnectLater(5);
  const [end] = await log.wait("disconnect");
  assert.deepEqual([end.reason, end.data], ["local", 5]);
  await withDeadline(stuck.closed, DEADLINE, "its end");
  assert.ok(stuck.frames.some((frame) => frame[0] === 255), "it was pinged");
});

test("An address has at most 64 WebSockets that are no browsers, also when these do not close", async (t) => {
  await leakCheck(t);
  await using served = await serve({ accept: ({ data }) => data === 0 }, {});
  const { gateway } = served;
  const server = gateway as unknown as SocketServer;
  const ask = async () => {
    const client = await RawClient.connect(server);
    client.write(handshake({ "Sec-WebSocket-Protocol": "enet.1" }));
    return { client, head: await client.head() };
  };
  await using stack = new AsyncDisposableStack();
  for (let i = 0; i < 64; i++) {
    const { client, head } = await ask();
    stack.use(client);
    assert.match(head, /^HTTP\/1\.1 101 /);
    if (i % 2 === 0) continue;
    // It is refused, and does not answer the close frame.
    client.write(frame(2, encodeHello({ channels: 1, data: 1, window: 1000 })));
    assert.equal(describe((await client.next())!), "close 4001");
  }
  const { client, head } = await ask();
  client.socket.destroy();
  assert.match(head, /^HTTP\/1\.1 429 /);
  await stack.disposeAsync();
  await until(() => gateway.stats.sockets.clients === 0, DEADLINE, "the end of all");
  await served.connect();
});

test("Gateway.listen() refuses what it can't do, and leaves nothing behind", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ hostname: "127.0.0.1" });
  const listen = (options: unknown) => Gateway.listen(options as { host: Host });
  await assert.rejects(listen({}), /either host.*or to/);
  await assert.rejects(listen({ host, to: "127.0.0.1:1" }), TypeError);
  await assert.rejects(listen({ host: {} }), /host must be a Host/);
  await assert.rejects(listen({ host, filter: {} }), /filter is for a gateway with to/);
  await assert.rejects(listen({ host, ports: 1 }), /did you mean "port"/);
  await assert.rejects(listen({ host, browsers: 0 }), RangeError);
  await assert.rejects(listen({ host, port: 65_536 }), RangeError);
  await assert.rejects(listen({ to: "127.0.0.1" }), TypeError);
  await assert.rejects(listen({ to: "127.0.0.1:1", limits: { peer: 1 } }), TypeError);
  await using first = await listen({ host, hostname: "127.0.0.1" });
  const { port } = first.address as { port: number };
  await assert.rejects(listen({ host, hostname: "127.0.0.1", port }), {
    code: "ENETJS_ERR_ADDRESS_IN_USE",
  });
  assert.equal(host.broadcast(0, "nobody"), 0);
  await host.close();
  await assert.rejects(listen({ host }), { code: "ENETJS_ERR_CLOSED" });
});

test("EnetSocket checks its arguments and tells why it can't connect", async (t) => {
  await leakCheck(t);
  await using served = await serve({}, {});
  const { url } = served.gateway;
  await assert.rejects(EnetSocket.connect(url, { channels: 256 }), RangeError);
  await assert.rejects(EnetSocket.connect(url, { data: -1 }), RangeError);
  await assert.rejects(EnetSocket.connect(url, { timeoutMs: "1" as unknown as number }), TypeError);
  await assert.rejects(
    EnetSocket.connect(url, { signal: AbortSignal.abort("no") }),
    (error) => error === "no",
  );
  const socket = await served.connect();
  assert.throws(() => socket.send(2, ""), RangeError);
  assert.throws(() => socket.send(0, "", 3 as 1), RangeError);
  assert.throws(() => socket.send(0, 7 as unknown as string), TypeError);
  assert.throws(() => socket.send("0" as unknown as number, ""), TypeError);
  await assert.rejects(socket.disconnect(1.5), RangeError);
  const iteration = socket[Symbol.asyncIterator]();
  assert.throws(() => socket[Symbol.asyncIterator](), TypeError);
  const next = iteration.next();
  await iteration.return?.();
  assert.deepEqual(await next, { value: undefined, done: true });
  served.host.maximumPacketSize = 100;
  const small = await served.connect();
  assert.throws(() => small.send(0, new Uint8Array(101)), RangeError);
  // A server that is none of ours, one that does not answer, and none at all.
  const other = createServer((_request, response) => void response.writeHead(404).end());
  await once(other.listen(0, "127.0.0.1"), "listening");
  const { port } = other.address() as AddressInfo;
  const code = (error: unknown) => (error as EnetSocketError).code;
  const failed = EnetSocket.connect(`ws://127.0.0.1:${port}`).catch(code);
  assert.equal(await failed, "ENETJS_ERR_SOCKET");
  other.on("upgrade", (_request, stream) => void setTimeout(() => stream.destroy(), 500));
  const late = EnetSocket.connect(`ws://127.0.0.1:${port}`, { timeoutMs: 100 }).catch(code);
  assert.equal(await late, "ENETJS_ERR_TIMEOUT");
  other.close();
  await withDeadline(once(other, "close"), DEADLINE, "the end of the other server");
  const gone = EnetSocket.connect(`ws://127.0.0.1:${port}`).catch(code);
  assert.equal(await gone, "ENETJS_ERR_SOCKET");
});

test("EnetSocket.sessions() comes back after each end, and stops when told", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const end = new AbortController();
  const waits: number[] = [];
  let count = 0;
  const options = {
    minimumMs: 10,
    signal: end.signal,
    data: 7,
    onRetry: (_error: unknown, waitMs: number) => void waits.push(waitMs),
  };
  for await (const socket of EnetSocket.sessions(served.gateway.url, options)) {
    count++;
    const [{ peer }] = (await log.wait("connect", count)).slice(-1);
    if (count === 1) peer.disconnect(3);
    if (count === 2) peer.reset();
    if (count === 3) end.abort();
    await socket.closed;
  }
  assert.equal(count, 3);
  assert.equal(waits.length, 2);
  assert.deepEqual(log.all("connect").map(({ data }) => data), [7, 7, 7]);
  const reasons = (await log.wait("disconnect", 3)).map(({ reason }) => reason);
  assert.deepEqual(reasons, ["local", "reset", "remote"]);
});

test("EnetSocket.sessions() waits for a server that is away or full, and throws a refusal", async (t) => {
  await leakCheck(t);
  await using served = await serve({ accept: ({ data }) => data }, {});
  const codes = [DisconnectCode.FULL, DisconnectCode.CLOSING];
  served.host.accept = () => codes.shift() ?? 4242;
  const errors: unknown[] = [];
  const options = { minimumMs: 5, onRetry: (error: unknown) => void errors.push(error) };
  const sessions = EnetSocket.sessions(served.gateway.url, options);
  await assert.rejects(sessions.next(), { code: "ENETJS_ERR_REFUSED", data: 4242 });
  assert.equal(errors.length, 2);
  served.host.accept = undefined;
  for await (const socket of EnetSocket.sessions(served.gateway.url)) {
    socket.send(0, "leaves after this");
    break;
  }
  const away = new AbortController();
  const attempts: unknown[] = [];
  const nowhere = EnetSocket.sessions("ws://127.0.0.1:9", {
    minimumMs: 5,
    signal: away.signal,
    onRetry(error) {
      if (attempts.push((error as EnetSocketError).code) === 3) away.abort();
    },
  });
  assert.deepEqual(await nowhere.next(), { value: undefined, done: true });
  assert.deepEqual(attempts, ["ENETJS_ERR_SOCKET", "ENETJS_ERR_SOCKET", "ENETJS_ERR_SOCKET"]);
});

test("A gateway serves TLS, a path and origins, and tells its numbers", async (t) => {
  await leakCheck(t);
  const seen: string[] = [];
  await using served = await serve({}, {}, {
    path: "/play",
    accept({ url }) {
      seen.push(url);
      return !url.endsWith("no");
    },
  });
  const { gateway } = served;
  assert.match(gateway.url, /^ws:\/\/127\.0\.0\.1:\d+/);
  await using socket = await EnetSocket.connect(new URL("/play?room=1", gateway.url));
  const code = (error: unknown) => (error as EnetSocketError).code;
  assert.equal(
    await EnetSocket.connect(new URL("/other", gateway.url)).catch(code),
    "ENETJS_ERR_SOCKET",
  );
  assert.equal(
    await EnetSocket.connect(new URL("/play?no", gateway.url)).catch(code),
    "ENETJS_ERR_SOCKET",
  );
  assert.deepEqual(seen, ["/play?room=1", "/play?no"]);
  const { browsers, sockets } = gateway.stats;
  assert.deepEqual([browsers, sockets.opened, sockets.refused], [1, 1, { 403: 1, 404: 1 }]);
  assert.match(socket.channelCount.toString(), /2/);
});
