/**
 * Handlers that take themselves away while messages wait.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { peers } from "../../lib/peer.ts";
import type { HostHandlers } from "../../mod.ts";
import { connectedPair, leakCheck, until, withDeadline } from "../_helpers.ts";

const ms = 30_000;

for (const between of [{}, undefined]) {
  const name = between === undefined ? "undefined" : "ones without receive";
  test(`Messages that wait are kept when a handler swaps the handlers for ${name}`, async (t) => {
    await leakCheck(t);
    await using pair = await connectedPair();
    const { server, peer, remote } = pair;
    for (let i = 0; i < 100; i++) peer.send(0, String(i));
    await withDeadline(peer.deliver(0, "100"), ms, "the last message");
    // They wait in JavaScript from here on.
    await until(() => peers.connectionOf(remote).waits, ms, "messages that wait");
    const got: string[] = [];
    const taking: HostHandlers = {
      receive(_peer, _channelId, packet) {
        got.push(packet.text());
        if (got.length % 10 === 1) server.handlers = between;
      },
    };
    for (let count = 1; count <= 101; count += 10) {
      server.handlers = taking;
      await until(
        () => got.length >= count && server.handlers === between,
        ms,
        `${count} messages`,
      );
      assert.equal(got.length, count);
    }
    assert.deepEqual(got, Array.from({ length: 101 }, (_, i) => String(i)));
  });
}
