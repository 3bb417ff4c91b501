/**
 * Where a server listens: TLS, Unix sockets, and the lines of its access log.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import process from "node:process";
import { test } from "node:test";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { listenSockets, type SocketServer } from "../../../lib/gateway/mod.ts";
import { currentRuntime, spawnRuntime, until, withDeadline } from "../../_helpers.ts";
import { CERT, KEY } from "../messaging/_certificate.ts";
import { CHAIN, CHAIN_KEY, ROOT } from "./_chain.ts";
import { closing, describe, frame, handshake, RawClient, STEP_MS } from "./_raw.ts";

const OWN = { certificate: CERT, key: KEY };
const CHAINED = { certificate: CHAIN, key: CHAIN_KEY };

/** Does a handshake over TLS; returns the protocol version and the name in the certificate. */
async function greet(server: SocketServer, options: ConnectionOptions): Promise<string[]> {
  await using client = await RawClient.connect(server, options);
  // The first frame comes in the same piece.
  client.write(Buffer.concat([Buffer.from(handshake()), frame(9, "there")]));
  assert.match(await client.head(), /^HTTP\/1\.1 101 /);
  assert.equal(describe((await client.next())!), "pong there");
  const socket = client.socket as TLSSocket;
  const { CN } = socket.getPeerCertificate().subject;
  return [socket.getProtocol()!, String(CN)];
}

test("TLS gives the whole chain, in version 1.2 or newer", async () => {
  await using server = await listenSockets({ hostname: "127.0.0.1", tls: CHAINED }, {});
  assert.match(server.url, /^wss:\/\/127\.0\.0\.1:\d+$/);
  // Only with the intermediate certificate can the root vouch for the server.
  assert.deepEqual(await greet(server, { ca: ROOT }), ["TLSv1.3", "leaf"]);
  assert.deepEqual(await greet(server, { ca: ROOT, maxVersion: "TLSv1.2" }), ["TLSv1.2", "leaf"]);
  await assert.rejects(RawClient.connect(server));
});

test("TLS 1.1 is refused, and plain text on the TLS port; neither disturbs others", {
  skip: process.platform !== "linux" && "openssl of the system is asked",
}, async () => {
  await using server = await listenSockets({
    hostname: "127.0.0.1",
    tls: CHAINED,
    handshakeTimeoutMs: 5000,
  }, {});
  const { port } = server.address as { port: number };
  // A ClientHello of TLS 1.1, as it is on the wire.
  const hello = Buffer.from(
    "16030100370100003303020000000000000000000000000000000000000000000000000000000000000000" +
      "00000cc014c00a0039003800350033" + "0100",
    "hex",
  );
  for (const bytes of [hello, Buffer.from(handshake())]) {
    await using client = new RawClient(net.connect({ port, host: "127.0.0.1" }));
    client.write(bytes);
    await client.ended();
    assert.doesNotMatch(client.received.toString("latin1"), /HTTP/);
  }
  await until(() => server.stats.handshaking === 0, STEP_MS, "no handshake");
  assert.deepEqual(await greet(server, { ca: ROOT }), ["TLSv1.3", "leaf"]);
});

test("A TLS handshake that never begins is ended in time", async () => {
  await using server = await listenSockets({
    hostname: "127.0.0.1",
    tls: OWN,
    handshakeTimeoutMs: 50,
  }, {});
  const { port } = server.address as { port: number };
  await using client = new RawClient(net.connect({ port, host: "127.0.0.1" }));
  await client.ended();
  await until(() => server.stats.handshaking === 0, STEP_MS, "no handshake");
});

