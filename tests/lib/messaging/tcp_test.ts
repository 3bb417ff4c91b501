/** The wire of tcp, byte by byte, with a side that does not use the library. */
import assert from "node:assert/strict";
import { Socket } from "node:net";
import { test } from "node:test";
import { Messenger, RefusalCode } from "../../../lib/messaging/mod.ts";
import { errorOf, leakCheck, type TestContext, until, withDeadline } from "../../_helpers.ts";
import { randomOf } from "../../_relay.ts";
import { describe, describeEnd, Log, logging } from "./_messaging.ts";
import {
  CANCEL,
  CLOSE,
  CLOSED,
  ERROR,
  frameOf,
  FULL,
  HEARTBEAT,
  join,
  MESSAGE,
  type Message,
  PROTOCOL,
  rawConnect,
  RawServer,
  REPLY,
  REQUEST,
} from "./_wire.ts";

const hello: Message = { type: HEARTBEAT };
const url = "tcp://127.0.0.1:0";

test("Every message of the wire is as documented, from a client without the library", async (t) => {
  await leakCheck(t as TestContext);
  const log = new Log();
  await using listener = await Messenger.listen(url, {}, {
    ...logging(log, "server"),
    request(request) {
      const text = request.data.text();
      if (text === "refuse") request.refuse(7, "no");
      else if (text === "wait") {
        request.signal.addEventListener("abort", () => log.add("server", "aborted"));
      } else return text === "nothing" ? void request.reply() : `${text}${request.idempotent}`;
    },
  });
  await using raw = await rawConnect(listener.address.port);
  raw.send(hello);
  await raw.seen(`${HEARTBEAT} 0`);
  raw.send(
    { type: MESSAGE, flags: 1, body: "hi" },
    { type: REQUEST, id: 5, flags: 1, body: "a" },
    { type: REQUEST, id: 6, flags: 5, body: "b" },
    { type: REQUEST, id: 0xFFFFFFFF, flags: 1, body: "refuse" },
    { type: REQUEST, id: 7, flags: 1, body: "nothing" },
    { type: REQUEST, id: 8, flags: 1, body: "wait" },
    { type: CANCEL, id: 8 },
    { type: CANCEL, id: 1234 },
    { type: REPLY, id: 1234, body: "to nothing" },
    hello,
  );
  await log.seen("server", "aborted");
  await raw.seen(`${REPLY} 5 afalse`);
  await raw.seen(`${REPLY} 6 btrue`);
  await raw.seen(`${ERROR} ${0xFFFFFFFF} \0\0\0\x07no`);
  await raw.seen(`${REPLY} 7`);
  const [connection] = listener.connections;
  assert.equal(connection.stats.lateReplies, 1);
  const asked = connection.get("ask");
  await raw.seen(`${REQUEST} 1 ask`);
  raw.send({ type: REPLY, id: 1, flags: 1, body: "told" });
  assert.equal((await asked).text(), "told");
  const refused = connection.get("again");
  await raw.seen(`${REQUEST} 2 again`);
  raw.send({ type: ERROR, id: 2, body: "\0\0\x01\0why" });
  const error = await errorOf(refused);
  assert.equal(error.data, 256);
  assert.match(error.message, /why/);
  raw.send({ type: CLOSE, id: CLOSED });
  await raw.ended();
  await log.seen("server", "closed");
  assert.deepEqual(log.sides.server, ["ready", "message hi", "aborted", "closed remote"]);
});

test("A client of the library speaks the wire to a server without it", async (t) => {
  await leakCheck(t as TestContext);
  await using server = await RawServer.listen();
  const connecting = Messenger.connect(`tcp://127.0.0.1:${server.port}`);
  const raw = await server.side(0);
  await raw.seen(`${HEARTBEAT} 0`);
  raw.send(hello);
  const client = await connecting;
  client.send("text");
  client.send(new Uint8Array([65, 66]));
  await raw.seen(`${MESSAGE} 0 text`);
  await raw.seen(`${MESSAGE} 0 AB`);
  const end = new AbortController();
  const get = errorOf(client.get("x", { signal: end.signal }));
  await raw.seen(`${REQUEST} 1 x`);
  end.abort();
  await get;
  await raw.seen(`${CANCEL} 1`);
  const closing = client.close();
  await raw.seen(`${CLOSE} ${CLOSED}`);
  await raw.ended();
  assert.deepEqual(await closing, { reason: "local" });
});

