/**
 * Open clients: what they are sent and send, slow ones, silent ones, and how they end.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import {
  listenSockets,
  prepareMessage,
  type SocketClient,
  type SocketHandlers,
  type SocketServer,
  type SocketServerOptions,
} from "../../../lib/gateway/mod.ts";
import { currentRuntime, spawnRuntime, until, withDeadline } from "../../_helpers.ts";
import { closing, describe, frame, handshake, RawClient, STEP_MS } from "./_raw.ts";

const listen = (options: SocketServerOptions = {}, handlers: SocketHandlers = {}) =>
  listenSockets({ hostname: "127.0.0.1", pingIntervalMs: 0, ...options }, handlers);

const CLOSE = 8;

/** The only client that a server has. */
const only = (server: SocketServer): SocketClient => {
  const [client] = server.clients.values();
  return client;
};

test("Open is told once, close once and only after open, and nothing after close", async () => {
  const log: string[] = [];
  await using server = await listen({}, {
    open: ({ id, state }) => void log.push(`open ${id} ${state}`),
    message: ({ id }, bytes) => void log.push(`message ${id} ${Buffer.from(bytes)}`),
    close: ({ id, state }, code, reason) => void log.push(`close ${id} ${state} ${code} ${reason}`),
  });
  const leave: [name: string, leave: (client: RawClient) => void, told: string][] = [
    ["with a code", (c) => c.write(frame(CLOSE, closing(4000, "enough"))), "4000 enough"],
    ["without a code", (c) => c.write(frame(CLOSE)), "1005 "],
    ["without a close frame", (c) => c.socket.end(), "1006 "],
    ["cut off", (c) => c.socket.destroy(), "1006 "],
    ["for a fault", (c) => c.write(frame(3)), "1002 "],
    ["twice", (c) => c.write(Buffer.concat([frame(CLOSE), frame(CLOSE)])), "1005 "],
    ["with more behind", (c) => c.write(Buffer.concat([frame(CLOSE), frame(1, "late")])), "1005 "],
  ];
  for (const [i, [name, act, told]] of leave.entries()) {
    const id = i + 1;
    await using client = await RawClient.open(server);
    client.write(frame(1, "here"));
    await until(() => log.length === 2, STEP_MS, name);
    act(client);
    client.socket.end();
    await until(() => log.length > 2 && server.stats.clients === 0, STEP_MS, name);
    assert.deepEqual(
      log.splice(0),
      [`open ${id} open`, `message ${id} here`, `close ${id} closed ${told}`],
      name,
    );
  }
  await using refused = await RawClient.connect(server);
  refused.write("nonsense\r\n\r\n");
  await refused.ended();
  assert.deepEqual(log, []);
});

test("A client knows its request, and an id is never used twice", async () => {
  await using server = await listen();
  for (const id of [1, 2, 3]) {
    await using client = await RawClient.connect(server);
    client.write(handshake({ "X-Name": "Ann" }, "GET /a?b HTTP/1.1"));
    await client.head();
    const { address, port, request, protocol, state, queuedBytes, tag } = only(server);
    assert.equal(only(server).id, id);
    assert.equal(server.clients.get(id), only(server));
    assert.deepEqual([address, protocol, state, queuedBytes, tag], [
      "127.0.0.1",
      "",
      "open",
      0,
      undefined,
    ]);
    assert.equal(port, client.socket.localPort);
    assert.deepEqual([request.url, request.path, request.headers.get("x-name")], [
      "/a?b",
      "/a",
      "Ann",
    ]);
    client.socket.destroy();
    await until(() => server.clients.size === 0, STEP_MS, "its end");
  }
});

