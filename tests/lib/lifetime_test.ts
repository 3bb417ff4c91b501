import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { type Diagnostics, diagnostics, Host, type Packet, type Peer } from "../../mod.ts";
import {
  connectedPair,
  currentRuntime,
  leakCheck,
  spawnRuntime,
  until,
  withDeadline,
} from "../_helpers.ts";

const runtime = currentRuntime();
const collectable: Record<typeof runtime, readonly string[]> = {
  deno: ["--v8-flags=--expose-gc"],
  bun: [],
  node: ["--expose-gc"],
};

/** How many entries a folder of /proc has; 0 where there is none. */
function entries(folder: string): number {
  return existsSync(folder) ? readdirSync(folder).length : 0;
}

/** Opens two hosts, has one message echoed and another one on the way, and closes them. */
async function cycle(): Promise<void> {
  await using server = await Host.listen({ hostname: "127.0.0.1", peers: 4 }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  peer.send(0, "hello");
  for await (const { packet } of peer) {
    assert.equal(packet.text(), "hello");
    break;
  }
  peer.send(1, "on the way");
}

test("500 cycles of opening and closing leave nothing behind", async (t) => {
  await leakCheck(t);
  const WARM_UP = 200;
  const cycles = async (count: number) => {
    for (let i = 0; i < count; i++) await withDeadline(cycle(), 10_000, `cycle ${i}`);
  };
  await cycles(WARM_UP);
  const descriptors = entries("/proc/self/fd");
  const threads = entries("/proc/self/task");
  const { rss } = process.memoryUsage();
  const { reservedBytes } = await diagnostics();
  await cycles(500 - WARM_UP);
  await until(
    () => entries("/proc/self/fd") <= descriptors,
    20_000,
    `descriptors back from ${entries("/proc/self/fd")} to ${descriptors}`,
  );
  await until(
    () => entries("/proc/self/task") <= threads + 2,
    20_000,
    `threads back from ${entries("/proc/self/task")} to ${threads}`,
  );
  const grown = (process.memoryUsage().rss - rss) / 2 ** 20;
  t.diagnostic?.(`rss grew by ${grown.toFixed(1)} MiB`);
  assert.ok(grown < 100, `rss grew by ${grown.toFixed(1)} MiB`);
  const reserved = (await diagnostics()).reservedBytes - reservedBytes;
  assert.ok(reserved <= 2 ** 20, `${reserved} bytes more are reserved`);
});

test("Host.close() resolves during traffic in both directions", async (t) => {
  await leakCheck(t);
  const echoes = Promise.withResolvers<void>();
  let count = 0;
  const reply = (peer: Peer, channelId: number, packet: Packet) => {
    if (++count === 1000) echoes.resolve();
    if (peer.state === "connected") peer.send(channelId, packet);
  };
  await using pair = await connectedPair({
    serverHandlers: { receive: reply },
    clientHandlers: { receive: reply },
  });
  for (let i = 0; i < 100; i++) pair.peer.send(i % 2, new Uint8Array(i * 50));
  await withDeadline(echoes.promise, 10_000, "echoes");
  await withDeadline(
    Promise.all([pair.client.close(), pair.server.close()]),
    10_000,
    "closing both",
  );
  assert.equal(pair.client.closed, true);
  assert.equal(pair.server.closed, true);
});

test("Host.close() delivers what is queued before it resolves", async (t) => {
  await leakCheck(t);
  let received = 0;
  await using pair = await connectedPair({
    serverHandlers: { receive: () => void received++ },
  });
  for (let i = 0; i < 5000; i++) pair.peer.send(0, new Uint8Array(200));
  await pair.client.close({ graceMs: 10_000 });
  await until(() => received === 5000, 20_000, "5,000 messages");
});

test("Host.close() frees what has arrived and nobody has taken", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ server: { eventCapacity: 16 } });
  const events = pair.server[Symbol.asyncIterator]();
  assert.equal((await withDeadline(events.next(), 20_000, "an event")).value.type, "connect");
  // Too large for the arena; small ones of another channel would overtake them, and fill the ring.
  for (let i = 0; i < 50; i++) pair.peer.send(0, new Uint8Array(100_000));
  await withDeadline(pair.peer.deliver(0, "the last"), 10_000, "a delivery");
  for (let i = 0; i < 50; i++) pair.peer.send(1, new Uint8Array(1000));
  await withDeadline(pair.peer.deliver(1, "the last"), 10_000, "a delivery");
  await until(async () => (await diagnostics()).packets > 0, 20_000, "packets in the ring");
  await pair.server.close();
  assert.equal((await diagnostics()).packets, 0);
});