test("A certificate can be replaced while clients are connected; a wrong one is refused", async () => {
  await using server = await listenSockets({ hostname: "127.0.0.1", tls: OWN }, {});
  await using old = await RawClient.connect(server, { ca: CERT });
  old.write(handshake());
  await old.head();
  assert.equal((await greet(server, { ca: CERT }))[1], "localhost");
  server.replaceTls(CHAINED);
  assert.equal((await greet(server, { ca: ROOT }))[1], "leaf");
  assert.throws(() => server.replaceTls({ certificate: CERT, key: CHAIN_KEY }), /can't be used/);
  assert.throws(() => server.replaceTls({ certificate: "x", key: "y" }), /can't be used/);
  assert.equal((await greet(server, { ca: ROOT }))[1], "leaf");
  server.broadcast("still here");
  assert.equal(describe((await old.next())!), "text still here");
  await using plain = await listenSockets({ hostname: "127.0.0.1" }, {});
  assert.throws(() => plain.replaceTls(OWN), TypeError);
});

test("A slow client over TLS is treated as over TCP", async () => {
  await using server = await listenSockets({
    hostname: "127.0.0.1",
    tls: OWN,
    queueLimitBytes: 65_536,
    pingIntervalMs: 0,
  }, {});
  const { port } = server.address as { port: number };
  await using program = spawnRuntime("node", "tls_stalled.ts", [String(port)]);
  await program.line("stalled");
  const [slow] = server.clients.values();
  const message = new Uint8Array(32_768);
  let sent = 0;
  while (slow.send(message)) {
    sent++;
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(sent < 5000, "the queue is never full");
  }
  assert.equal(slow.dropped, 1);
  program.write("read");
  await until(() => slow.queuedBytes === 0, STEP_MS, "an empty queue");
  slow.terminate();
  // Frames with headers of four bytes.
  assert.equal(Number(await program.line("bytes ")), sent * (32_768 + 4));
});

const skip = process.platform === "win32" ? "there are no Unix sockets" : false;

/** A folder for the time of a test. */
function folder(): { path: string } & Disposable {
  const path = mkdtempSync(`${tmpdir()}/enetjs-socket-`);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test("A Unix socket is served, has no address, and is removed in the end", { skip }, async () => {
  using temporary = folder();
  const unixSocket = `${temporary.path}/ws`;
  const lines: string[] = [];
  const server = await listenSockets(
    { unixSocket, accessLog: (line) => void lines.push(line) },
    {},
  );
  assert.deepEqual([server.address, server.url], [{ unixSocket }, `ws+unix:${unixSocket}`]);
  await using client = await RawClient.open(server);
  const [there] = server.clients.values();
  assert.deepEqual([there.address, there.port], ["", 0]);
  there.send("hello");
  assert.equal(describe((await client.next())!), "text hello");
  assert.match(lines[0], /^- - - \[/);
  // Another server is not driven away.
  await assert.rejects(listenSockets({ unixSocket }, {}), {
    code: "ENETJS_ERR_ADDRESS_IN_USE",
    message: /another server listens on it/,
  });
  client.socket.end();
  await server.close();
  assert.equal(existsSync(unixSocket), false);
});

test(
  "A Unix socket in a folder that does not exist is an error that says so",
  { skip },
  async () => {
    await assert.rejects(listenSockets({ unixSocket: "/no/such/folder/ws" }), {
      code: "ENETJS_ERR_ADDRESS_UNAVAILABLE",
      message: "Listening on /no/such/folder/ws: the folder does not exist",
    });
  },
);

test("A Unix socket that a crash has left is replaced, a file is not", { skip }, async () => {
  using temporary = folder();
  const file = `${temporary.path}/file`;
  writeFileSync(file, "precious");
  await assert.rejects(listenSockets({ unixSocket: file }, {}), {
    code: "ENETJS_ERR_ADDRESS_IN_USE",
    message: /it is no socket/,
  });
  assert.ok(existsSync(file));
  const unixSocket = `${temporary.path}/ws`;
  await using program = spawnRuntime(currentRuntime(), "gateway_unix.ts", [unixSocket]);
  await program.line("listening");
  program.process.kill("SIGKILL");
  await withDeadline(program.ended, STEP_MS, "the crash");
  assert.ok(existsSync(unixSocket));
  await using server = await listenSockets({ unixSocket }, {});
  await using _client = await RawClient.open(server);
});

test("A Unix socket is removed when the process exits", { skip }, async () => {
  using temporary = folder();
  const unixSocket = `${temporary.path}/ws`;
  await using program = spawnRuntime(currentRuntime(), "gateway_unix.ts", [unixSocket]);
  await program.line("listening");
  program.write("exit");
  await withDeadline(program.ended, STEP_MS, "the exit");
  assert.equal(existsSync(unixSocket), false);
});

test("The access log has a line for each open, close and refusal", async () => {
  const lines: string[] = [];
  await using server = await listenSockets({
    hostname: "127.0.0.1",
    pingIntervalMs: 0,
    path: "/chat",
    accessLog: (line) => void lines.push(line),
  }, {});
  const wait = (count: number) => until(() => lines.length === count, STEP_MS, `line ${count}`);
  await using client = await RawClient.connect(server);
  client.write(handshake({ Referer: "http://a/", "User-Agent": "raw" }, "GET /chat?x=1 HTTP/1.1"));
  await client.head();
  await wait(1);
  const [there] = server.clients.values();
  there.send("12345");
  client.write(frame(8, closing(1000)));
  client.socket.end();
  await wait(2);
  const refuse = async (request: string) => {
    await using other = await RawClient.connect(server);
    other.write(request);
    await other.ended();
  };
  await refuse(handshake({}, "GET / HTTP/1.1"));
  await wait(3);
  await refuse("\x01\x02");
  await wait(4);
  const strange = 'a"b\\c\td\x80\xc3\xa9\xc2\x85\xe2\x80\xa8';
  await refuse(handshake({ "User-Agent": strange, Referer: "" }, "GET /x HTTP/1.1"));
  await wait(5);
  const date = String.raw`\[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`;
  const patterns = [
    String.raw`^127\.0\.0\.1 - - ${date} "GET /chat\?x=1 HTTP/1\.1" 101 0 "http://a/" "raw" \d+$`,
    String.raw`^127\.0\.0\.1 - - ${date} "GET /chat\?x=1 HTTP/1\.1" 200 5 "http://a/" "raw" \d+$`,
    String.raw`^127\.0\.0\.1 - - ${date} "GET / HTTP/1\.1" 404 28 "-" "-" \d+$`,
    String.raw`^127\.0\.0\.1 - - ${date} "-" 400 \d+ "-" "-" \d+$`,
    String
      .raw`^127\.0\.0\.1 - - ${date} "GET /x HTTP/1\.1" 404 28 "-" "a\\"b\\\\c\\td\uFFFDé" \d+$`,
  ];
  for (const [i, pattern] of patterns.entries()) assert.match(lines[i], new RegExp(pattern));
});
