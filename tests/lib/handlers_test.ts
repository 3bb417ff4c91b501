import assert from "node:assert/strict";
import { test } from "node:test";
import {
  diagnostics,
  Host,
  type HostEvent,
  type HostHandlers,
  type Packet,
  type Peer,
  type PeerMessage,
} from "../../mod.ts";
import {
  connectedPair,
  currentRuntime,
  equalBytes,
  leakCheck,
  showsWhereItThrew,
  spawnRuntime,
  until,
  withDeadline,
} from "../_helpers.ts";

const runtime = currentRuntime();
const ms = 10_000;

/** The numbers first … last as messages of one byte each. */
function sendNumbers(peer: Peer, first: number, last: number, channelId = 0): void {
  for (let i = first; i <= last; i++) peer.send(channelId, new Uint8Array([i]));
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

// Handlers.

test("What handlers throw and reject surfaces as uncaught, and events go on", async () => {
  await using program = spawnRuntime(runtime, "throwing.ts");
  const { code, stdout, stderr } = await withDeadline(program.ended, 20_000, "throwing.ts");
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  const { uncaught, rejected, received } = JSON.parse(stdout);
  assert.deepEqual(uncaught.sort(), [
    "connect",
    "datagram",
    "disconnect",
    "receive 1",
    "receive 100000",
  ]);
  assert.deepEqual(rejected, ["receive 2"]);
  assert.deepEqual(received, [1, 2, 3, 100_000]);
});

test("An error that no one listens for ends the process", async () => {
  await using program = spawnRuntime(runtime, "throwing.ts", ["unheard"]);
  const { code, stderr } = await withDeadline(program.ended, 20_000, "throwing.ts");
  assert.equal(code, 1);
  // Which of them is first is up to the runtime.
  assert.match(stderr, /Error: (connect|receive)/i);
});

test("What ends the process shows where the handler of a host threw", async () => {
  await showsWhereItThrew("throwing_stack.ts");
});

test("Handlers are called for every kind of event", async (t) => {
  await leakCheck(t);
  const events: unknown[] = [];
  const peers = new Set<Peer>();
  await using server = await Host.listen({ hostname: "127.0.0.1", datagrams: true }, {
    connect: (peer, data) => {
      peers.add(peer);
      events.push(["connect", data]);
    },
    receive: (peer, channelId, packet) => {
      peers.add(peer);
      events.push(["receive", channelId, packet.length, packet.view.at(-1)]);
    },
    disconnect: (peer, reason, data) => {
      peers.add(peer);
      events.push(["disconnect", reason, data]);
    },
    datagram: (address, packet) => {
      events.push(["datagram", address.hostname, packet.text()]);
    },
  });
  await using client = await Host.create();
  const peer = await client.connect(server.address, { data: 0xFFFFFFFF });
  peer.send(0, new Uint8Array(0));
  peer.send(0, new Uint8Array([1, 2, 3]));
  peer.send(0, new Uint8Array(200_000).fill(7)); // more than travels in the arena
  await withDeadline(peer.deliver(0, new Uint8Array([4])), ms, "the last message");
  await peer.disconnect(0x80000000);
  await until(() => events.length === 6, ms, "the disconnect event");
  client.sendDatagram(server.address, "hello");
  await until(() => events.length === 7, ms, "the datagram");
  assert.deepEqual(events, [
    ["connect", 0xFFFFFFFF],
    ["receive", 0, 0, undefined],
    ["receive", 0, 3, 3],
    ["receive", 0, 200_000, 7],
    ["receive", 0, 1, 4],
    ["disconnect", "remote", 0x80000000],
    ["datagram", "127.0.0.1", "hello"],
  ]);
  assert.equal(peers.size, 1);
});

test("A handler may be absent, and its events go nowhere", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ serverHandlers: {} });
  await withDeadline(pair.peer.deliver(0, "unheard"), ms, "a delivery");
  await pair.peer.disconnect();
  await until(() => pair.remote.state === "disconnected", ms, "the end");
});