test("Host.close() gives up after graceMs when nobody answers", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ server: { filter: {} } });
  pair.server.filter = { deny: ["127.0.0.1"] };
  pair.peer.send(0, "into the void");
  await withDeadline(pair.client.close({ graceMs: 50 }), 20_000, "closing");
  assert.equal(pair.client.closed, true);
});

test("Host.close() can be called again, during and after", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const first = pair.client.close();
  const second = pair.client.close({ graceMs: 0 });
  await Promise.all([first, second]);
  await pair.client.close();
  pair.client[Symbol.dispose]();
  await pair.client[Symbol.asyncDispose]();
  assert.equal(pair.client.closed, true);
});

test("Host[Symbol.dispose]() ends a close that is under way", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  pair.server.filter = { deny: ["127.0.0.1"] };
  const closing = pair.client.close({ graceMs: 60_000 });
  pair.client[Symbol.dispose]();
  assert.equal(pair.client.closed, true);
  await withDeadline(closing, 20_000, "the close under way");
});

test("Host[Symbol.dispose]() tells the other side", async (t) => {
  await leakCheck(t);
  const reason = Promise.withResolvers<string>();
  await using pair = await connectedPair({
    serverHandlers: { disconnect: (_peer, why) => reason.resolve(why) },
  });
  {
    using client = pair.client;
    assert.equal(client.closed, false);
  }
  assert.equal(pair.client.closed, true);
  assert.equal(await withDeadline(reason.promise, 20_000, "the disconnect event"), "remote");
});

test("Host.close() and dispose can be called from within a handler", async (t) => {
  await leakCheck(t);
  for (const end of ["close", "dispose"] as const) {
    const ended = Promise.withResolvers<void>();
    let after = 0;
    await using server = await Host.listen({ hostname: "127.0.0.1" }, {
      receive: () => {
        if (server.closed) after++;
        if (end === "dispose") {
          server[Symbol.dispose]();
          ended.resolve();
        } else {
          server.close().then(() => ended.resolve(), ended.reject);
        }
      },
    });
    await using client = await Host.create();
    const peer = await client.connect(server.address);
    for (let i = 0; i < 10; i++) peer.send(0, "stop");
    await withDeadline(ended.promise, 30_000, end);
    assert.equal(server.closed, true);
    assert.equal(after, 0, "no event comes once the host is closed");
  }
});

test("Host.close() and dispose can be called from within a for-await body", async (t) => {
  await leakCheck(t);
  for (const end of ["close", "dispose", "close without await"] as const) {
    await using pair = await connectedPair();
    for (let i = 0; i < 10; i++) pair.peer.send(0, "stop");
    let packet: Packet | undefined;
    const loop = async () => {
      for await (const event of pair.server) {
        if (event.type !== "receive") continue;
        packet = event.packet;
        if (end === "close") await pair.server.close();
        else if (end === "dispose") pair.server[Symbol.dispose]();
        else void pair.server.close();
      }
    };
    await withDeadline(loop(), 30_000, end);
    assert.equal(pair.server.closed, true);
    assert.throws(() => packet?.bytes, { code: "ENETJS_ERR_RELEASED" });
  }
});

test("Host.close() ends iterations and promises that wait", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  await using silent = await Host.listen({
    hostname: "127.0.0.1",
    filter: { deny: ["127.0.0.1"] },
  });
  const { client, peer, server } = pair;
  server.filter = { deny: ["127.0.0.1"] };
  const events: string[] = [];
  const hostEvents = (async () => {
    for await (const { type } of client) events.push(type);
  })();
  await until(() => events.length > 0, 20_000, "the connect event");
  const peerMessages = Array.fromAsync(peer);
  const delivery = assert.rejects(peer.deliver(0, "into the void"), {
    code: "ENETJS_ERR_UNDELIVERED",
  });
  const connecting = assert.rejects(client.connect(silent.address), {
    code: "ENETJS_ERR_CLOSED",
  });
  const disconnecting = peer.disconnect();
  const { totalSentPackets } = client.stats;
  await until(
    () => client.stats.totalSentPackets > totalSentPackets,
    20_000,
    "an attempt to connect",
  );
  client[Symbol.dispose]();
  const all = Promise.all([hostEvents, peerMessages, delivery, connecting, disconnecting]);
  const [, messages] = await withDeadline(all, 20_000, "everybody who waits");
  assert.deepEqual(events, ["connect", "disconnect"]);
  assert.deepEqual(messages, []);
});

