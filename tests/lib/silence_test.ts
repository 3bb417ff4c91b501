/**
 * Once this side has ended a connection, nothing more of it is reported but its disconnect event, though its
 * messages lie in the ring already.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type HostEvent, type HostHandlers, type Peer } from "../../mod.ts";
import { leakCheck, until, withDeadline } from "../_helpers.ts";

const MESSAGES = 200;

/** The ways to end a connection from this side. */
const WAYS: Record<string, (peer: Peer) => unknown> = {
  disconnect: (peer) => peer.disconnect(9),
  disconnectLater: (peer) => peer.disconnectLater(9),
  disconnectNow: (peer) => peer.disconnectNow(9),
  reset: (peer) => peer.reset(),
};

/** What a program does that ends a peer at its first message and answers every message. */
class Program {
  readonly log: string[] = [];
  readonly #end: (peer: Peer) => unknown;

  constructor(end: (peer: Peer) => unknown) {
    this.#end = end;
  }

  get isOver(): boolean {
    return this.log.includes("disconnect");
  }

  take(event: HostEvent): void {
    this.log.push(event.type);
    if (event.type === "datagram") return;
    if (event.type === "receive") this.#end(event.peer);
    if (event.type !== "connect") assert.equal(event.peer.send(0, "answer"), false);
  }

  get handlers(): HostHandlers {
    return {
      connect: (peer, data) => this.take({ type: "connect", peer, data }),
      disconnect: (peer, reason, data) => this.take({ type: "disconnect", peer, reason, data }),
      receive: (peer) => {
        this.log.push("receive");
        this.#end(peer);
        assert.equal(peer.send(0, "answer"), false);
      },
    };
  }
}

/** How a host gives its events to a program until the connection is over. */
const CONSUMERS: Record<string, (program: Program) => Promise<Host>> = {
  handlers: (program) => Host.listen({ hostname: "127.0.0.1" }, program.handlers),
  async iteration(program) {
    const host = await Host.listen({ hostname: "127.0.0.1" });
    (async () => {
      for await (const event of host) program.take(event);
    })();
    return host;
  },
  async service(program) {
    const host = await Host.listen({ hostname: "127.0.0.1", pump: false });
    const tick = setInterval(() => {
      for (let event = host.service(); event !== null; event = host.service()) program.take(event);
      if (host.closed) clearInterval(tick);
    }, 1);
    return host;
  },
};

for (const [consumer, listen] of Object.entries(CONSUMERS)) {
  for (const [way, end] of Object.entries(WAYS)) {
    test(`After ${way}() nothing but the disconnect event is reported: ${consumer}`, async (t) => {
      await leakCheck(t);
      const program = new Program(end);
      await using server = await listen(program);
      await using client = await Host.create();
      const peer = await client.connect(server.address, { channels: 1 });
      for (let i = 0; i < MESSAGES; i++) {
        peer.send(0, i % 10 === 0 ? new Uint8Array(70_000) : `${i}`);
      }
      await until(() => program.isOver, 10_000, "the disconnect event");
      await server.close();
      assert.deepEqual(program.log, ["connect", "receive", "disconnect"]);
    });
  }
}

test("An iteration over a peer ends when this side ends the peer", async (t) => {
  await leakCheck(t);
  for (const end of Object.values(WAYS)) {
    await using server = await Host.listen({ hostname: "127.0.0.1" });
    await using client = await Host.create();
    const peer = await client.connect(server.address, { channels: 1 });
    const remote = await until(() => server.peers[0], 20_000, "the connect event");
    for (let i = 0; i < MESSAGES; i++) peer.send(0, `${i}`);
    const texts: string[] = [];
    const loop = async () => {
      for await (const { packet } of remote) {
        texts.push(packet.text());
        if (texts.length === 3) end(remote);
      }
    };
    await withDeadline(loop(), 20_000, "the loop");
    assert.deepEqual(texts, ["0", "1", "2"]);
    // One that waits for a message ends, too.
    const waiting = await client.connect(server.address);
    const next = waiting[Symbol.asyncIterator]().next();
    end(waiting);
    assert.equal((await withDeadline(next, 20_000, "a waiting iteration")).done, true);
  }
});

test("What the host has kept of a peer is dropped when this side ends the peer", async (t) => {
  await leakCheck(t);
  for (const end of Object.values(WAYS)) {
    await using server = await Host.listen({ hostname: "127.0.0.1" });
    await using client = await Host.create();
    const peer = await client.connect(server.address, { channels: 2 });
    const remote = await until(() => server.peers[0], 20_000, "the connect event");
    for (let i = 0; i < MESSAGES; i++) peer.send(0, `${i}`);
    await withDeadline(peer.deliver(1, "the last"), 20_000, "a delivery");
    end(remote);
    const types: string[] = [];
    for await (const { type } of server) {
      types.push(type);
      if (type === "disconnect") break;
    }
    assert.deepEqual(types, ["connect", "disconnect"]);
  }
});

test("drain() that waits rejects when this side ends the peer", async (t) => {
  await leakCheck(t);
  for (const end of Object.values(WAYS)) {
    await using server = await Host.listen({ hostname: "127.0.0.1" });
    await using client = await Host.create({ highWaterMark: 10 });
    const peer = await client.connect(server.address);
    assert.equal(peer.send(0, new Uint8Array(1000)), false);
    const drained = assert.rejects(peer.drain(), { code: "ENETJS_ERR_STALE" });
    end(peer);
    await withDeadline(drained, 20_000, "drain()");
  }
});