test("Handlers that are no functions and unknown ones are TypeErrors", async (t) => {
  await leakCheck(t);
  const wrong = [{ receive: 1 }, { connect: "f" }, { message() {} }, [], null, "handlers"];
  for (const handlers of wrong) {
    await assert.rejects(Host.create({}, handlers as never), TypeError);
  }
});

for (const length of [20, 600, 100_000]) {
  test(`A packet of ${length} bytes is refused once its handler has returned`, async (t) => {
    await leakCheck(t);
    const late = Promise.withResolvers<Packet>();
    const taken: Uint8Array[] = [];
    await using pair = await connectedPair({
      serverHandlers: {
        async receive(_peer, _channelId, packet) {
          taken.push(packet.bytes);
          await null;
          late.resolve(packet);
        },
      },
    });
    pair.peer.send(0, new Uint8Array(length).fill(7));
    const packet = await withDeadline(late.promise, ms, "the handler");
    const released = {
      code: "ENETJS_ERR_RELEASED",
      message: /its handler returned: take packet\.bytes before you wait, or packet\.retain\(\)/,
    };
    for (const name of ["bytes", "view", "arrayBuffer", "pointer"] as const) {
      assert.throws(() => packet[name], released, name);
    }
    assert.throws(() => packet.text(), released);
    assert.throws(() => packet.retain(), released);
    assert.throws(() => pair.remote.send(0, packet), released);
    assert.throws(() => pair.server.broadcast(0, packet), released);
    assert.equal(packet.length, length);
    assert.deepEqual(taken, [new Uint8Array(length).fill(7)]);
  });
}

test("A handler that closes its host learns why its packet is gone", async (t) => {
  await leakCheck(t);
  const said = Promise.withResolvers<unknown>();
  await using pair = await connectedPair({
    serverHandlers: {
      receive(_peer, _channelId, packet) {
        const { view } = packet;
        pair.server[Symbol.dispose]();
        if (view.length > 0) assert.equal(view[0], 120);
        try {
          packet.text();
        } catch (error) {
          said.resolve(error);
        }
      },
    },
  });
  pair.peer.send(0, "x".repeat(1000));
  const error = await withDeadline(said.promise, ms, "the handler") as Error;
  assert.match(error.message, /borrowed until its host was closed/);
});

test("A handler's packet can be looked at and sent on from within the handler", async (t) => {
  await leakCheck(t);
  const echoes: number[] = [];
  await using pair = await connectedPair({
    serverHandlers: { receive: (peer, channelId, packet) => void peer.send(channelId, packet) },
    clientHandlers: {
      receive: (_peer, _channelId, { view }) => {
        assert.ok(view.every((byte) => byte === view.length % 256));
        echoes.push(view.length);
      },
    },
  });
  const lengths = [1, 100, 1400, 10_000, 65_536, 65_537, 300_000];
  for (const length of lengths) {
    pair.peer.send(0, new Uint8Array(length).fill(length % 256));
  }
  await until(() => echoes.length === lengths.length, ms, "the echoes");
  assert.deepEqual(echoes, lengths);
});

test("Iterating over a peer takes its messages away from handlers, and gives them back", async (t) => {
  await leakCheck(t);
  const handled: number[] = [];
  await using pair = await connectedPair({
    clientHandlers: { receive: (_peer, _channelId, packet) => void handled.push(packet.view[0]) },
  });
  const { peer, remote } = pair;
  await withDeadline(remote.deliver(0, new Uint8Array([0])), ms, "a delivery");
  await until(() => handled.length === 1, ms, "the first message");
  const taken: number[] = [];
  const messages = peer[Symbol.asyncIterator]();
  sendNumbers(remote, 1, 9);
  await withDeadline(remote.deliver(0, new Uint8Array([10])), ms, "a delivery");
  for (let i = 0; i < 5; i++) {
    const { value } = await withDeadline(messages.next(), ms, "a message");
    taken.push(value.packet.bytes[0]);
  }
  assert.deepEqual(handled, [0]);
  await messages.return!();
  sendNumbers(remote, 11, 12);
  await until(() => handled.length === 8, ms, "the rest");
  assert.deepEqual(taken, range(1, 5));
  assert.deepEqual(handled, [0, ...range(6, 12)]);
});