test("The wire may be cut anywhere", async () => {
  const log = new Log();
  await using listener = await Messenger.listen(url, {}, {
    ...logging(log, "server"),
    request: (request) => request.data.text(),
  });
  const frames = join([
    frameOf(hello),
    frameOf({ type: MESSAGE, flags: 1, body: "one" }),
    frameOf({ type: REQUEST, id: 9, flags: 1, body: "two" }),
    frameOf({ type: MESSAGE, flags: 1, body: "x".repeat(30) }),
  ]);
  const { port } = listener.address;
  for (let cut = 1; cut < frames.length; cut++) {
    await using raw = await rawConnect(port);
    raw.write(frames.subarray(0, cut));
    // The system's answer to the first part comes before the second is sent, so that it is not joined.
    await raw.seen(`${HEARTBEAT} 0`);
    raw.write(frames.subarray(cut));
    await raw.seen(`${REPLY} 9 two`);
    raw.send({ type: CLOSE, id: CLOSED });
    await raw.ended();
  }
  await until(() => listener.connections.length === 0, 20_000, "the ends");
  const once = ["ready", "message one", `message ${"x".repeat(30)}`, "closed remote"];
  const expected = Array.from({ length: frames.length - 1 }, () => once).flat();
  assert.deepEqual(log.sides.server.toSorted(), expected.toSorted());
});

test("What the wire does not allow ends that connection, and no other", async (t) => {
  await leakCheck(t as TestContext);
  const log = new Log();
  await using listener = await Messenger.listen(url, { maximumMessageSize: 100 }, {
    closed: (_, end) => log.add("server", describeEnd(end)),
    request() {},
    message() {},
  });
  const { port } = listener.address;
  await using good = await rawConnect(port);
  good.send(hello);
  const bad: readonly (Message | Uint8Array)[] = [
    { type: 0 },
    { type: 8 },
    { type: 255 },
    { type: MESSAGE, version: 0 },
    { type: MESSAGE, version: 2 },
    { type: MESSAGE, zero: 1 },
    { type: MESSAGE, id: 1 },
    { type: MESSAGE, flags: 4 },
    { type: MESSAGE, flags: 8 },
    { type: MESSAGE, flags: 3, body: "not nothing" },
    { type: MESSAGE, body: "x".repeat(101) },
    { type: REQUEST, id: 0 },
    { type: REQUEST, id: 1, flags: 128 },
    { type: REPLY, id: 0 },
    { type: REPLY, id: 1, flags: 4 },
    { type: ERROR, id: 1 },
    { type: ERROR, id: 1, body: "abc" },
    { type: ERROR, id: 0, body: "abcd" },
    { type: ERROR, id: 1, flags: 1, body: "abcd" },
    { type: CANCEL, id: 0 },
    { type: CANCEL, id: 1, body: "x" },
    { type: HEARTBEAT, id: 1 },
    { type: HEARTBEAT, body: "x" },
    { type: CLOSE, id: CLOSED, body: "x" },
    new Uint8Array([0, 0, 0, 7]),
    new Uint8Array([0, 0, 0, 0]),
    new Uint8Array([0, 1, 0, 14]),
    new Uint8Array([255, 255, 255, 255]),
    join([frameOf({ type: REQUEST, id: 3 }), frameOf({ type: REQUEST, id: 3 })]),
    new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
  ];
  for (const [i, what] of bad.entries()) {
    await using raw = await rawConnect(port);
    raw.send(hello);
    await until(() => listener.connections.length === 2, 20_000, "ready");
    raw.write(what instanceof Uint8Array ? what : frameOf(what));
    await raw.seen(`${CLOSE} ${PROTOCOL}`);
    await raw.ended();
    await raw[Symbol.asyncDispose]();
    await until(() => log.sides.server?.length === i + 1, 20_000, `the end of ${i}`);
    assert.equal(log.sides.server[i], "protocol ENETJS_ERR_PROTOCOL");
    assert.equal(listener.connections.length, 1);
  }
  good.send({ type: CLOSE, id: CLOSED });
  await until(() => log.has("server", "remote"), 20_000, "the end of the good one");
});