test("Text, bytes and prepared messages arrive as they are, in order", async () => {
  await using server = await listen();
  await using client = await RawClient.open(server);
  const bytes = Uint8Array.of(1, 2, 3);
  const messages = [
    ...["héllo", "", bytes, new Uint8Array(0), prepareMessage("prepared"), prepareMessage(bytes)],
    prepareMessage(Buffer.from("μ"), { isText: true }),
  ];
  for (const message of messages) assert.equal(only(server).send(message), true);
  bytes.fill(9); // They have been copied.
  const seen: string[] = [];
  for (const _ of messages) seen.push(describe((await client.next())!));
  assert.deepEqual(seen, [
    ...[
      "text héllo",
      "text",
      "binary 010203",
      "binary",
      "text prepared",
      "binary 010203",
      "text μ",
    ],
  ]);
  assert.deepEqual([server.stats.sent, server.stats.sentBytes], [7, 6 + 3 + 8 + 3 + 2]);
});

test("What is no message is refused", async () => {
  await using server = await listen();
  await using _client = await RawClient.open(server);
  for (const message of [undefined, 1, null, {}, [1], new ArrayBuffer(1)]) {
    assert.throws(() => only(server).send(message as string), TypeError);
    assert.throws(() => server.broadcast(message as string), TypeError);
  }
  assert.throws(() => prepareMessage(Uint8Array.of(0xC0), { isText: true }), {
    name: "TypeError",
    message: /Text must be UTF-8, which these 1 bytes are not/,
  });
  assert.throws(() => only(server).send("a", { replaces: "a" as unknown as number }), TypeError);
});

test("Codes and reasons that may not be sent are refused", async () => {
  await using server = await listen();
  await using _client = await RawClient.open(server);
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1.5]) {
    assert.throws(() => only(server).close(code), RangeError, String(code));
    assert.throws(() => server.close({ code }), RangeError, String(code));
  }
  assert.throws(() => only(server).close(1000, "é".repeat(62)), RangeError);
  assert.throws(() => server.close({ reason: "é".repeat(62) }), RangeError);
  assert.equal(only(server).state, "open");
  assert.equal(server.stats.clients, 1);
});

test("What was sent before a close arrives before it, and nothing can be sent after", async () => {
  const told: string[] = [];
  await using server = await listen({}, {
    message: () => void told.push("message"),
    close: (_client, code, reason) => void told.push(`${code} ${reason}`),
  });
  await using client = await RawClient.open(server);
  const there = only(server);
  for (let i = 0; i < 100; i++) there.send(`${i}`);
  there.close(4321, "enough");
  there.close(4000, "again"); // No effect.
  assert.deepEqual([there.state, there.send("late"), server.clients.size], ["closing", false, 0]);
  client.write(frame(1, "crossing"));
  const lines = Array.from({ length: 100 }, (_, i) => `text ${i}`);
  for (const line of lines) assert.equal(describe((await client.next())!), line);
  const last = (await client.next())!;
  assert.equal(describe(last), "close 4321");
  assert.equal(last.payload.subarray(2).toString(), "enough");
  assert.deepEqual(told, []);
  client.write(frame(CLOSE, closing(4321)));
  await client.ended();
  await until(() => told.length > 0, STEP_MS, "close");
  assert.deepEqual(told, ["4321 "]);
  assert.deepEqual([there.state, there.queuedBytes, there.send("late")], ["closed", 0, false]);
  there.close();
  there.terminate();
  there.pause();
  there.resume();
});

test("No handler is called within a call of the program", async () => {
  let inside = false;
  const wrong: string[] = [];
  const ended: number[] = [];
  const note = (name: string) => {
    if (inside) wrong.push(name);
  };
  const handlers: SocketHandlers = {
    open(client) {
      note("open");
      inside = true;
      client.send("hello");
      if (client.request.path === "/terminate") client.terminate();
      else client.close(1000);
      inside = false;
    },
    message: () => note("message"),
    close({ id }) {
      note("close");
      ended.push(id);
    },
  };
  await using server = await listen({}, handlers);
  for (const path of ["/terminate", "/close"]) {
    await using client = await RawClient.connect(server);
    client.write(handshake({}, `GET ${path} HTTP/1.1`));
    client.write(frame(1, "early"));
    await client.head();
    client.write(frame(CLOSE));
    await client.ended();
    client.socket.end();
  }
  await until(() => ended.length === 2, STEP_MS, "two ends");
  assert.deepEqual(wrong, []);
});