test("A host with handlers cannot be iterated over", async (t) => {
  await leakCheck(t);
  await using host = await Host.create({}, {});
  assert.throws(() => host[Symbol.asyncIterator](), TypeError);
});

// Handlers of a live host.

test("host.handlers takes over what has waited, in order, and can be replaced", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, peer } = pair;
  assert.equal(server.handlers, undefined);
  sendNumbers(peer, 1, 3);
  await withDeadline(peer.deliver(0, new Uint8Array([4])), ms, "a delivery");
  const seen: string[] = [];
  const late: Packet[] = [];
  const version = (name: string): HostHandlers => ({
    connect: () => void seen.push(`${name} connect`),
    receive(_peer, _channelId, packet) {
      late.push(packet);
      seen.push(`${name} ${packet.view[0]}`);
      if (packet.view[0] === 5) server.handlers = second;
    },
    disconnect: () => void seen.push(`${name} disconnect`),
  });
  const [first, second] = [version("first"), version("second")];
  server.handlers = first;
  assert.equal(server.handlers, first);
  assert.equal(seen.length, 0, "handlers are not called within the assignment");
  sendNumbers(peer, 5, 7);
  await peer.disconnectLater();
  await until(() => seen.includes("second disconnect"), ms, "the disconnect event");
  assert.deepEqual(seen, [
    "first connect",
    ...range(1, 5).map((number) => `first ${number}`),
    "second 6",
    "second 7",
    "second disconnect",
  ]);
  for (const packet of late) {
    assert.throws(() => packet.bytes, { code: "ENETJS_ERR_RELEASED", message: /handler returned/ });
  }
});

test("host.handlers without receive leaves messages to those who take them later", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { server, peer } = pair;
  sendNumbers(peer, 1, 2);
  await withDeadline(peer.deliver(0, new Uint8Array([3])), ms, "a delivery");
  const connected = Promise.withResolvers<Peer>();
  server.handlers = { connect: connected.resolve };
  assert.equal(await withDeadline(connected.promise, ms, "the connect event"), pair.remote);
  const seen: number[] = [];
  server.handlers = { receive: (_peer, _channelId, packet) => void seen.push(packet.view[0]) };
  await until(() => seen.length === 3, ms, "the messages");
  assert.deepEqual(seen, [1, 2, 3]);
});

for (const receive of [undefined, () => {}]) {
  const kind = receive === undefined ? "without" : "with";
  test(`A connect handler ${kind} receive that closes the host leaves each its disconnect event`, async (t) => {
    await leakCheck(t);
    await using server = await Host.listen({ hostname: "127.0.0.1" });
    await using client = await Host.create();
    const peers: Peer[] = [];
    for (const _ of [1, 2]) {
      const peer = await withDeadline(client.connect(server.address), ms, "a connection");
      peers.push(await until(() => server.peers[0], ms, "the server's peer"));
      await peer.disconnect(7);
      await withDeadline(peers.at(-1)!.closed, ms, "the end");
    }
    // Both connections have come and gone; all four events wait.
    const seen: string[] = [];
    server.handlers = {
      receive,
      connect(peer) {
        seen.push(`connect ${peers.indexOf(peer)}`);
        void server.close({ graceMs: 0 });
      },
      disconnect: (peer, reason, data) =>
        void seen.push(`disconnect ${peers.indexOf(peer)} ${reason} ${data}`),
    };
    const told = () => seen.some((event) => event.startsWith("disconnect"));
    await until(told, ms, "the disconnect event");
    assert.deepEqual(seen, ["connect 0", "disconnect 0 remote 7"]);
  });
}