for (const end of ["close", "dispose"] as const) {
  test(`An iteration over a host ends by ${end}, beside one over its peer`, async (t) => {
    await leakCheck(t);
    await using pair = await connectedPair();
    const { client, peer } = pair;
    const events: string[] = [];
    const hostEvents = (async () => {
      for await (const { type } of client) events.push(type);
    })();
    await until(() => events.length > 0, 20_000, "the connect event");
    const peerMessages = Array.fromAsync(peer);
    if (end === "close") void client.close({ graceMs: 0 });
    else client[Symbol.dispose]();
    await withDeadline(Promise.all([hostEvents, peerMessages]), 20_000, "both iterations");
    assert.deepEqual(events, ["connect", "disconnect"]);
  });
}

test("A closed host refuses to connect, sends nothing and keeps its address", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, peer, server } = pair;
  const { address } = server;
  const own = client.address;
  await client.close();
  const closed = { name: "ENetError", code: "ENETJS_ERR_CLOSED" };

  await assert.rejects(client.connect(address), closed);
  assert.equal(client.broadcast(0, "late"), 0);
  client.flush();
  assert.equal(client.service(1000), null);
  assert.equal(client.sendDatagram(address, "late"), false);
  assert.deepEqual(client.address, own);
  assert.equal(client.stats.connectedPeers, 0);
  assert.ok(client.stats.totalSentPackets > 0);
  const settings = {
    incomingBandwidth: 1,
    outgoingBandwidth: 1,
    channels: 1,
    compression: "range-coder",
    checksum: "crc32",
    mtu: 1000,
    duplicatePeers: 1,
    maximumPacketSize: 1,
    maximumWaitingData: 1,
    maximumHostData: 100_000_000,
    receiveBufferSize: 65536,
    sendBufferSize: 65536,
    stallLimitMs: 1,
    highWaterMark: 1,
    datagrams: true,
    filter: { deny: ["10.0.0.0/8"] },
  } as const;
  for (const [name, value] of Object.entries(settings)) {
    const before = Reflect.get(client, name);
    assert.throws(() => Reflect.set(client, name, value), closed, name);
    assert.deepEqual(Reflect.get(client, name), before, name);
  }
  assert.equal(client.closed, true);
  assert.deepEqual(client.peers, []);
  client.ref();
  client.unref();
  assert.deepEqual(await client[Symbol.asyncIterator]().next(), { value: undefined, done: true });

  assert.equal(peer.state, "disconnected");
  assert.deepEqual(peer.address, address);
  assert.equal(peer.channelCount, 2);
  assert.equal(peer.stats.state, "disconnected");
  assert.equal(peer.send(0, "late"), false);
  peer.reset();
  peer.ping();
  peer.pingInterval(100);
  peer.timeout({});
  peer.throttle({});
  await assert.rejects(peer.deliver(0, "late"), closed);
  await assert.rejects(peer.drain(), closed);
  await peer.disconnect();
  await peer.disconnectLater();
  peer.disconnectNow();
  assert.deepEqual(await peer[Symbol.asyncIterator]().next(), { value: undefined, done: true });
});

test("Two hosts of one process do not disturb each other", async (t) => {
  await leakCheck(t);
  await using one = await connectedPair();
  await using two = await connectedPair();
  await one.server.close();
  assert.equal(one.server.closed, true);
  await withDeadline(two.peer.deliver(0, "still there"), 20_000, "the other host's delivery");
  for await (const event of two.server) {
    if (event.type !== "receive") continue;
    assert.equal(event.packet.text(), "still there");
    break;
  }
});

test("What waits for a reader that was dropped counts no more once it is collected", async () => {
  const flags = collectable[runtime];
  await using program = spawnRuntime(runtime, "readers_dropped.ts", [], { flags });
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "readers_dropped.ts");
  assert.equal(code, 0, stderr);
  const left = Number(stdout.match(/^left (.*)$/m)![1]);
  assert.ok(left <= 200_000, stdout);
});