const PIECE = prepareMessage(new Uint8Array(64 * 1024));

/** Sends to a client that does not read, until its queue has reached the limit. */
async function fill(client: SocketClient): Promise<number> {
  for (let sent = 1; sent < 2000; sent++) {
    if (!client.send(PIECE)) return sent;
    await turn();
  }
  throw new Error("The queue was never full");
}

/** A server with one client that does not read, and one that does. */
async function slowPair(options: SocketServerOptions, handlers: SocketHandlers = {}) {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await listen({ queueLimitBytes: 256 * 1024, ...options }, handlers));
  const stalled = stack.use(await RawClient.open(server));
  const slow = only(server);
  stalled.socket.pause();
  const friend = stack.use(await RawClient.open(server));
  const resources = stack.move();
  return {
    ...{ server, stalled, slow, friend },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

test("slow: drop drops what does not fit, counts it, and reaches everybody else", async () => {
  const drained: number[] = [];
  await using pair = await slowPair({ slow: "drop" }, { drain: ({ id }) => void drained.push(id) });
  const { server, stalled, slow, friend } = pair;
  const sent = await fill(slow);
  assert.ok(slow.queuedBytes >= 256 * 1024, String(slow.queuedBytes));
  for (let i = 0; i < 100; i++) assert.equal(server.broadcast(`${i}`), false);
  for (let i = 0; i < 100; i++) assert.equal(describe((await friend.next())!), `text ${i}`);
  assert.equal(slow.dropped, 101);
  const { dropped, replaced, closedSlow } = server.stats;
  assert.deepEqual([dropped, replaced, closedSlow], [101, 0, 0]);
  assert.ok(slow.queuedBytes < 400 * 1024, String(slow.queuedBytes));
  // Once it reads, all that was queued arrives whole, and it gets new messages.
  stalled.socket.resume();
  for (let i = 1; i < sent; i++) assert.equal((await stalled.next())!.payload.length, 64 * 1024);
  await until(() => drained.length > 0, STEP_MS, "drain");
  assert.deepEqual(drained, [slow.id]);
  assert.equal(server.broadcast("again"), true);
  assert.equal(describe((await stalled.next())!), "text again");
});

test("slow: close closes the slow one with 1008, counts it, and reaches everybody else", async () => {
  const closes: string[] = [];
  await using pair = await slowPair({ slow: "close" }, {
    close: ({ id }, code, reason) => void closes.push(`${id} ${code} ${reason}`),
  });
  const { server, slow, friend } = pair;
  await fill(slow);
  assert.deepEqual([slow.state, server.clients.size], ["closing", 1]);
  assert.equal(server.broadcast("on"), true);
  assert.equal(describe((await friend.next())!), "text on");
  await until(() => closes.length > 0, STEP_MS, "close");
  assert.deepEqual(closes, [`${slow.id} 1008 too slow`]);
  assert.deepEqual([server.stats.closedSlow, server.stats.dropped], [1, 0]);
});

test("slow: wait loses nothing, and says when to go on", async () => {
  const drained = Promise.withResolvers<void>();
  await using pair = await slowPair({ slow: "wait" }, { drain: () => drained.resolve() });
  const { server, stalled, slow, friend } = pair;
  const sent = await fill(slow);
  assert.equal(slow.send("above"), false);
  assert.equal(server.broadcast("to all"), false);
  assert.equal(describe((await friend.next())!), "text to all");
  stalled.socket.resume();
  for (let i = 0; i < sent; i++) assert.equal((await stalled.next())!.payload.length, 64 * 1024);
  assert.equal(describe((await stalled.next())!), "text above");
  assert.equal(describe((await stalled.next())!), "text to all");
  await withDeadline(drained.promise, STEP_MS, "drain");
  assert.deepEqual([slow.send("more"), server.stats.dropped, slow.queuedBytes < 1000], [
    true,
    0,
    true,
  ]);
});

test("A newer message replaces the one that still waits, in its place", async () => {
  await using pair = await slowPair({ slow: "drop" });
  const { server, stalled, slow } = pair;
  const sent = await fill(slow) - 1;
  // The queue is full: only what replaces gets in.
  assert.equal(slow.send("no", { replaces: 1 }), false);
  stalled.socket.resume();
  for (let i = 0; i < sent; i++) await stalled.next();
  stalled.socket.pause();
  for (let i = 0; slow.queuedBytes < 100 * 1024 && i < 2000; i++) {
    slow.send(PIECE);
    await turn();
  }
  for (let i = 0; i < 1000; i++) {
    assert.equal(slow.send(`x ${i}`, { replaces: 1 }), true);
    assert.equal(slow.send(`y ${i}`, { replaces: 2 }), true);
    if (i === 0) slow.send("between");
  }
  assert.equal(server.stats.replaced, 1998);
  stalled.socket.resume();
  const texts: string[] = [];
  while (texts.length < 3) {
    const { opcode, payload } = (await stalled.next())!;
    if (opcode === 1) texts.push(payload.toString());
  }
  assert.deepEqual(texts, ["x 999", "y 999", "between"]);
});

test("A slow client's close is bounded in time", async () => {
  await using pair = await slowPair({ slow: "drop" });
  const { server, slow, friend } = pair;
  await fill(slow);
  const start = performance.now();
  const closed = server.close({ graceMs: 50 });
  assert.equal(describe((await friend.next())!), "close 1001");
  await closed;
  assert.ok(performance.now() - start < 5000);
  assert.deepEqual([slow.state, server.stats.clients], ["closed", 0]);
});

test("pause holds the client back by TCP, and resume goes on where it was", async () => {
  let received = 0;
  let client: SocketClient | undefined;
  await using server = await listen({}, {
    open(opened) {
      client = opened;
      opened.pause();
    },
    message(_client, bytes) {
      received += bytes.length;
    },
  });
  await using sender = await RawClient.open(server);
  assert.equal(client!.isPaused, true);
  const piece = frame(2, new Uint8Array(64 * 1024));
  let sent = 0;
  // Until the system takes no more: nothing has been taken for several turns.
  while (sender.socket.writableLength < 2 ** 20) {
    sender.write(piece);
    sent++;
    await turn();
  }
  assert.ok(received < 2 ** 20, String(received));
  client!.resume();
  await until(() => received === sent * 64 * 1024, STEP_MS, "all messages");
});

test("A flood of small messages lets timers run in between", async () => {
  const COUNT = 4000;
  let received = 0;
  const seen: number[] = [];
  await using server = await listen({}, {
    message() {
      received++;
      const end = performance.now() + 0.1;
      while (performance.now() < end);
    },
  });
  await using client = await RawClient.open(server);
  const timer = setInterval(() => seen.push(received), 1);
  try {
    client.write(Buffer.concat(Array.from({ length: COUNT }, () => frame(1, "x"))));
    client.write(frame(CLOSE, closing(1000)));
    // The close frame is looked at behind them.
    assert.equal(describe((await client.next())!), "close 1000");
  } finally {
    clearInterval(timer);
  }
  assert.equal(received, COUNT);
  const between = new Set(seen.filter((count) => count > 0 && count < COUNT));
  assert.ok(between.size >= 10, `a timer has run ${between.size} times`);
});

test("What came before a pause within a handler waits for resume, a close frame too", async () => {
  const told: string[] = [];
  await using server = await listen({}, {
    message(client, bytes) {
      told.push(Buffer.from(bytes).toString());
      if (told.length % 100 === 0) client.pause();
    },
    close: (_client, code) => void told.push(`close ${code}`),
  });
  await using client = await RawClient.open(server);
  const there = only(server);
  client.write(Buffer.concat(Array.from({ length: 300 }, (_, i) => frame(1, `${i}`))));
  client.write(frame(CLOSE, closing(4000)));
  client.socket.end();
  for (const count of [100, 200, 300]) {
    await until(() => there.isPaused, STEP_MS, "a pause");
    // At most as many more as are given out at once.
    assert.ok(told.length >= count && told.length < count + 64, String(told.length));
    there.resume();
  }
  await until(() => told.length === 301, STEP_MS, "close");
  assert.deepEqual(told, [...Array.from({ length: 300 }, (_, i) => `${i}`), "close 4000"]);
});

test("A ping flood of a client that does not read queues a few pongs", async () => {
  await using pair = await slowPair({ slow: "drop" });
  const { stalled, slow } = pair;
  await fill(slow);
  const before = slow.queuedBytes;
  const pings = Buffer.concat(Array.from({ length: 1000 }, (_, i) => frame(9, `${i}`.padEnd(100))));
  for (let i = 0; i < 10; i++) stalled.write(pings);
  stalled.write(frame(1, "behind"));
  await until(() => pair.server.stats.received === 1, STEP_MS, "what is behind the pings");
  assert.ok(slow.queuedBytes <= before + 16 * 102, `${before} ${slow.queuedBytes}`);
  assert.equal(slow.state, "open");
});

test("A client that answers pings stays and has a round-trip time; one that does not is ended", async () => {
  const closes: string[] = [];
  await using server = await listen({ pingIntervalMs: 60 }, {
    close: ({ id }, code) => void closes.push(`${id} ${code}`),
  });
  await using silent = await RawClient.open(server);
  await using alive = await RawClient.open(server);
  alive.socket.on("data", () => {
    void (async () => {
      const { opcode, payload } = (await alive.next())!;
      if (opcode === 9) alive.write(frame(10, payload));
    })();
  });
  await silent.ended();
  await until(() => closes.length > 0, STEP_MS, "close");
  assert.deepEqual(closes, ["1 1006"]);
  const { roundTripMs, state } = server.clients.get(2)!;
  assert.equal(state, "open");
  assert.ok(roundTripMs! >= 0 && roundTripMs! < STEP_MS, String(roundTripMs));
  assert.equal(server.stats.timedOut, 1);
});

test("A client that sends no message for too long is closed; pings are no messages", async () => {
  await using server = await listen({ idleTimeoutMs: 100 });
  await using client = await RawClient.open(server);
  const pinging = setInterval(() => client.write(frame(9)), 10);
  try {
    const lines = await client.transcript();
    assert.equal(lines.at(-1), "close 1001");
  } finally {
    clearInterval(pinging);
  }
  assert.equal(server.stats.timedOut, 1);
});

test("Closing tells all 1001 and refuses newcomers; closing again is the same promise", async () => {
  const server = await listen();
  await using one = await RawClient.open(server);
  await using two = await RawClient.open(server);
  const closed = server.close();
  assert.equal(server.close(), closed);
  for (const client of [one, two]) {
    assert.deepEqual(await client.transcript(), ["close 1001"]);
  }
  await closed;
  assert.deepEqual([server.clients.size, server.stats.clients], [0, 0]);
  await assert.rejects(RawClient.connect(server));
  assert.equal(server.broadcast("nobody"), true);
});

test("Two hundred thousand messages leave nothing behind", async () => {
  let received = 0;
  await using server = await listen({}, {
    message(client, bytes) {
      if (++received % 1000 === 0) client.send(bytes);
    },
  });
  await using client = await RawClient.open(server);
  const batch = Buffer.concat(Array.from({ length: 1000 }, () => frame(2, "0123456789abcdef")));
  const memory = async () => {
    for (let i = 0; i < 5; i++) await turn();
    return process.memoryUsage().rss;
  };
  const ROUNDS = 200;
  let before = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (round === ROUNDS / 2) before = await memory();
    client.write(batch);
    assert.equal((await client.next())!.payload.length, 16);
  }
  assert.equal(received, ROUNDS * 1000);
  assert.equal(only(server).queuedBytes, 0);
  const grown = await memory() - before;
  assert.ok(grown < 64 * 2 ** 20, `${grown} bytes`);
});