for (const pump of [true, false]) {
  const how = pump ? "iteration" : "service()";
  test(`host.handlers = undefined hands events to ${how} again`, async (t) => {
    await leakCheck(t);
    await using server = await Host.listen({ hostname: "127.0.0.1", pump });
    await using client = await Host.create();
    const seen: string[] = [];
    const handlers: HostHandlers = {
      receive(_peer, _channelId, packet) {
        seen.push(`handler ${packet.view[0]}`);
        if (packet.view[0] === 2) server.handlers = undefined;
        if (packet.view[0] === 2) assert.throws(() => server.service(), { name: "TypeError" });
      },
    };
    server.handlers = handlers;
    const connecting = client.connect(server.address);
    const service = () => {
      const event = pump ? null : server.service();
      if (event?.type === "receive") seen.push(`event ${event.packet.view[0]}`);
    };
    const serving = setInterval(service, 1);
    t.after(() => clearInterval(serving));
    const peer = await withDeadline(connecting, ms, "the connection");
    const last = (number: number) => seen.at(-1)?.endsWith(` ${number}`);
    sendNumbers(peer, 1, 4);
    if (pump) {
      await until(() => last(2), ms, "the second message");
      for await (const event of server) {
        if (event.type !== "receive") continue;
        assert.throws(() => server.handlers = handlers, {
          name: "TypeError",
          message: /iterated over/,
        });
        seen.push(`event ${event.packet.view[0]}`);
        if (last(4)) break;
      }
    }
    await until(() => last(4), ms, "the fourth message");
    server.handlers = { receive: (_peer, _id, packet) => void seen.push(`new ${packet.view[0]}`) };
    sendNumbers(peer, 5, 5);
    await until(() => last(5), ms, "the fifth message");
    assert.deepEqual(seen, ["handler 1", "handler 2", "event 3", "event 4", "new 5"]);
  });
}

test("host.handlers refuses what is no handler, and a closed host", async (t) => {
  await leakCheck(t);
  await using host = await Host.create();
  const set = (handlers: unknown) => () => host.handlers = handlers as HostHandlers;
  for (const wrong of [{ packet() {} }, { receive: 5 }, null, 5]) {
    assert.throws(set(wrong), { name: "TypeError" });
  }
  assert.equal(host.handlers, undefined);
  await host.close();
  assert.throws(set({}), { code: "ENETJS_ERR_CLOSED" });
});

// Peers.

test("peer.id names one connection, peer.host its host, and peer.data has a type", async (t) => {
  await leakCheck(t);
  interface Player {
    score: number;
  }
  const scores: number[] = [];
  await using server = await Host.listen<Player>({ hostname: "127.0.0.1", peers: 1 }, {
    connect: (peer) => void (peer.data = { score: 0 }),
    receive: (peer) => void peer.data.score++,
    disconnect: (peer) => void scores.push(peer.data.score),
  });
  await using client = await Host.create<string>({ peers: 1 });
  for (let i = 1; i <= 3; i++) {
    const peer = await client.connect(server.address);
    const name: string = peer.data = `client ${i}`;
    assert.equal(peer.data, name);
    assert.equal(peer.id, i);
    assert.equal(peer.host, client);
    const remote = await until(() => server.peers[0], ms, "the connect event");
    assert.equal(remote.id, i);
    assert.equal(remote.host, server);
    await peer.deliver(0, "a point");
    await peer.disconnect();
    await until(() => scores.length === i, ms, "the disconnect event");
    assert.equal(peer.id, i);
  }
  assert.deepEqual(scores, [1, 1, 1]);
});

