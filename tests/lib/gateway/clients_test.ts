/**
 * Open clients: what they are sent and send, and how they end. `slow_clients_test.ts` has the slow and the silent ones.
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
  type SocketHandlers,
  type SocketServerOptions,
} from "../../../lib/gateway/mod.ts";
import { currentRuntime, spawnRuntime, until, withDeadline } from "../../_helpers.ts";
import { CLOSE, listen, only } from "./_clients.ts";
import { closing, describe, frame, handshake, RawClient, STEP_MS } from "./_raw.ts";

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