test("Hosts that are dropped without being closed are collected", async () => {
  const flags = collectable[runtime];
  await using program = spawnRuntime(runtime, "dropped.ts", [], { flags });
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "dropped.ts");
  assert.equal(code, 0, stderr);
  const left: Diagnostics = JSON.parse(stdout.match(/^left (.*)$/m)![1]);
  const nothing: Diagnostics = {
    packetsEver: 0,
    hosts: 0,
    pumps: 0,
    packets: 0,
    allocations: 0,
    allocatedBytes: 0,
    reservedBytes: 0,
    channels: 0,
    channelBytes: 0,
    plugins: 0,
  };
  assert.deepEqual({ ...left, packetsEver: 0, reservedBytes: 0 }, nothing);
});

test("Hosts that somebody waits for are not collected", async () => {
  const flags = collectable[runtime];
  await using program = spawnRuntime(runtime, "kept.ts", [], { flags });
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "kept.ts");
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "kept\n");
});

const exits: Record<string, { code: number; stderr?: RegExp }> = {
  "close": { code: 0 },
  "dispose": { code: 0 },
  "unref": { code: 0 },
  "exit": { code: 7 },
  "exit in a handler": { code: 7 },
  "throw": { code: 1, stderr: /thrown on purpose/ },
  "reject": { code: 1, stderr: /rejected on purpose/ },
};
for (const [way, expected] of Object.entries(exits)) {
  test(`A process with traffic ends cleanly by ${way}`, async () => {
    await using program = spawnRuntime(runtime, "exit.ts", [way]);
    const end = await withDeadline(program.ended, 60_000, way);
    assert.equal(end.signal, null, end.stderr);
    assert.equal(end.code, expected.code, end.stderr);
    assert.equal(end.stdout, "ready\n");
    assert.match(end.stderr, expected.stderr ?? /^$/);
  });
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`A process with traffic ends by ${signal}`, async () => {
    await using program = spawnRuntime(runtime, "exit.ts", ["wait"]);
    await program.line("ready");
    program.process.kill(signal);
    const end = await withDeadline(program.ended, 60_000, signal);
    assert.equal(end.signal, signal, `${end.code} ${end.stderr}`);
    assert.equal(end.stderr, "");
  });
}

test("Workers that are terminated mid-traffic leave no host and no thread behind", async () => {
  const { packets } = await diagnostics();
  let echoed = 0;
  await using host = await Host.listen({ hostname: "127.0.0.1" }, {
    receive: (peer, channelId, packet) => {
      echoed++;
      peer.send(channelId, packet);
    },
  });
  const { hosts, pumps } = await diagnostics();
  const before = entries("/proc/self/fd");
  for (let i = 0; i < 20; i++) {
    const worker = new Worker(new URL("../programs/worker.ts", import.meta.url), {
      workerData: { port: host.address.port },
    });
    const ready = Promise.withResolvers<unknown>();
    worker.once("message", ready.resolve);
    worker.once("error", ready.reject);
    assert.equal(await withDeadline(ready.promise, 20_000, `worker ${i}`), "ready");
    assert.equal((await diagnostics()).hosts, hosts + 3);
    await withDeadline(worker.terminate(), 20_000, `the end of worker ${i}`);
    const gone = async () => {
      const now = await diagnostics();
      return now.hosts === hosts && now.pumps === pumps;
    };
    await until(gone, 10_000, `the hosts of worker ${i} gone`);
  }
  assert.ok(echoed >= 20);
  const descriptors = entries("/proc/self/fd") - before;
  // What the runtime itself keeps open after its first Worker may stay.
  assert.ok(descriptors < 20, `${descriptors} descriptors more after 20 workers`);
  await using client = await Host.create();
  const peer = await client.connect(host.address);
  await withDeadline(
    peer.deliver(0, "still there"),
    20_000,
    "a delivery to the main thread's host",
  );
  // The large packet that a worker's handler was looking at, whose buffer it might have given away.
  const left = async () => (await diagnostics()).packets - packets;
  await until(
    async () => await left() <= 20,
    20_000,
    "no more than one packet of each worker left",
  );
});