test("peer.roundTripTime and peer.queuedBytes are those of peer.stats, and 0 after the end", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer } = pair;
  assert.equal(peer.roundTripTime, peer.stats.roundTripTimeMs);
  peer.send(0, new Uint8Array(1000));
  assert.equal(peer.queuedBytes, peer.stats.queuedBytes);
  assert.ok(peer.queuedBytes >= 1000);
  await peer.disconnect();
  assert.deepEqual([peer.queuedBytes, peer.roundTripTime], [0, 0]);
  await pair.client.close();
  assert.deepEqual([peer.queuedBytes, peer.roundTripTime], [0, 0]);
});

// Iterating.

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

/** A ring that is full after a few events. */
const TINY = { eventCapacity: 16, arenaSize: 4096 };

test("A peer loop inside a host loop does not deadlock while other peers talk", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1", ...TINY });
  await using client = await Host.create();
  await using noise = await Host.create();
  const others = [await noise.connect(server.address), await noise.connect(server.address)];
  const peer = await client.connect(server.address);
  peer.send(0, "begin");
  const flood = () => {
    for (const other of others) {
      for (let i = 0; i < 500; i++) other.send(0, new Uint8Array(200));
    }
  };
  flood();
  const replies: number[] = [];
  let noises = 0;
  const loop = async () => {
    for await (const event of server) {
      if (event.type !== "receive") continue;
      if (event.packet.length === 200) noises++;
      else {
        assert.equal(event.packet.text(), "begin");
        flood();
        event.peer.send(0, "go on");
        for await (const { packet } of event.peer) {
          replies.push(packet.bytes[0]);
          if (replies.length === 50) break;
        }
      }
      if (replies.length === 50 && noises === 2000) return;
    }
  };
  const talk = (async () => {
    for await (const { packet } of peer) {
      assert.equal(packet.text(), "go on");
      sendNumbers(peer, 1, 50);
      return;
    }
  })();
  await withDeadline(Promise.all([loop(), talk]), ms, "the nested loops");
  assert.deepEqual(replies, range(1, 50));
});

/** Waits for everything one can wait for inside a host loop. */
async function waitInsideLoop(): Promise<void> {
  await using server = await Host.listen({ hostname: "127.0.0.1", highWaterMark: 1000, ...TINY });
  await using silent = await Host.listen({ hostname: "127.0.0.1" });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  const leaver = await client.connect(server.address);
  leaver.send(0, "leaver");
  await leaver.deliver(0, "leaver");
  for (let i = 0; i < 2000; i++) peer.send(0, new Uint8Array(100).fill(i % 251));
  const steps: string[] = [];
  let received = 0;
  let leaving: Peer | undefined;
  const loop = async () => {
    for await (const event of server) {
      if (event.type === "receive" && event.packet.length === 6) leaving = event.peer;
      if (event.type !== "receive" || event.packet.length !== 100) continue;
      assert.equal(event.packet.view[99], received % 251);
      const remote = event.peer;
      // Wait until the ring is full and more is held behind it.
      if (received === 0) await until(() => server.stats.heldEvents > 0, ms, "a full ring");
      switch (received++) {
        case 0:
          await remote.deliver(0, "to be acknowledged");
          steps.push("deliver");
          break;
        case 1:
          while (remote.send(0, new Uint8Array(500)));
          await remote.drain();
          steps.push("drain");
          break;
        case 2: {
          const own = await server.connect(silent.address);
          steps.push("connect");
          await own.disconnect();
          steps.push("disconnect own");
          break;
        }
        case 3:
          await leaving!.disconnect();
          steps.push("disconnect");
          break;
        case 4:
          await event.peer.disconnectLater();
          steps.push("disconnectLater");
          break;
      }
      assert.equal(event.packet.view[99], (received - 1) % 251, "still borrowed after waiting");
      if (received === 5) break;
    }
  };
  await withDeadline(loop(), ms, "the loop").catch((error) => {
    throw new Error(`${error.message}, after ${steps}`);
  });
  assert.deepEqual(steps, [
    "deliver",
    "drain",
    "connect",
    "disconnect own",
    "disconnect",
    "disconnectLater",
  ]);
  // Everything that had arrived is still there, and so are the ends.
  const rest: HostEvent["type"][] = [];
  for await (const event of server) {
    rest.push(event.type);
    if (rest.filter((type) => type === "disconnect").length === 3) break;
  }
  assert.ok(rest.includes("connect"));
}

