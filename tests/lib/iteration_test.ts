import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnostics, type HostEvent, type Packet, type PeerMessage } from "../../mod.ts";
import { connectedPair, equalBytes, leakCheck, pattern, until, withDeadline } from "../_helpers.ts";
import { ms, range, sendNumbers } from "./_handlers.ts";

test("An iteration's packet is borrowed until the next one", async (t) => {
  await leakCheck(t);
  for (const length of [10, 100_000]) {
    await using pair = await connectedPair();
    const { peer, server } = pair;
    const packets: Packet[] = [];
    let copy: Uint8Array | undefined;
    for await (const event of server) {
      if (event.type === "connect") {
        for (let i = 1; i <= 3; i++) peer.send(0, new Uint8Array(length).fill(i));
      }
      if (event.type !== "receive") continue;
      assert.equal(event.packet.length, length);
      if (packets.length === 1) copy = event.packet.bytes;
      packets.push(event.packet);
      if (packets.length === 3) break;
    }
    const gone = { code: "ENETJS_ERR_RELEASED" };
    for (const packet of packets) { // break ends the borrowing, too
      assert.throws(() => packet.bytes, gone);
      assert.throws(() => packet.view, gone);
      assert.throws(() => packet.text(), gone);
      assert.throws(() => peer.send(0, packet), gone);
    }
    equalBytes(copy as Uint8Array, new Uint8Array(length).fill(2));
  }
});

test("A for-await body that throws leaves the host usable", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, server } = pair;
  sendNumbers(peer, 1, 3);
  const seen: number[] = [];
  const loop = async () => {
    for await (const event of server) {
      if (event.type !== "receive") continue;
      seen.push(event.packet.view[0]);
      if (seen.length < 3) throw new Error(`body ${seen.length}`);
      break;
    }
  };
  await assert.rejects(withDeadline(loop(), ms, "loop"), /body 1/);
  await assert.rejects(withDeadline(loop(), ms, "loop"), /body 2/);
  await withDeadline(loop(), ms, "loop");
  assert.deepEqual(seen, [1, 2, 3]);
});

test("Breaking out of loops and resuming loses and repeats nothing", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, server, remote } = pair;
  const COUNT = 200;
  const seen: number[] = [];
  sendNumbers(peer, 0, COUNT / 2 - 1);
  let sent = false;
  while (seen.length < COUNT) {
    // By turns from the host and from the peer itself, some messages each.
    const goal = Math.min(COUNT, seen.length + 7);
    if (Math.floor(seen.length / 7) % 2 === 0) {
      for await (const event of server) {
        if (event.type === "receive") seen.push(event.packet.view[0]);
        if (seen.length === goal) break;
      }
    } else {
      for await (const { packet } of remote) {
        seen.push(packet.view[0]);
        if (seen.length === goal) break;
      }
    }
    if (!sent && seen.length >= COUNT / 4) {
      sent = true;
      sendNumbers(peer, COUNT / 2, COUNT - 1);
    }
  }
  assert.deepEqual(seen, range(0, COUNT - 1));
});

test("A second iterator is a TypeError while the first is in use", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, server } = pair;
  for (const iterable of [server, peer] as AsyncIterable<unknown>[]) {
    const first = iterable[Symbol.asyncIterator]();
    assert.throws(() => iterable[Symbol.asyncIterator](), TypeError);
    await first.return!();
    const second = iterable[Symbol.asyncIterator]();
    await first.return!(); // of no concern to the second
    assert.throws(() => iterable[Symbol.asyncIterator](), TypeError);
    await second.return!();
  }
  const iterator = server[Symbol.asyncIterator]();
  assert.throws(() => server.service(), TypeError);
  await iterator.return!();
  // What has been polled can be iterated over later.
  assert.equal(server.service()?.type, "connect");
});

test("An iterator that has returned stays at its end, and its waiting reads end", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote, server } = pair;
  const done = { value: undefined, done: true };
  const events = server[Symbol.asyncIterator]();
  const messages = remote[Symbol.asyncIterator]();
  assert.equal((await withDeadline(events.next(), ms, "an event")).value.type, "connect");
  for (const iterator of [events, messages] as AsyncIterator<unknown>[]) {
    const waiting = [iterator.next(), iterator.next()];
    assert.deepEqual(await iterator.return!(), done);
    assert.deepEqual(await withDeadline(Promise.all(waiting), ms, "reads"), [done, done]);
    assert.deepEqual(await withDeadline(iterator.next(), ms, "a read"), done);
  }
  await withDeadline(peer.deliver(0, "next"), ms, "a delivery");
  assert.deepEqual(await withDeadline(messages.next(), ms, "a read"), done);
  for await (const event of server) {
    assert.equal(event.type === "receive" && event.packet.text(), "next");
    break;
  }
});

for (const whose of ["host", "peer"]) {
  test(`Reads of a ${whose} that overlap leave each other their packets`, async (t) => {
    await leakCheck(t);
    await using pair = await connectedPair();
    const { peer, remote, server } = pair;
    const iterator: AsyncIterator<HostEvent | PeerMessage> = (whose === "host" ? server : remote)
      [Symbol.asyncIterator]();
    if (whose === "host") await withDeadline(iterator.next(), ms, "the connect event");
    const read = async () => {
      const { value } = await iterator.next();
      const text = "packet" in value && value.packet.text();
      void iterator.next();
      return text;
    };
    const reads = Promise.all([read(), read()]);
    peer.send(0, "first");
    peer.send(0, "second");
    assert.deepEqual(await withDeadline(reads, ms, "both messages"), ["first", "second"]);
    await iterator.return?.();
  });
}

