import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type HostHandlers, type Packet, type Peer } from "../../mod.ts";
import {
  connectedPair,
  leakCheck,
  showsWhereItThrew,
  spawnRuntime,
  until,
  withDeadline,
} from "../_helpers.ts";
import { ms, range, runtime, sendNumbers } from "./_handlers.ts";

test("What handlers throw and reject surfaces as uncaught, and events go on", async () => {
  await using program = spawnRuntime(runtime, "throwing.ts");
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "throwing.ts");
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
  const { code, stderr } = await withDeadline(program.ended, 60_000, "throwing.ts");
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
  await until(
    () => {
      client.sendDatagram(server.address, "hello"); // UDP may lose one
      return events.length >= 7;
    },
    ms,
    "the datagram",
  );
  assert.deepEqual(events.slice(0, 7), [
    ["connect", 0xFFFFFFFF],
    ["receive", 0, 0, undefined],
    ["receive", 0, 3, 3],
    ["receive", 0, 200_000, 7],
    ["receive", 0, 1, 4],
    ["disconnect", "remote", 0x80000000],
    ["datagram", "127.0.0.1", "hello"],
  ]);
  for (const again of events.slice(7)) assert.deepEqual(again, events[6]);
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
  assert.throws(() => host[Symbol.asyncIterator](), {
    name: "TypeError",
    message: /host\.handlers = undefined/,
  });
});

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