test("Promises awaited inside a host loop with a full ring do not deadlock", async (t) => {
  await leakCheck(t);
  for (let i = 0; i < 5; i++) await waitInsideLoop();
});

/**
 * Has a client connect and be busy until a message of the server is behind its connect event.
 *
 * @param server a host without a pump
 */
async function connectWhileBusy(server: Host, client: Host<string>, log: string[]): Promise<void> {
  const open = async () => await client.connect(server.address);
  const connecting = open().then((peer) => {
    peer.data = "set";
    log.push("connected");
  });
  await new Promise((resolve) => setTimeout(resolve)); // The host name is resolved now.
  for (const end = performance.now() + ms; performance.now() < end;) {
    server.service();
    const [remote] = server.peers;
    if (remote !== undefined && remote.queuedBytes === 0) break;
  }
  await connecting;
}

test("After host.connect() the program goes on before handlers get messages", async (t) => {
  await leakCheck(t);
  using server = await Host.listen({ hostname: "127.0.0.1", pump: false }, {
    connect: (peer) => void peer.send(0, "hi"),
  });
  const log: string[] = [];
  using client = await Host.create<string>({ stallLimitMs: 1 }, {
    connect: () => void log.push("connect handler"),
    receive: (peer, _channelId, packet) => void log.push(`${packet.text()}, data ${peer.data}`),
  });
  await connectWhileBusy(server, client, log);
  await until(() => log.length === 3, ms, "the message");
  assert.deepEqual(log, ["connect handler", "connected", "hi, data set"]);
  assert.equal(client.stats.connectedPeers, 1);
});

test("After host.connect() the program goes on before a loop gets messages", async (t) => {
  await leakCheck(t);
  using server = await Host.listen({ hostname: "127.0.0.1", pump: false }, {
    connect: (peer) => void peer.send(0, "hi"),
  });
  const log: string[] = [];
  using client = await Host.create<string>({ stallLimitMs: 1 });
  const loop = async () => {
    for await (const event of client) {
      if (event.type !== "receive") continue;
      log.push(`${event.packet.text()}, data ${event.peer.data}`);
      break;
    }
  };
  const looping = loop();
  await connectWhileBusy(server, client, log);
  await withDeadline(looping, ms, "the message");
  assert.deepEqual(log, ["connected", "hi, data set"]);
});

test("Handlers that are taken away do not keep host.connect() waiting", async (t) => {
  await leakCheck(t);
  await using server = await Host.listen({ hostname: "127.0.0.1" });
  await using client = await Host.create({}, {
    connect: () => void (client.handlers = undefined),
  });
  const peer = await withDeadline(client.connect(server.address), ms, "the connection");
  assert.equal(peer.state, "connected");
});

test("Messages stay in order when a handler puts one with receive in place", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ server: { datagrams: true } });
  const { server, client, peer } = pair;
  const got: string[] = [];
  const taking: HostHandlers = {
    receive: (_peer, _channelId, packet) => void got.push(packet.text()),
  };
  server.handlers = { datagram: () => void (server.handlers = taking) };
  for (let i = 0; i < 100; i++) {
    peer.send(0, String(i));
    client.flush();
    if (i === 50) client.sendDatagram(server.address, "swap");
  }
  await until(() => got.length === 100, ms, "100 messages");
  assert.deepEqual(got, Array.from({ length: 100 }, (_, i) => String(i)));
});
