/**
 * Unreliable messages over WebRTC between a real browser and a gateway.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { Gateway } from "../../lib/gateway/mod.ts";
import { Host, PacketFlag } from "../../mod.ts";
import { bundleBrowserModule } from "../../npm/_bundle.ts";
import { print } from "../../tools/_run.ts";
import { chromium } from "../../tools/chromium.ts";
import { journal, until } from "../_helpers.ts";
import { absent } from "../lib/gateway/_rtc.ts";
import { openPage } from "./_chromium.ts";

const LOOPBACK = "127.0.0.1";
const DEADLINE = 20_000;

const isAbsent = chromium() === undefined;
if (isAbsent) {
  print("NOT TESTED: there is no Chromium here. `deno task setup` installs it on Debian\n");
}

/** Serves the module of the package, and an empty page. */
async function serveModule(stack: AsyncDisposableStack): Promise<string> {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-webrtc-`);
  stack.defer(() => rmSync(folder, { recursive: true }));
  await bundleBrowserModule(`${folder}/enet.js`);
  const code = readFileSync(`${folder}/enet.js`);
  const server = createServer(({ url }, response) => {
    const isModule = url === "/enet.js";
    response.setHeader("content-type", isModule ? "text/javascript" : "text/html");
    response.end(isModule ? code : "<!doctype html><title>WebRTC</title>");
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  stack.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://${LOOPBACK}:${(server.address() as AddressInfo).port}/`;
}

test(
  "A page opens a data channel, sends and receives over it, and falls back when it is closed",
  { skip: isAbsent || absent },
  async () => {
    await using stack = new AsyncDisposableStack();
    const log = journal();
    const host = stack.use(await Host.listen({ hostname: LOOPBACK }, log.handlers));
    const gateway = stack.use(await Gateway.listen({ host, hostname: LOOPBACK, webrtc: true }));
    const page = stack.use(await openPage(await serveModule(stack)));
    await page.evaluate(`(async () => {
      const { EnetSocket, PacketFlag } = await import("/enet.js");
      const { RTCPeerConnection } = globalThis;
      globalThis.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...args) {
          super(...args);
          globalThis.connection = this;
        }
      };
      globalThis.flags = PacketFlag;
      globalThis.got = [];
      globalThis.socket = await EnetSocket.connect("${gateway.url}", { webrtc: true });
      (async () => {
        for await (const { channelId, packet } of socket) {
          got.push(channelId + " " + packet.flags + " " + packet.text());
        }
      })();
    })()`);
    await page.until("socket.unreliableOver === 'webrtc'", "the data channel");
    const [{ peer }] = await log.wait("connect");
    const before = gateway.stats.sockets;

    await page.evaluate("void socket.send(1, 'up', flags.UNRELIABLE)");
    const [{ channelId, bytes }] = await log.wait("receive");
    assertEquals([channelId, new TextDecoder().decode(bytes)], [1, "up"]);
    peer.send(1, "down", PacketFlag.UNSEQUENCED);
    await page.until("got.includes('1 2 down')", "the host's message");
    const { received, sent } = gateway.stats.sockets;
    assert(received - before.received < 20 && sent - before.sent < 20);
    assertEquals(gateway.stats.webrtc?.open, 1);

    // 16 KiB in fragments of SCTP, which on loopback all arrive.
    await page.evaluate("void socket.send(0, new Uint8Array(16384), flags.UNRELIABLE_FRAGMENT)");
    const received2 = await log.wait("receive", 2);
    assertEquals(received2[1].bytes.length, 16_384);

    await page.evaluate("connection.close()");
    await until(() => gateway.stats.webrtc?.open === 0, DEADLINE, "the end of the channel");
    await page.evaluate(`(() => {
      for (let i = 0; i < 50; i++) socket.send(0, "up " + i, flags.UNSEQUENCED);
    })()`);
    for (let i = 0; i < 50; i++) peer.send(0, `down ${i}`, PacketFlag.UNSEQUENCED);
    await log.wait("receive", 52);
    await page.until("got.filter((text) => text.startsWith('0 ')).length === 50", "all of them");
    assertEquals(await page.evaluate("socket.unreliableOver"), "websocket");
    assertEquals(peer.state, "connected");
    assertEquals(page.complaints, []);
  },
);
