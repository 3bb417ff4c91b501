import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, type HostEvent, type Peer } from "../../mod.ts";
import { leakCheck, until, withDeadline } from "../_helpers.ts";
import { ms, range, sendNumbers } from "./_handlers.ts";

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
  await until(() => client.address.port > 0, ms, "the CONNECT to leave");
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

for (const consumer of ["handlers", "an iteration"]) {
  test(`A host that was serviced once gives ${consumer} messages behind the code that waits`, async (t) => {
    await leakCheck(t);
    await using server = await Host.listen({ hostname: "127.0.0.1" });
    await using client = await Host.create();
    assert.equal(server.service(), null);
    const got: string[] = [];
    const connected = Promise.withResolvers<Peer>();
    const take = (event: HostEvent) => {
      if (event.type === "connect") connected.resolve(event.peer);
      else if (event.type === "receive") got.push(event.packet.text());
    };
    if (consumer === "handlers") {
      server.handlers = {
        connect: connected.resolve,
        receive: (peer, channelId, packet) => take({ type: "receive", peer, channelId, packet }),
      };
    } else {
      (async () => {
        for await (const event of server) take(event);
      })();
    }
    const peer = await client.connect(server.address);
    const remote = await withDeadline(connected.promise, ms, "the connect event");
    for (let round = 0; round < 20; round++) {
      const login = remote.receive();
      for (let i = 0; i < 5; i++) peer.send(0, "later");
      await withDeadline(login, ms, "the login");
      got.push("login");
      await until(() => got.length === 5 * (round + 1), ms, "the other messages");
      assert.equal(got[5 * round], "login", `round ${round}`);
    }
  });
}