test("10,000 random frames end only the connections that they come on", async (t) => {
  await leakCheck(t as TestContext);
  const random = randomOf(11);
  const below = (n: number) => Math.floor(random() * n);
  let isHanging = false;
  await using listener = await Messenger.listen(url, { maximumMessageSize: 1000 }, {
    message: (_, data) => void data.text(),
    request: (request) => isHanging ? undefined : request.data,
  });
  const { port } = listener.address;
  await using good = await Messenger.connect(`tcp://127.0.0.1:${port}`);
  let sent = 0;
  while (sent < 10_000) {
    await using raw = await rawConnect(port);
    raw.send(hello);
    isHanging = random() < 0.5;
    while (!raw.hasEnded && sent < 10_000) {
      const message: Message = {
        type: below(9),
        id: below(4),
        flags: below(8),
        body: new Uint8Array(below(20)),
      };
      // Most are well-formed, so that runs are long.
      if (random() < 0.9) {
        message.type = 1 + below(5);
        message.id = message.type === MESSAGE ? 0 : 1 + below(2000);
        message.flags = message.type <= REPLY ? below(3) : 0;
        if (message.type === CANCEL) message.body = "";
        if (message.type === ERROR) message.body = new Uint8Array(4 + below(10));
      }
      const frame = frameOf(message);
      if (random() < 0.05) frame[below(frame.length)] = below(256);
      raw.write(frame.subarray(0, random() < 0.02 ? below(frame.length) : frame.length));
      if (++sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  isHanging = false;
  assert.equal((await good.get("still here")).text(), "still here");
});

test("FIN and RST without a close are a lost connection, in either direction", async (t) => {
  await leakCheck(t as TestContext);
  const log = new Log();
  await using listener = await Messenger.listen(url, {}, logging(log, "server"));
  for (const end of ["end", "resetAndDestroy", "destroy"] as const) {
    await using raw = await rawConnect(listener.address.port);
    raw.send(hello);
    await until(() => listener.connections.length === 1, 20_000, "ready");
    const get = errorOf(listener.connections[0].get("?"));
    await raw.seen(`${REQUEST} 1 ?`);
    raw.socket[end]();
    log.add("get", describe(await get));
    await until(() => listener.connections.length === 0, 20_000, "the end");
  }
  assert.deepEqual(log.sides, {
    server: [1, 2, 3].flatMap(() => ["ready", "closed lost ENETJS_ERR_STALE"]),
    get: [1, 2, 3].map(() => "ENETJS_ERR_STALE unknown"),
  });
});

test("A close followed by RST is a close", async () => {
  const log = new Log();
  await using listener = await Messenger.listen(url, {}, logging(log, "server"));
  await using raw = await rawConnect(listener.address.port);
  raw.send(hello, { type: MESSAGE, flags: 1, body: "last" }, { type: CLOSE, id: CLOSED });
  await raw.ended();
  raw.socket.resetAndDestroy();
  await log.seen("server", "closed");
  assert.deepEqual(log.sides.server, ["ready", "message last", "closed remote"]);
});

test("A client that says nothing is not ready, and makes room for others", async (t) => {
  await leakCheck(t as TestContext);
  const log = new Log();
  await using listener = await Messenger.listen(
    url,
    { connections: 2, handshakeMs: 60_000 },
    logging(log, "server"),
  );
  const { port } = listener.address;
  await using first = await rawConnect(port);
  await using second = await rawConnect(port);
  await using third = await rawConnect(port);
  await first.ended();
  third.send(hello);
  second.send(hello);
  await until(() => listener.connections.length === 2, 20_000, "ready");
  await using fourth = await rawConnect(port);
  await fourth.seen(`${CLOSE} ${FULL}`);
  const error = await errorOf(Messenger.connect(`tcp://127.0.0.1:${port}`) as Promise<unknown>);
  assert.equal(error.code, "ENETJS_ERR_REFUSED");
});

test("A client that says nothing is dropped in time", async (t) => {
  await leakCheck(t as TestContext);
  await using listener = await Messenger.listen(url, { handshakeMs: 50 });
  await using silent = await rawConnect(listener.address.port);
  await silent.ended();
  assert.equal(listener.connections.length, 0);
});

test("A server that accepts and says nothing is no connection", async (t) => {
  await leakCheck(t as TestContext);
  await using server = await RawServer.listen();
  const to = `tcp://127.0.0.1:${server.port}`;
  const late = await errorOf(Messenger.connect(to, { timeoutMs: 100 }) as Promise<unknown>);
  assert.equal(late.code, "ENETJS_ERR_TIMEOUT");
  const end = new AbortController();
  const aborted = Messenger.connect(to, { signal: end.signal });
  await server.side(1);
  end.abort(new RangeError("stop"));
  await assert.rejects(aborted, RangeError);
  const connecting = errorOf(Messenger.connect(to) as Promise<unknown>);
  (await server.side(2)).write(new TextEncoder().encode("220 mail.example ESMTP\r\n"));
  assert.equal((await connecting).code, "ENETJS_ERR_PROTOCOL");
  const gone = errorOf(Messenger.connect(to) as Promise<unknown>);
  (await server.side(3)).socket.end();
  assert.equal((await gone).code, "ENETJS_ERR_REFUSED");
  await server[Symbol.asyncDispose]();
  const refused = await errorOf(Messenger.connect(to) as Promise<unknown>);
  assert.equal(refused.code, "ENETJS_ERR_REFUSED");
});

test("A side that does not answer a close is left after the grace", async (t) => {
  await leakCheck(t as TestContext);
  await using server = await RawServer.listen();
  const connecting = Messenger.connect(`tcp://127.0.0.1:${server.port}`, { closeGraceMs: 50 });
  const raw = await server.side(0);
  raw.send(hello);
  const client = await connecting;
  raw.socket.pause();
  assert.deepEqual(await client.close(), { reason: "local" });
});

test("Silence is answered with heartbeats, and ends in a lost connection", async (t) => {
  await leakCheck(t as TestContext);
  await using server = await RawServer.listen();
  const to = `tcp://127.0.0.1:${server.port}`;
  const connecting = Messenger.connect(to, { heartbeatMs: 20, lostMs: 1500 });
  const raw = await server.side(0);
  raw.send(hello);
  const client = await connecting;
  const heartbeats = () => raw.messages.filter((message) => message === `${HEARTBEAT} 0`).length;
  await until(() => heartbeats() >= 4, 20_000, "heartbeats");
  const get = errorOf(client.get("?"));
  const end = await client.closed;
  assert.equal(describeEnd(end), "lost ENETJS_ERR_STALE");
  assert.match(end.error?.message ?? "", /silent for 1500 ms/);
  assert.equal(describe(await get), "ENETJS_ERR_STALE unknown");
});

test("A flood of requests is refused above the maximum, and their memory is not taken", async () => {
  await using listener = await Messenger.listen(url, { maximumRequests: 10 }, { request() {} });
  await using raw = await rawConnect(listener.address.port);
  raw.send(hello, ...Array.from({ length: 1000 }, (_, i) => ({ type: REQUEST, id: i + 1 })));
  const refusals = () => raw.messages.filter((message) => message.startsWith(`${ERROR} `)).length;
  await until(() => refusals() === 990, 20_000, "refusals");
  const { openRequests, refusedRequests } = listener.connections[0].stats;
  assert.deepEqual({ openRequests, refusedRequests }, { openRequests: 10, refusedRequests: 990 });
  assert.equal(RefusalCode.BUSY, 0x62757379);
});

test("A client that asks and does not read its replies is lost, and its replies take no more memory", async (t) => {
  await leakCheck(t as TestContext);
  const log = new Log();
  let most = 0;
  const options = { maximumQueuedBytes: 10_000_000, connections: 1 };
  await using listener = await Messenger.listen(url, options, {
    ...logging(log, "server"),
    request(request) {
      most = Math.max(most, request.connection.stats.queuedBytes);
      request.reply(new Uint8Array(100_000));
    },
  });
  await using raw = await rawConnect(listener.address.port);
  raw.socket.pause();
  raw.send(hello);
  for (let id = 1; !log.has("server", "closed") && id < 100_000; id++) {
    raw.send({ type: REQUEST, id });
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(log.sides.server, ["ready", "closed lost ENETJS_ERR_STALE"]);
  assert.ok(most < 11_000_000, String(most));
});

test("Small replies that are not read do not become a write each", async () => {
  let replies = 0;
  await using listener = await Messenger.listen(url, {}, {
    request: ({ data }) => ++replies === 1 ? new Uint8Array(12_000_000) : data,
  });
  await using raw = await rawConnect(listener.address.port);
  raw.socket.pause();
  raw.send(hello, { type: REQUEST, id: 1 });
  await until(() => replies === 1, 20_000, "the first request");
  let writes = 0;
  const { write } = Socket.prototype;
  Socket.prototype.write = function (this: Socket, ...parameters: unknown[]) {
    if (this !== raw.socket) writes++;
    return Reflect.apply(write, this, parameters);
  } as typeof write;
  try {
    for (let id = 2; id <= 200; id++) {
      raw.send({ type: REQUEST, id });
      await until(() => replies === id, 20_000, "the next request");
    }
  } finally {
    Socket.prototype.write = write;
  }
  assert.ok(writes < 10, `${writes} writes`);
  let bytes = 0;
  raw.socket.removeAllListeners("data").on("data", (chunk) => bytes += chunk.length).resume();
  await until(() => bytes >= 12_000_000 + 201 * 12, 20_000, "all replies");
});

test("A listener closes at once, although a client has not begun", async (t) => {
  await leakCheck(t as TestContext);
  const listener = await Messenger.listen(url, { handshakeMs: 100_000 });
  await using raw = await rawConnect(listener.address.port);
  await raw.seen(`${HEARTBEAT} 0`);
  await withDeadline(listener.close(), 10_000, "the close");
  await raw.ended();
});
