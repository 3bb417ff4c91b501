/**
 * Hosts that speak through a socket of the program's own.
 */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { test } from "node:test";
import { createClientAsync, createServerFromSocketAsync, init } from "../../../lib/compat/mod.ts";
import { addressOf, next } from "./_compat.ts";
import { block, leakCheck, withDeadline } from "../../_helpers.ts";

async function boundSocket(): Promise<Socket> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return socket;
}

test("A server on the program's own socket sends, receives and takes telexes, and leaves it open", async (t) => {
  await leakCheck(t);
  const socket = await boundSocket();
  using host = await createServerFromSocketAsync({ socket });
  using client = await createClientAsync();
  assert.equal(addressOf(host).port, socket.address().port);
  host.enableCompression();
  client.enableCompression();
  host.on("connect", (peer, data, outgoing) => {
    assert.deepEqual([data, outgoing], [7, false]);
    assert.deepEqual(peer.address(), { address: "127.0.0.1", port: client.address()?.port });
    peer.createReadStream(1)!.pipe(peer.createWriteStream(1)!);
  });
  host.start();
  const peer = await client.connectAsync(addressOf(host), 2, 7);
  const stream = peer.createDuplexStream(1)!;
  const bytes = new Uint8Array(300_000).map((_, i) => i * 7);
  let [got, same] = [0, true];
  const whole = new Promise<void>((resolve) =>
    stream.on("data", (chunk: Uint8Array) => {
      same &&= chunk.every((byte, i) => byte === bytes[got + i]);
      got += chunk.length;
      if (got === bytes.length) resolve();
    })
  );
  stream.write(bytes);
  await withDeadline(whole, 10_000, "the echo");
  assert.ok(same);

  const telex = next(host, "telex");
  const { address, port } = addressOf(host);
  await client.sendAsync(address, port, '{"a":1}');
  assert.deepEqual((await telex)[1], { address: "127.0.0.1", port: client.address()?.port });
  const answer = next(client, "telex");
  await host.sendAsync("127.0.0.1", client.address()!.port, '{"b":2}');
  assert.equal((await answer)[1].port, port);

  const [gone, destroyed] = [next(peer, "disconnect"), next(host, "destroy")];
  host.destroy();
  block(200); // Longer than the bridge lingers: what was sent has to pass all the same.
  await destroyed;
  assert.deepEqual(await gone, [0, "remote"]);
  assert.equal(socket.address().port, port, "the socket is still open");
  assert.equal(socket.listenerCount("message"), 0);
  socket.close();
});

test("A host on a socket connects to others, and is destroyed with its socket", async (t) => {
  await leakCheck(t);
  t.after(() => Promise.resolve(init()));
  const sockets = [await boundSocket(), await boundSocket()];
  using first = await createServerFromSocketAsync({ socket: sockets[0], peers: 4 });
  using second = await createServerFromSocketAsync({ socket: sockets[1], peers: 4 });
  second.start();
  const asked: string[] = [];
  init((address, port) => asked.push(`${address}:${port}`));
  const connected = next(second, "connect");
  const peer = await first.connectAsync(addressOf(second));
  const [remote] = await connected;
  assert.deepEqual(peer.address(), {
    address: "127.0.0.1",
    port: sockets[1].address().port,
  });
  assert.equal(remote.address().port, sockets[0].address().port);
  await peer.sendAsync(0, "hello");
  assert.deepEqual(asked.sort(), sockets.map((s) => `127.0.0.1:${s.address().port}`).sort());
  const destroyed = next(first, "destroy");
  sockets[0].close();
  await destroyed;
  remote.reset();
  sockets[1].close();
  await next(second, "destroy");
});

test("What is no socket is refused", async () => {
  for (const socket of [undefined, null, 7, {}, { on() {}, send() {} }]) {
    await assert.rejects(createServerFromSocketAsync({ socket: socket as never }), TypeError);
  }
});
