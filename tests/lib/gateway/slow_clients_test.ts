/**
 * Clients that do not read, that flood, and that are silent: what waits for them, when they end, and that nobody else
 * waits.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import {
  prepareMessage,
  type SocketClient,
  type SocketHandlers,
  type SocketServerOptions,
} from "../../../lib/gateway/mod.ts";
import { until, withDeadline } from "../../_helpers.ts";
import { CLOSE, listen, only } from "./_clients.ts";
import { closing, describe, frame, RawClient, STEP_MS } from "./_raw.ts";

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
