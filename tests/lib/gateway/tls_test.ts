/**
 * A gateway over TLS, from end to end: browsers that trust its certificate, a certificate that is replaced, clients that
 * speak no TLS or an old one, and handshakes that never end.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { writeFileSync } from "node:fs";
import net from "node:net";
import process from "node:process";
import { test } from "node:test";
import { EnetSocket } from "../../../lib/gateway/browser/mod.ts";
import type { Gateway } from "../../../lib/gateway/gateway.ts";
import {
  currentRuntime,
  journal,
  leakCheck,
  type Program,
  spawnRuntime,
  until,
  withDeadline,
} from "../../_helpers.ts";
import { CERT, KEY } from "../messaging/_certificate.ts";
import { CHAIN, CHAIN_KEY, ROOT } from "./_chain.ts";
import { serve } from "./_gateway.ts";
import { temporaryFolder } from "./_pipes.ts";
import { handshake, RawClient, STEP_MS } from "./_raw.ts";

const CHAINED = { certificate: CHAIN, key: CHAIN_KEY };
/** Which no page here trusts. */
const OTHER = { certificate: CERT, key: KEY };

const skip = process.platform === "win32" ? "the environment names no certificates" : false;

/** A page that trusts the root of `CHAINED`. */
function page(folder: string): Program {
  const path = `${folder}/root.pem`;
  writeFileSync(path, ROOT);
  const env = { NODE_EXTRA_CA_CERTS: path, DENO_CERT: path };
  return spawnRuntime(currentRuntime(), "gateway_tls.ts", [], { env });
}

test("A browser plays over TLS; after replaceTls others get the new certificate, and it plays on", {
  skip,
}, async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, {
    ...log.handlers,
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  }, { tls: CHAINED });
  const { gateway } = served;
  assert.match(gateway.url, /^wss:\/\/127\.0\.0\.1:\d+$/);
  using folder = temporaryFolder();
  await using browser = page(folder.path);
  browser.write(gateway.url);
  await browser.line("connected 1");
  browser.write("hello");
  await browser.line("1 got hello");
  gateway.replaceTls(OTHER);
  // Another page: on Deno, a session of TLS that was there before can be resumed.
  await using another = page(folder.path);
  another.write(gateway.url);
  await another.line("failed ENETJS_ERR_SOCKET");
  browser.write("still here");
  await browser.line("1 got still here");
  assert.throws(() => gateway.replaceTls({ certificate: CHAIN, key: KEY }), /can't be used/);
  gateway.replaceTls(CHAINED);
  another.write(gateway.url);
  await another.line("connected 1");
  another.write("hello");
  await another.line("1 got hello");
  assert.equal(served.host.peers.length, 2);
  for (const peer of served.host.peers) peer.disconnect();
  await log.wait("disconnect", 2);
});

/** A connection to a gateway that says what it is told to. */
function connect({ address }: Gateway): RawClient {
  const { port } = address as { port: number };
  return new RawClient(net.connect({ port, host: "127.0.0.1" }));
}

/** A ClientHello of TLS 1.1, as it is on the wire. */
const TLS_1_1 = Buffer.from(
  `16030100370100003303020000${"00".repeat(30)}00000cc014c00a00390038003500330100`,
  "hex",
);

test("Plain text and TLS 1.1 at the TLS port get no HTTP, and disturb nobody", async (t) => {
  await leakCheck(t);
  await using served = await serve({}, {}, { tls: CHAINED });
  const { gateway } = served;
  for (const bytes of [TLS_1_1, Buffer.from(handshake()), Buffer.from("GET / HTTP/1.0\r\n\r\n")]) {
    await using client = connect(gateway);
    client.write(bytes);
    await client.ended();
    assert.doesNotMatch(client.received.toString("latin1"), /HTTP/);
  }
  await assert.rejects(EnetSocket.connect(gateway.url.replace("wss:", "ws:")), {
    code: "ENETJS_ERR_SOCKET",
  });
  await until(() => gateway.stats.sockets.handshaking === 0, STEP_MS, "no handshake");
  const { opened, abandoned } = gateway.stats.sockets;
  assert.deepEqual([opened, abandoned], [0, 4]);
});

test("TLS handshakes that never end have the time and the number of all handshakes", {
  skip,
}, async (t) => {
  await leakCheck(t);
  await using served = await serve({}, {}, {
    tls: CHAINED,
    maximumHandshakes: 2,
    handshakeTimeoutMs: 60_000,
  });
  const { gateway } = served;
  // The first of them makes room for the third, and the second for the browser.
  const stuck: RawClient[] = [];
  for (let i = 0; i < 3; i++) {
    stuck.push(connect(gateway));
    stuck[i].write(TLS_1_1.subarray(0, 20));
    await until(
      () => gateway.stats.sockets.handshaking + gateway.stats.sockets.abandoned === i + 1,
      STEP_MS,
      "the connection",
    );
  }
  await withDeadline(stuck[0].ended(), STEP_MS, "the end of the oldest");
  assert.equal(gateway.stats.sockets.handshaking, 2);
  using folder = temporaryFolder();
  await using browser = page(folder.path);
  browser.write(gateway.url);
  await browser.line("connected 1");
  await withDeadline(stuck[1].ended(), STEP_MS, "the end of the next");
  assert.deepEqual([gateway.stats.sockets.handshaking, stuck[2].hasEnded], [1, false]);
  for (const { socket } of stuck) socket.destroy();
});

test("A TLS handshake that stops halfway is ended in time", async (t) => {
  await leakCheck(t);
  await using served = await serve({}, {}, { tls: CHAINED, handshakeTimeoutMs: 50 });
  const { gateway } = served;
  for (const length of [0, 3, 20]) {
    await using client = connect(gateway);
    client.write(TLS_1_1.subarray(0, length));
    await client.ended();
  }
  await until(() => gateway.stats.sockets.handshaking === 0, STEP_MS, "no handshake");
  assert.deepEqual(gateway.stats.sockets.refused, { 408: 3 });
});
