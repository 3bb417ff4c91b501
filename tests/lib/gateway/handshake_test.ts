/**
 * Handshakes: which are let in, what the others are told, and what they can cost.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { SocketServerOptions } from "../../../lib/gateway/mod.ts";
import { until } from "../../_helpers.ts";
import { listen } from "./_clients.ts";
import { closing, describe, frame, handshake, RawClient, STEP_MS } from "./_raw.ts";

/** The status that a server answers with. */
async function statusOf(options: SocketServerOptions, request: string): Promise<number> {
  await using server = await listen(options);
  await using client = await RawClient.connect(server);
  client.write(request);
  const head = await client.head();
  const status = Number(head.split(" ")[1]);
  if (status !== 101) {
    assert.match(head, /\r\nConnection: close\r\n/);
    await client.ended();
    const size = Number(/Content-Length: (\d+)/.exec(head)![1]);
    assert.equal(client.received.length, request.startsWith("HEAD") ? 0 : size);
    assert.deepEqual(server.stats.refused, { [status]: 1 });
    assert.equal(server.stats.opened, 0);
  }
  return status;
}

const long = (length: number) => handshake({ "X-Long": "x".repeat(length) });
/** A head of exactly so many bytes. */
const sized = (bytes: number) => long(bytes - long(0).length);

const ORIGINS = { origins: ["https://Game.example", "http://localhost:8080"] };
const CHAT = { protocols: ["chat.2", "chat.1"] };