test("Options that make no sense are refused with the value and the remedy", async () => {
  const wrong: [options: Record<string, unknown>, message: RegExp][] = [
    [{ port: 65_536 }, /port must be an integer from 0 to 65535, not 65536/],
    [{ prot: 1 }, /no option "prot" \(did you mean "protocols"\?\)/],
    [{ path: "chat" }, /path must begin with \//],
    [{ path: "/chat?a" }, /path must begin with \/ and have no query/],
    [{ origins: "https://a" }, /origins must be an array/],
    [{ origins: [""] }, /origins\[0\] must be a string that is not empty/],
    [{ origins: ["null", "example.org"] }, /origins\[1\] must be an origin as browsers send it/],
    [{ origins: ["https://A.example:443"] }, /\(did you mean "https:\/\/a\.example"\?\)/],
    [{ origins: ["wss://a.example"] }, /\(did you mean "https:\/\/a\.example"\?\)/],
    [{ origins: ["http://a.example:80/b"] }, /\(did you mean "http:\/\/a\.example"\?\)/],
    [{ origins: ["https://ä.example"] }, /\(did you mean "https:\/\/xn--4ca\.example"\?\)/],
    [{ protocols: ["a b"] }, /protocols\[0\] must be a name without spaces and separators/],
    [{ proxies: "unix" }, /proxies must be an array/],
    [{ proxies: ["10.0.0.0/33"] }, /proxies\[0\] must be an IP address, a prefix/],
    [{ maximumFrameSize: 0 }, /maximumFrameSize must be an integer from 1/],
    [{ slow: "fast" }, /slow must be "drop" or "close" or "wait", not "fast"/],
    [{ unixSocket: "/tmp/a", port: 1 }, /give one of them/],
    [{ unixSocket: "/" + "a".repeat(107) }, /at most 107 bytes/],
    [{ accept: true }, /accept must be a function/],
    [{ tls: { certificate: "a" } }, /tls\.key must be PEM/],
    [{ tls: { certificate: "a", key: "b" } }, /can't be used: the certificate is not one in PEM/],
    [{ hostname: 1 }, /hostname must be a string/],
  ];
  for (const [options, message] of wrong) {
    const { hostname = "127.0.0.1", ...rest } = options;
    const all = "unixSocket" in options ? rest : { hostname, ...rest };
    await assert.rejects(listenSockets(all as SocketServerOptions, {}), { message });
  }
  await assert.rejects(listenSockets({}, { messages() {} } as SocketHandlers), /message/);
});

test("A handler that throws closes its client with 1011; the error is an uncaught one", async () => {
  await using program = spawnRuntime(currentRuntime(), "gateway_throwing.ts");
  const { stdout, stderr } = await withDeadline(program.ended, 60_000, "the program");
  assert.match(stdout, /uncaught thrown by message\n/, stderr);
  assert.match(stdout, /uncaught thrown by accept\n/, stderr);
  assert.match(stdout, /uncaught thrown by close\n/, stderr);
  assert.match(stdout, /got close 1011\n/, stderr);
  assert.match(stdout, /got HTTP\/1\.1 500 /, stderr);
  assert.match(stdout, /got text still here\n/, stderr);
  assert.match(stdout, /uncaught accept must return a boolean or a status/, stderr);
  assert.match(stdout, /undecided: HTTP\/1\.1 500 /, stderr);
});

test("An address that is in use is an error that says so", async () => {
  await using server = await listen();
  const { port } = server.address as { port: number };
  await assert.rejects(listen({ port }), {
    name: "ENetError",
    code: "ENETJS_ERR_ADDRESS_IN_USE",
    message: new RegExp(`127.0.0.1:${port}`),
  });
});
