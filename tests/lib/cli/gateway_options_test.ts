/** The options of `enet gateway` about clients reach the server: whom it lets in, and what they may do. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { EnetSocket } from "../../../lib/gateway/browser/mod.ts";
import type { SocketServer } from "../../../lib/gateway/socket/contract.ts";
import { Host } from "../../../mod.ts";
import { skip, temporaryFolder } from "../gateway/_pipes.ts";
import { describe, frame, handshake, RawClient } from "../gateway/_raw.ts";
import { Enet } from "./_gateway.ts";

/** As much of a server as a `RawClient` needs to connect. */
function serverAt(url: string): Pick<SocketServer, "address" | "url"> {
  const unixSocket = url.match(/^ws\+unix:(.*)$/)?.[1];
  const address = unixSocket === undefined
    ? { hostname: "127.0.0.1", port: Number(new URL(url).port) }
    : { unixSocket };
  return { url, address };
}

const CONTINUATION = 0;
const BINARY = 2;

test(
  "--origin, --protocol, --max-clients and the sizes decide about clients",
  { skip },
  async () => {
    await using enet = await Enet.gateway(
      ...[
        "--std",
        "--strict",
        "--protocol",
        "chat.1",
        "--protocol",
        "chat.2",
        "--max-clients",
        "1",
      ],
      ...["--origin", "https://a.example", "--origin", "https://b.example"],
      ...["--max-frame-size", "100", "--max-message-size", "150"],
    );
    const server = serverAt(await enet.url());
    const right = { "Origin": "https://B.example", "Sec-WebSocket-Protocol": "chat.2" };
    const headOf = async (headers: Record<string, string>) => {
      await using client = await RawClient.connect(server);
      client.write(handshake(headers));
      return await client.head();
    };
    assert.match(await headOf({ ...right, "Origin": "https://c.example" }), /^HTTP\/1\.1 403 /);
    assert.match(await headOf({ Origin: "https://a.example" }), /^HTTP\/1\.1 400 /);
    for (const [id, rest] of [[1, 50], [2, 51]]) {
      await using client = await RawClient.connect(server);
      client.write(handshake(right));
      assert.match(await client.head(), /^HTTP\/1\.1 101 [^]*Sec-WebSocket-Protocol: chat\.2\r\n/);
      assert.equal((await enet.frame()).id, id);
      assert.match(await headOf(right), /^HTTP\/1\.1 503 /);
      client.write(frame(BINARY, new Uint8Array(100), { fin: false }));
      client.write(frame(CONTINUATION, new Uint8Array(rest)));
      if (rest === 50) {
        assert.equal((await enet.frame()).payload.length, 150);
        client.write(frame(BINARY, new Uint8Array(101)));
      }
      assert.equal(describe((await client.next())!), "close 1009");
      client.socket.end();
      const { id: closed, type } = await enet.frame();
      assert.deepEqual([closed, type], [id, 8]);
    }
  },
);

test("--proxy lets a proxy say where a client is", { skip }, async () => {
  await using enet = await Enet.gateway("--std", "--strict", "--proxy", "127.0.0.0/8");
  const headers = { "X-Forwarded-For": "203.0.113.7" };
  await using _client = await RawClient.open(serverAt(await enet.url()), headers);
  const { type, payload } = await enet.frame();
  assert.equal(type, 16);
  assert.equal(new TextDecoder().decode(payload).replace(/\0+$/, ""), "203.0.113.7");
});

test(
  "--handshake-timeout, --ping-interval and --idle-timeout end those that are silent",
  { skip },
  async () => {
    await using pinging = await Enet.gateway(
      ...["--std", "--handshake-timeout", "0.1", "--ping-interval", "0.1"],
    );
    const server = serverAt(await pinging.url());
    await using silent = await RawClient.connect(server);
    assert.match(await silent.head(), /^HTTP\/1\.1 408 /);
    await using deaf = await RawClient.connect(server);
    deaf.write(handshake());
    assert.match(await deaf.head(), /^HTTP\/1\.1 101 /);
    assert.equal((await deaf.next())!.opcode, 9);
    await deaf.ended();
    await using idling = await Enet.gateway("--std", "--idle-timeout", "0.1");
    await using idle = await RawClient.open(serverAt(await idling.url()));
    assert.equal(describe((await idle.next())!), "close 1001");
  },
);

test("--slow close ends a client for which more than --queue-limit waits", { skip }, async () => {
  await using enet = await Enet.gateway(
    ...["--std", "--strict", "--slow", "close", "--queue-limit", "100000"],
  );
  await using client = await RawClient.open(serverAt(await enet.url()));
  client.socket.pause();
  assert.equal((await enet.frame()).type, 16);
  const bytes = new Uint8Array(100_000);
  for (let i = 0; i < 300; i++) enet.writeFrame(1, 2, bytes);
  const { id, type } = await enet.frame();
  assert.deepEqual([id, type], [1, 8]);
});

test(
  "--unix-socket is listened on in place of an address, and removed on SIGTERM",
  { skip },
  async () => {
    using folder = temporaryFolder();
    const path = `${folder.path}/ws`;
    await using enet = new Enet(["gateway", "--std", "--strict", "--unix-socket", path]);
    const url = await enet.url();
    assert.equal(url, `ws+unix:${path}`);
    await using client = await RawClient.open(serverAt(url));
    const { type, payload } = await enet.frame();
    assert.deepEqual(
      [type, payload.every((byte) => byte === 0)],
      [16, true],
      "there is no address",
    );
    enet.writeFrame(1, 1, "hello");
    assert.equal(describe((await client.next())!), "text hello");
    enet.signal("SIGTERM");
    assert.equal(describe((await client.next())!), "close 1001");
    client.socket.destroy();
    await enet.ends(0);
    assert.ok(!existsSync(path));
  },
);

test("--checksum reaches a server that wants one", async () => {
  await using host = await Host.listen({ hostname: "127.0.0.1", checksum: "crc32" }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
  await using enet = await Enet.gateway("--to", `127.0.0.1:${host.address.port}`, "--checksum");
  await using browser = await EnetSocket.connect(await enet.url(), { timeoutMs: 20_000 });
  browser.send(0, "echo this");
  for await (const { packet } of browser) {
    assert.equal(packet.text(), "echo this");
    break;
  }
});