/** Requests, and the statuses that they get. */
const REQUESTS: [name: string, status: number, request: string, options?: SocketServerOptions][] = [
  ["a plain handshake", 101, handshake()],
  ["header names and tokens in other cases", 101, handshake().replace("Upgrade: w", "UPGRADE: W")],
  ["a list in Upgrade", 101, handshake({ Upgrade: "h2c, websocket" })],
  ["a whole URL, as a proxy is sent", 101, handshake({}, "GET http://localhost/a HTTP/1.1"), {
    path: "/a",
  }],
  ["no request at all", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["a line without a version", 400, handshake({}, "GET /")],
  ["HTTP/1.0", 400, handshake({}, "GET / HTTP/1.0")],
  ["HTTP/2", 400, handshake({}, "PRI * HTTP/2.0")],
  ["two spaces", 400, handshake({}, "GET  / HTTP/1.1")],
  ["a target that is no path", 400, handshake({}, "GET a HTTP/1.1")],
  ["a target with a fragment", 400, handshake({}, "GET /a#b HTTP/1.1")],
  ["no Host", 400, handshake({ Host: undefined })],
  [
    "two Hosts",
    400,
    handshake().replace("Host: a", "Host: a\r\nHost: b").replace(
      "Host: localhost",
      "Host: localhost\r\nHost: other",
    ),
  ],
  ["line feeds only", 400, handshake().replaceAll("\r\n", "\n")],
  ["a carriage return alone", 400, handshake({ "X-Odd": "a\rb" })],
  ["a NUL", 400, handshake({ "X-Odd": "a\0b" })],
  ["a space before the colon", 400, handshake({ "X-Odd ": "a" })],
  ["a folded header", 400, handshake({ "X-Odd": "a\r\n b" })],
  ["a line that is no header", 400, handshake({ "X-Odd": "a\r\nb" })],
  ["a body", 400, handshake({ "Content-Length": "5" })],
  ["a body in chunks", 400, handshake({ "Transfer-Encoding": "chunked" })],
  ["Connection without Upgrade", 400, handshake({ Connection: "keep-alive" })],
  ["no key", 400, handshake({ "Sec-WebSocket-Key": undefined })],
  ["a key that is too short", 400, handshake({ "Sec-WebSocket-Key": "c2hvcnQ=" })],
  ["a key that is no base64", 400, handshake({ "Sec-WebSocket-Key": "!".repeat(22) + "==" })],
  ["protocols that are none", 400, handshake({ "Sec-WebSocket-Protocol": "a b" })],
  ["a protocol twice", 400, handshake({ "Sec-WebSocket-Protocol": "a, a" })],
  ["no protocol where one is needed", 400, handshake(), CHAT],
  ["an unknown protocol", 400, handshake({ "Sec-WebSocket-Protocol": "chat.3" }), CHAT],
  ["a known protocol", 101, handshake({ "Sec-WebSocket-Protocol": "chat.3, chat.1" }), CHAT],
  ["a listed origin", 101, handshake({ Origin: "https://game.example" }), ORIGINS],
  ["a listed origin in another case", 101, handshake({ Origin: "HTTPS://GAME.EXAMPLE" }), ORIGINS],
  ["no origin", 403, handshake(), ORIGINS],
  ["the origin null", 403, handshake({ Origin: "null" }), ORIGINS],
  ["an origin that begins so", 403, handshake({ Origin: "https://game.example.evil" }), ORIGINS],
  ["an origin that ends so", 403, handshake({ Origin: "https://evil-game.example" }), ORIGINS],
  ["an origin with another scheme", 403, handshake({ Origin: "http://game.example" }), ORIGINS],
  ["an origin with a port", 403, handshake({ Origin: "https://game.example:443" }), ORIGINS],
  ["an origin with a path", 403, handshake({ Origin: "https://game.example/" }), ORIGINS],
  ["an origin with a user", 403, handshake({ Origin: "https://a@game.example" }), ORIGINS],
  [
    "a listed origin behind another",
    403,
    handshake({
      Origin: "https://evil.example\r\nOrigin: https://game.example",
    }),
    ORIGINS,
  ],
  ["another path", 404, handshake({}, "GET /b HTTP/1.1"), { path: "/a" }],
  ["a path that begins so", 404, handshake({}, "GET /ab HTTP/1.1"), { path: "/a" }],
  ["a path below", 404, handshake({}, "GET /a/ HTTP/1.1"), { path: "/a" }],
  ["a path in another case", 404, handshake({}, "GET /A HTTP/1.1"), { path: "/a" }],
  ["a path with a query", 101, handshake({}, "GET /a?b=/c HTTP/1.1"), { path: "/a" }],
  ["a POST", 405, handshake({}, "POST / HTTP/1.1")],
  ["a HEAD", 405, handshake({}, "HEAD / HTTP/1.1")],
  ["a page's request", 426, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["an old version", 426, handshake({ "Sec-WebSocket-Version": "8" })],
  ["no version", 426, handshake({ "Sec-WebSocket-Version": undefined })],
  ["a head of 8 KiB", 101, sized(8192)],
  ["a head of one byte more", 431, sized(8193)],
  ["a head without an end", 431, "GET / HTTP/1.1\r\nX: " + "x".repeat(20_000)],
];

test("Each request gets the status that says why", async () => {
  const seen = await Promise.all(
    REQUESTS.map(async ([name, , request, options = {}]) => [
      name,
      await statusOf(options, request),
    ]),
  );
  assert.deepEqual(seen, REQUESTS.map(([name, status]) => [name, status]));
});

test("A refusal says what would be right", async () => {
  await using server = await listen();
  await using post = await RawClient.connect(server);
  post.write(handshake({}, "POST / HTTP/1.1"));
  assert.match(await post.head(), /\r\nAllow: GET\r\n/);
  await using page = await RawClient.connect(server);
  page.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const head = await page.head();
  assert.match(head, /\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n/);
  await page.ended();
  assert.equal(page.received.toString(), "426 Upgrade Required: here are WebSockets only\n");
});

test("A handshake is answered with the key's digest and one protocol, the client's first", async () => {
  await using server = await listen(CHAT);
  await using client = await RawClient.connect(server);
  client.write(handshake({ "Sec-WebSocket-Protocol": "x, chat.1, chat.2" }));
  const lines = (await client.head()).split("\r\n");
  assert.equal(lines[0], "HTTP/1.1 101 Switching Protocols");
  // The example of RFC 6455, section 1.3.
  assert.ok(lines.includes("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  assert.ok(lines.includes("Sec-WebSocket-Protocol: chat.1"));
  assert.equal([...server.clients.values()][0].protocol, "chat.1");
});

test("A server without protocols chooses none, and compresses nothing", async () => {
  await using server = await listen();
  await using client = await RawClient.connect(server);
  client.write(handshake({
    "Sec-WebSocket-Protocol": "chat",
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
  }));
  const head = await client.head();
  assert.match(head, /^HTTP\/1\.1 101 /);
  assert.doesNotMatch(head, /Sec-WebSocket-Protocol|Sec-WebSocket-Extensions/i);
});

test("Bytes behind the blank line are the first frame's, wherever the request is cut", async () => {
  const got: string[] = [];
  await using server = await listen({}, {
    message: (client, bytes) => {
      got.push(`${client.id} ${Buffer.from(bytes)}`);
    },
  });
  const text = Buffer.concat([Buffer.from(handshake()), frame(1, "early"), frame(1, "second")]);
  const end = handshake().length;
  const cuts = [0, 1, end - 3, end - 2, end - 1, end, end + 1, end + 5, end + 8, text.length];
  for (const [i, cut] of cuts.entries()) {
    await using client = await RawClient.connect(server);
    client.write(text.subarray(0, cut));
    // So that the rest comes in another piece.
    await until(() => server.stats.handshaking === 1 || server.stats.opened > i, STEP_MS, "a part");
    await new Promise((resolve) => setTimeout(resolve, 2));
    client.write(text.subarray(cut));
    await until(() => got.length === 2 * i + 2, STEP_MS, "the messages");
    assert.deepEqual(got.slice(-2), [`${i + 1} early`, `${i + 1} second`]);
  }
});

test("A handshake that takes too long is told so and ended", async () => {
  await using server = await listen({ handshakeTimeoutMs: 60 });
  await using silent = await RawClient.connect(server);
  await using half = await RawClient.connect(server);
  half.write("GET / HTTP/1.1\r\nHost: ");
  for (const client of [silent, half]) {
    assert.match(await client.head(), /^HTTP\/1\.1 408 Request Timeout\r\n/);
    await client.ended();
  }
  await until(() => server.stats.handshaking === 0, STEP_MS, "no handshake");
  assert.deepEqual(server.stats.refused, { 408: 2 });
});

test("A handshake that dribbles does not outlive its time", async () => {
  await using server = await listen({ handshakeTimeoutMs: 100 });
  await using client = await RawClient.connect(server);
  const text = handshake();
  let sent = 0;
  const dribble = setInterval(() => client.write(text[sent++ % 20]), 5);
  try {
    assert.match(await client.head(), /^HTTP\/1\.1 408 /);
  } finally {
    clearInterval(dribble);
  }
});

test("One client too many gets 503, and comes in when another has left", async () => {
  await using server = await listen({ maximumClients: 2 });
  await using first = await RawClient.open(server);
  await using _second = await RawClient.open(server);
  await using third = await RawClient.connect(server);
  third.write(handshake());
  assert.match(await third.head(), /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  first.write(frame(8, closing(1000)));
  first.socket.end();
  await until(() => server.stats.clients === 1, STEP_MS, "a free place");
  await using fourth = await RawClient.open(server);
  fourth.write(frame(8, closing(1000)));
  assert.equal(describe((await fourth.next())!), "close 1000");
});

test("A thousand slow handshakes keep nobody out, and cost no more than their limit", async () => {
  const server = await listen({ maximumHandshakes: 500 });
  const slow = await Promise.all(Array.from({ length: 1000 }, () => RawClient.connect(server)));
  for (const client of slow) client.write("GET / HTTP/1.1\r\n");
  await until(() => server.stats.abandoned === 500, STEP_MS, "the end of the oldest");
  assert.equal(server.stats.handshaking, 500);
  await using client = await RawClient.open(server);
  client.write(frame(9, "there"));
  assert.equal(describe((await client.next())!), "pong there");
  client.socket.end();
  await server.close();
  await Promise.all(slow.map((client) => client.ended()));
  const { opened, clients, handshaking } = server.stats;
  assert.deepEqual([opened, clients, handshaking], [1, 0, 0]);
  for (const client of slow) client.socket.destroy();
});

test("A broadcast neither reaches nor ends a client in its handshake", async () => {
  await using server = await listen();
  await using early = await RawClient.connect(server);
  early.write(handshake().slice(0, -2));
  await using there = await RawClient.open(server);
  await until(() => server.stats.handshaking === 1, STEP_MS, "a handshake");
  assert.equal(server.broadcast("everybody"), true);
  assert.equal(describe((await there.next())!), "text everybody");
  assert.equal(early.received.length, 0);
  early.write("\r\n");
  assert.match(await early.head(), /^HTTP\/1\.1 101 /);
  server.broadcast("again");
  assert.equal(describe((await early.next())!), "text again");
});

test("The accept hook sees the request, and decides", async () => {
  const seen: unknown[] = [];
  const server = await listen({
    accept(request) {
      seen.push([
        ...[request.address, request.method, request.url, request.path, request.protocols],
        request.headers.get("x-name"),
      ]);
      const verdicts: Record<string, boolean | number | Promise<boolean | number>> = {
        "/yes": true,
        "/no": false,
        "/teapot": 418,
        "/later": new Promise((resolve) => setTimeout(() => resolve(true), 5)),
        "/later-no": Promise.resolve(false),
      };
      return verdicts[request.path];
    },
  });
  await using _server = server;
  const results: [string, number][] = [];
  for (const path of ["/yes?a=b", "/no", "/teapot", "/later", "/later-no"]) {
    await using client = await RawClient.connect(server);
    client.write(
      handshake({ "X-Name": "Ann", "Sec-WebSocket-Protocol": "a,b" }, `GET ${path} HTTP/1.1`),
    );
    // The first frame waits for the verdict.
    client.write(frame(9, "there"));
    const status = Number((await client.head()).split(" ")[1]);
    results.push([path, status]);
    if (status === 101) assert.equal(describe((await client.next())!), "pong there");
  }
  assert.deepEqual(results, [
    ["/yes?a=b", 101],
    ["/no", 403],
    ["/teapot", 418],
    ["/later", 101],
    ["/later-no", 403],
  ]);
  assert.deepEqual(seen[0], ["127.0.0.1", "GET", "/yes?a=b", "/yes", ["a", "b"], "Ann"]);
});

test("The hook is asked about nobody who is refused anyway", async () => {
  let asked = 0;
  await using server = await listen({
    ...ORIGINS,
    accept: () => {
      asked++;
      return true;
    },
  });
  await using client = await RawClient.connect(server);
  client.write(handshake({ Origin: "https://evil.example" }));
  assert.match(await client.head(), /^HTTP\/1\.1 403 /);
  assert.equal(asked, 0);
});

test("A hook that takes too long, and a client that leaves meanwhile, open nothing", async () => {
  const verdict = Promise.withResolvers<boolean>();
  let asked = 0;
  let opened = 0;
  await using server = await listen({
    handshakeTimeoutMs: 150,
    accept: () => {
      asked++;
      return verdict.promise;
    },
  }, { open: () => void opened++ });
  await using slow = await RawClient.connect(server);
  slow.write(handshake());
  await using gone = await RawClient.connect(server);
  gone.write(handshake());
  await until(() => asked === 2, STEP_MS, "two questions");
  gone.socket.destroy();
  assert.match(await slow.head(), /^HTTP\/1\.1 408 /);
  verdict.resolve(true);
  await until(() => server.stats.handshaking === 0, STEP_MS, "no handshake");
  assert.deepEqual([opened, server.stats.opened, server.stats.clients], [0, 0, 0]);
});

test("Closing the server refuses those in their handshake", async () => {
  const server = await listen();
  await using client = await RawClient.connect(server);
  client.write("GET / HTTP/1.1\r\n");
  await until(() => server.stats.handshaking === 1, STEP_MS, "a handshake");
  const closed = server.close();
  assert.match(await client.head(), /^HTTP\/1\.1 503 /);
  client.socket.end();
  await closed;
  assert.equal(server.stats.handshaking, 0);
});
