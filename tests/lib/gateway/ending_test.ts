/**
 * Ends at a bad moment: while messages are held back, while a page waits, while a program is within a call.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EnetSocket } from "../../../lib/gateway/browser/mod.ts";
import { Gateway } from "../../../lib/gateway/gateway.ts";
import { Host } from "../../../mod.ts";
import { leakCheck, withDeadline } from "../../_helpers.ts";

const DEADLINE = 30_000;

test("What a browser has sent before its end reaches a server that is slow", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ hostname: "127.0.0.1" });
  await using gateway = await Gateway.listen({
    to: host.address,
    hostname: "127.0.0.1",
    client: { highWaterMark: 1000 },
  });
  const socket = await EnetSocket.connect(gateway.url);
  for (let i = 0; i < 300; i++) socket.send(0, new Uint8Array(100));
  // The gateway holds the browser back after the first ones.
  await socket.disconnectLater(5);
  let received = 0;
  for await (const event of host) {
    if (event.type === "receive") received++;
    if (event.type !== "disconnect") continue;
    assert.deepEqual([event.reason, event.data], ["remote", 5]);
    break;
  }
  assert.equal(received, 300);
});

test("EnetSocket.sessions() ends at once when onRetry aborts its signal", async () => {
  const end = new AbortController();
  const sessions = EnetSocket.sessions("ws://127.0.0.1:9", {
    minimumMs: 2 ** 31 - 1,
    signal: end.signal,
    onRetry: () => end.abort(),
  });
  const { done } = await withDeadline(sessions.next(), DEADLINE, "the end");
  assert.equal(done, true);
});
