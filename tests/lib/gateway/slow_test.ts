/**
 * Browsers and hosts that do not read: back-pressure in both directions, what is replaced, what memory it takes, and that
 * nobody else waits.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeMessage, FRAGMENT } from "../../../lib/gateway/link/wire.ts";
import { PacketFlag } from "../../../mod.ts";
import { journal, leakCheck, until, withDeadline } from "../../_helpers.ts";
import { collect, raw, serve } from "./_gateway.ts";

const DEADLINE = 30_000;

test("A page that takes nothing makes send() false and drain() wait, and gets all in the end", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const socket = await served.connect();
  const [{ peer }] = await log.wait("connect");
  let sent = 0;
  const bytes = new Uint8Array(1000);
  while (peer.send(0, bytes)) sent++;
  assert.ok(sent >= 262 && sent < 300, String(sent));
  let isDrained = false;
  const drained = peer.drain().then(() => isDrained = true);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(isDrained, false);
  const got = collect(socket);
  await withDeadline(drained, DEADLINE, "the drain");
  await until(() => got.length === sent + 1, DEADLINE, "all messages");
});

test("A page that is slow gets the newest state, and all reliable messages in order", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const socket = await served.connect();
  const [{ peer }] = await log.wait("connect");
  // The page takes nothing yet; behind what its window takes, states wait.
  for (let i = 0; i < 250; i++) peer.send(1, new Uint8Array(1000));
  for (let i = 0; i < 100; i++) {
    peer.send(0, `state ${i}`, PacketFlag.UNRELIABLE);
    served.host.broadcast(0, `news ${i}`, PacketFlag.UNRELIABLE_FRAGMENT);
    if (i % 10 === 0) peer.send(0, `event ${i}`);
    await new Promise((resolve) => setTimeout(resolve));
  }
  const got = collect(socket);
  const texts = () => got.filter((text) => text.startsWith("0 "));
  await until(() => texts().includes("0 8 news 99"), DEADLINE, "the last state");
  const events = texts().filter((text) => text.includes("event"));
  assert.deepEqual(events, Array.from({ length: 10 }, (_, i) => `0 1 event ${10 * i}`));
  const states = texts().filter((text) => text.includes("state"));
  assert.equal(states.at(-1), "0 0 state 99");
  assert.ok(states.length < 50, states.join());
  assert.ok(peer.stats.throttledMessages > 100, String(peer.stats.throttledMessages));
});

test("A host that takes nothing makes the page's send() false, and holds no more than its window", async (t) => {
  await leakCheck(t);
  await using served = await serve({ maximumHostData: 2 ** 27 });
  const socket = await served.connect();
  const bytes = new Uint8Array(10_000);
  // Nobody iterates, so messages wait: up to this peer's share of the host's data, then here.
  let sent = 0;
  const fill = async () => {
    for (;;) {
      while (socket.send(0, bytes)) sent++;
      sent++;
      const isFull = await Promise.race([
        socket.drain().then(() => false),
        new Promise((resolve) => setTimeout(resolve, 500)).then(() => true),
      ]);
      if (isFull) return;
    }
  };
  await withDeadline(fill(), 2 * DEADLINE, "the end of what fits");
  assert.ok(sent * bytes.length < 4 * 2 ** 20, `${sent * bytes.length} bytes`);
  let got = 0;
  for await (const event of served.host) {
    if (event.type === "receive" && ++got === sent) break;
  }
  await withDeadline(socket.drain(), DEADLINE, "the drain");
});

test("A browser that never takes what is queued for it ends, and delays nobody", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({}, log.handlers);
  const { host, gateway } = served;
  const stuck = await raw(gateway.url);
  const [{ peer }] = await log.wait("connect");
  const good = await served.connect();
  const got = collect(good);
  host.maximumPacketSize = 2 ** 20;
  host.maximumWaitingData = 2 ** 20;
  host.maximumHostData = 2 ** 21;
  const bytes = new Uint8Array(100_000);
  let rounds = 0;
  while (log.all("disconnect").length === 0) {
    host.broadcast(0, bytes);
    rounds++;
    await until(() => got.length === rounds, DEADLINE, "the other browser's message");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const [end] = log.all("disconnect");
  assert.deepEqual([end.peer, end.reason], [peer, "timeout"]);
  await withDeadline(stuck.closed, DEADLINE, "its end");
  assert.equal(host.peers.length, 1);
});

test("Incomplete messages of many browsers stay within the host's data", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using served = await serve({
    maximumPacketSize: 2 ** 20,
    maximumWaitingData: 2 ** 20,
    maximumHostData: 2 ** 21,
    peers: 16,
  }, log.handlers);
  const part = encodeMessage(0, 1, new Uint8Array(FRAGMENT + 1))[0];
  const browsers = await Promise.all(
    Array.from({ length: 8 }, () => raw(served.gateway.url, { pongs: true })),
  );
  // Each begins a message of a mebibyte, which none of them ends.
  for (let i = 0; i < 60; i++) for (const { send } of browsers) send(part);
  await log.wait("disconnect", 7);
  for (const { reason } of log.all("disconnect")) assert.equal(reason, "limit");
  const rest = await served.connect();
  await rest.deliver(0, "there is room");
});
