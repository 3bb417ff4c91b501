/**
 * The tutorial of npm's `enet`, from top to bottom, with `Buffer.from` for `new Buffer`.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createReadStream, createWriteStream } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import * as enet from "../../../lib/compat/mod.ts";
import { addressOf, next } from "./_compat.ts";
import { leakCheck, withDeadline } from "../../_helpers.ts";

test("The tutorial of npm's enet works from top to bottom", async (t) => {
  await leakCheck(t);
  const folder = mkdtempSync(`${tmpdir()}/enetjs-`);
  try {
    await tutorial(folder);
  } finally {
    enet.init();
    rmSync(folder, { recursive: true });
  }
});

async function tutorial(folder: string): Promise<void> {
  // Initialisation
  const asked = new Set<string>();
  enet.init((ipaddress, port) => {
    asked.add(`${typeof ipaddress} ${typeof port} ${ipaddress}`);
    if (ipaddress === "192.168.0.22") return 0;
    return 1;
  });

  // Creating an ENet server
  const anyAddress = new enet.Address("0.0.0.0", 7777);
  assert.deepEqual([anyAddress.address(), anyAddress.port()], ["0.0.0.0", 7777]);
  const seen: string[] = [];
  const received = Promise.withResolvers<void>();
  const server = await new Promise<enet.Host>((resolve, reject) => {
    enet.createServer({
      address: { address: "127.0.0.1", port: 0 },
      peers: 32,
      channels: 3,
      down: 0,
      up: 0,
    }, (err, host) => {
      if (err || !host) return reject(err);
      host.on("connect", (peer, data, outgoing) => {
        seen.push(`server connect ${data} ${outgoing}`);
        peer.on("message", (packet, channel) => {
          seen.push(`server message ${channel} ${packet.data()}`);
        });
        peer.on("disconnect", (data) => void seen.push(`server disconnect ${data}`));
        // Streams: what comes on channel 2 goes to a file.
        peer.createReadStream(2)?.pipe(createWriteStream(`${folder}/received.txt`))
          .on("close", received.resolve);
      });
      host.start(50);
      resolve(host);
    });
  });

  // Creating an ENet client
  const client = await new Promise<enet.Host>((resolve, reject) => {
    enet.createClient({
      peers: 1,
      channels: 3,
      down: 57600 / 8,
      up: 0,
    }, (err, host) => err || !host ? reject(err) : resolve(host));
  });

  // Managing a host, and connecting
  client.on(
    "connect",
    (_peer, data, outgoing) => void seen.push(`client connect ${data} ${outgoing}`),
  );
  server.on("message", (peer, packet, channel) => {
    if (channel === 0) peer.send(0, packet.data()!);
  });
  const connecting = next(client, "connect");
  const called = Promise.withResolvers<enet.Peer | undefined>();
  const where = addressOf(server);
  const peer = client.connect(
    new enet.Address(where.address, where.port),
    3,
    1337,
    (err, peer) => err ? called.reject(err) : called.resolve(peer),
  )!;
  peer.on("connect", () => void seen.push("peer connect"));
  assert.equal(peer.state(), enet.PEER_STATE.CONNECTING);
  assert.equal(await withDeadline(called.promise, 20_000, "the connect callback"), peer);
  await connecting;
  assert.equal(peer.ping(), peer);
  assert.equal(peer.state(), enet.PEER_STATE.CONNECTED);
  assert.deepEqual(peer.address(), { address: where.address, port: where.port });

  // Sending a packet
  const reliable = new enet.Packet(Buffer.from("hello, world"), enet.PACKET_FLAG.RELIABLE);
  const unreliable = new enet.Packet("hello");
  assert.deepEqual([reliable.flags(), unreliable.flags()], [1, 0]);
  const echo = next(peer, "message");
  const sent = Promise.withResolvers<void>();
  assert.equal(peer.send(0, reliable, (err) => err ? sent.reject(err) : sent.resolve()), false);
  await withDeadline(sent.promise, 20_000, "the send callback");
  assert.ok(reliable.wasSent());
  const [packet, channel] = await echo;
  assert.deepEqual([packet.data().toString(), packet.dataLength(), channel], [
    "hello, world",
    12,
    0,
  ]);
  assert.equal(peer.send(1, unreliable), false);
  assert.equal(peer.send(1, "Hello ENet"), false);
  assert.equal(peer.send(1, Buffer.from("Hello World")), false);
  assert.equal(peer.send(1, JSON.stringify({ an: "object" })), false);

  // Streams
  writeFileSync(`${folder}/data.txt`, "all work and no play\n".repeat(10_000));
  const file = createReadStream(`${folder}/data.txt`);
  const stream = peer.createWriteStream(2)!;
  const finished = new Promise((resolve, reject) =>
    stream.on("finish", resolve).on("error", reject)
  );
  file.pipe(stream);
  await withDeadline(finished, 10_000, "the stream");

  // Telex: a raw JSON packet
  const telex = next(server, "telex");
  await client.sendAsync(where.address, where.port, '{"to":"hello"}');
  const [buffer, source] = await telex;
  assert.deepEqual([buffer.toString(), source], ['{"to":"hello"}', {
    address: "127.0.0.1",
    port: client.address()!.port,
  }]);

  // Disconnecting, with data
  const gone = Promise.all([next(peer, "disconnect"), next(server.peers()[0], "disconnect")]);
  peer.disconnect(999);
  await gone;
  assert.equal(peer.send(0, "too late"), true);
  await withDeadline(received.promise, 20_000, "the received file");
  assert.equal(readFileSync(`${folder}/received.txt`, "utf8").length, 210_000);
  assert.equal(client.peers().length + server.peers().length, 0);

  const destroyed = [next(server, "destroy"), next(client, "destroy")];
  server.destroy();
  client.stop();
  await Promise.all(destroyed);
  assert.ok(server.isOffline() && !client.isOnline());

  assert.deepEqual([...asked], ["string number 127.0.0.1"]);
  assert.deepEqual(
    seen.filter((line) => !line.startsWith("server message")),
    [
      "server connect 1337 false",
      "peer connect",
      "client connect undefined true",
      "server disconnect 999",
    ].sort((a, b) => seen.indexOf(a) - seen.indexOf(b)),
  );
  const messages = seen.filter((line) => line.startsWith("server message 1"));
  assert.deepEqual(
    messages.filter((line) => line !== "server message 1 hello"),
    [
      "server message 1 Hello ENet",
      "server message 1 Hello World",
      'server message 1 {"an":"object"}',
    ],
  );
}