test("Messages that a peer's loop leaves after the disconnect event are freed", async (t) => {
  await leakCheck(t);
  const ended = Promise.withResolvers<void>();
  await using pair = await connectedPair({ serverHandlers: { disconnect: () => ended.resolve() } });
  const { peer, remote } = pair;
  const { packets } = await diagnostics();
  const messages = remote[Symbol.asyncIterator]();
  for (let i = 0; i < 3; i++) peer.send(0, new Uint8Array(100_000));
  await peer.disconnectLater();
  await withDeadline(ended.promise, ms, "the disconnect event");
  assert.equal((await withDeadline(messages.next(), ms, "a message")).done, false);
  await messages.return?.();
  assert.equal((await diagnostics()).packets, packets);
});

test("Iterating over a peer takes its messages away from the host's iterator", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, peer, remote, server } = pair;
  const other = await client.connect(server.address);
  const fromHost: [string, number][] = [];
  const fromPeer: number[] = [];
  const hostLoop = (async () => {
    for await (const event of server) {
      if (event.type !== "receive") continue;
      const who = event.peer === remote ? "first" : "other";
      fromHost.push([who, event.packet.bytes[0]]);
    }
  })();
  const peerLoop = (async () => {
    for await (const { packet } of remote) fromPeer.push(packet.bytes[0]);
  })();
  for (let i = 0; i < 100; i++) {
    peer.send(0, new Uint8Array([i]));
    other.send(0, new Uint8Array([i]));
  }
  await until(() => fromHost.length + fromPeer.length === 200, ms, "200 messages");
  assert.deepEqual(fromPeer, range(0, 99));
  assert.deepEqual(fromHost, range(0, 99).map((i) => ["other", i]));
  await server.close();
  await withDeadline(Promise.all([hostLoop, peerLoop]), ms, "the loops' ends");
});

test("Messages that arrived before an iteration began are not lost", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote, server } = pair;
  for (const iterable of ["peer", "host"] as const) {
    sendNumbers(peer, 1, 99);
    await withDeadline(peer.deliver(0, new Uint8Array([100])), ms, "delivery");
    const seen: number[] = [];
    if (iterable === "peer") {
      for await (const { packet } of remote) {
        seen.push(packet.bytes[0]);
        if (seen.length === 100) break;
      }
    } else {
      for await (const event of server) {
        if (event.type === "receive") seen.push(event.packet.bytes[0]);
        if (seen.length === 100) break;
      }
    }
    assert.deepEqual(seen, range(1, 100));
  }
});

test("What a peer sent before it disconnected comes before the disconnect event", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote, server } = pair;
  const messages = remote[Symbol.asyncIterator]();
  sendNumbers(peer, 1, 9);
  await withDeadline(peer.disconnectLater(), ms, "disconnecting");
  await until(() => remote.state === "disconnected", ms, "the end");
  const { value } = await withDeadline(messages.next(), ms, "a message");
  assert.equal(value.packet.bytes[0], 1);
  await messages.return!();
  const events: (number | string)[] = [];
  for await (const event of server) {
    events.push(event.type === "receive" ? event.packet.bytes[0] : event.type);
    if (event.type === "disconnect") break;
  }
  assert.deepEqual(events, ["connect", ...range(2, 9), "disconnect"]);
});

test("A peer's iteration ends with the connection, after its last message", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote } = pair;
  sendNumbers(peer, 1, 50);
  const messages = Array.fromAsync(remote, ({ packet }) => packet.bytes[0]);
  await withDeadline(peer.disconnectLater(), ms, "disconnecting");
  assert.deepEqual(await withDeadline(messages, ms, "the loop's end"), range(1, 50));
});

test("Iteration over a peer yields every message in order and ends with the connection", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote } = pair;
  const count = 3000;
  for (let i = 0; i < count; i++) peer.send(i % 2, `${i}`);
  peer.send(0, pattern(300_000));
  void peer.disconnectLater();
  const kept: Packet[] = [];
  for await (const { channelId, packet } of remote) {
    const i = kept.push(packet.retain()) - 1;
    if (i < count) assert.equal(channelId, i % 2);
  }
  assert.equal(kept.length, count + 1);
  for (const channelId of [0, 1]) {
    const texts = kept.slice(0, count).map((packet) => packet.text());
    const mine = texts.filter((text) => Number(text) % 2 === channelId);
    assert.deepEqual(mine, mine.map((_, i) => `${2 * i + channelId}`));
  }
  const last = kept.find(({ length }) => length > 10);
  assert.ok(last);
  equalBytes(last.bytes, pattern(300_000));
  last.dispose();
  for await (const _ of remote) assert.fail("it is over");
});

test("Iteration over a peer can stop and go on, for one consumer at a time", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote } = pair;
  for (let i = 0; i < 10; i++) peer.send(0, `${i}`);
  const texts: string[] = [];
  for (let round = 0; round < 5; round++) {
    for await (const { packet } of remote) {
      assert.throws(() => remote[Symbol.asyncIterator](), {
        name: "TypeError",
        message: /already/,
      });
      if (texts.push(packet.text()) % 2 === 0) break;
    }
  }
  assert.deepEqual(texts, Array.from({ length: 10 }, (_, i) => `${i}`));
});

test("What an iteration over a peer has left goes to the host", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, peer, remote } = pair;
  for (let i = 0; i < 4; i++) peer.send(0, `${i}`);
  for await (const { packet } of remote) {
    assert.equal(packet.text(), "0");
    break;
  }
  const texts: string[] = [];
  for await (const event of server) {
    if (event.type !== "receive") continue;
    assert.equal(event.peer, remote);
    texts.push(event.packet.text());
    if (texts.length === 3) break;
  }
  assert.deepEqual(texts, ["1", "2", "3"]);
});
