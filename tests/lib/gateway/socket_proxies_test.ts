/**
 * Whose word on the address of a client is taken, and what it changes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host } from "../../../mod.ts";
import { Gateway, listenSockets } from "../../../lib/gateway/mod.ts";
import { clientAddress, planProxies } from "../../../lib/gateway/socket/proxies.ts";
import { until } from "../../_helpers.ts";
import { handshake, RawClient, STEP_MS } from "./_raw.ts";
import { skip, temporaryFolder } from "./_pipes.ts";

const PROXIES = ["192.0.2.1", "10.0.0.0/8", "2001:db8:1::/48"];

test("The client is the last address that no proxy has", () => {
  const cases: [peer: string, forwarded: string | undefined, client: string][] = [
    ["192.0.2.1", "203.0.113.7", "203.0.113.7"],
    ["192.0.2.1", undefined, "192.0.2.1"],
    ["192.0.2.1", "", "192.0.2.1"],
    // A stranger says what it likes.
    ["203.0.113.9", "203.0.113.7", "203.0.113.9"],
    ["", "203.0.113.7", ""],
    // What the client wrote itself stands before what the proxy has seen.
    ["192.0.2.1", "127.0.0.1, 203.0.113.7", "203.0.113.7"],
    ["192.0.2.1", "10.9.9.9, 203.0.113.7", "203.0.113.7"],
    // Several proxies.
    ["10.0.0.3", "198.51.100.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"],
    ["10.0.0.3", "10.0.0.1, 10.0.0.2", "10.0.0.1"],
    // No address: the last one that can be believed.
    ["10.0.0.3", "203.0.113.7, unknown, 10.0.0.2", "10.0.0.2"],
    ["10.0.0.3", "203.0.113.7,", "10.0.0.3"],
    ["10.0.0.3", "203.0.113.256", "10.0.0.3"],
    // How proxies write addresses.
    ["10.0.0.3", "203.0.113.7:4711", "203.0.113.7"],
    ["10.0.0.3", "2001:DB8::7", "2001:db8::7"],
    ["10.0.0.3", "[2001:db8::7]", "2001:db8::7"],
    ["10.0.0.3", "[2001:db8::7]:4711", "2001:db8::7"],
    ["10.0.0.3", "::ffff:203.0.113.7", "203.0.113.7"],
    ["2001:db8:1::5", "203.0.113.7", "203.0.113.7"],
    ["2001:db8:2::5", "203.0.113.7", "2001:db8:2::5"],
  ];
  const trusts = planProxies(PROXIES);
  for (const [peer, forwarded, client] of cases) {
    assert.equal(clientAddress(peer, forwarded, trusts), client, `${peer} ${forwarded}`);
  }
  assert.equal(clientAddress("", "203.0.113.7", planProxies(["unix"])), "203.0.113.7");
  assert.equal(clientAddress("10.0.0.3", "203.0.113.7", planProxies(["unix"])), "10.0.0.3");
});

test("Hooks, clients and the log have the address that a proxy tells", async () => {
  const seen: string[] = [];
  const log: string[] = [];
  await using server = await listenSockets({
    hostname: "127.0.0.1",
    proxies: ["127.0.0.0/8"],
    accept: ({ address, port }) => seen.push(`${address}:${port}`) < 2,
    accessLog: (line) => log.push(line),
  }, { open: ({ address, port }) => void seen.push(`${address}:${port}`) });
  const request = handshake({ "X-Forwarded-For": "203.0.113.7" });
  await using first = await RawClient.connect(server);
  first.write(request);
  assert.match(await first.head(), /^HTTP\/1\.1 101 /);
  await using second = await RawClient.connect(server);
  second.write(request);
  assert.match(await second.head(), /^HTTP\/1\.1 403 /);
  assert.deepEqual(seen, ["203.0.113.7:0", "203.0.113.7:0", "203.0.113.7:0"]);
  assert.equal(log.length, 2);
  for (const line of log) assert.match(line, /^203\.0\.113\.7 - - /);
});

test("A Unix socket can be that of a proxy", { skip }, async () => {
  using folder = temporaryFolder();
  const unixSocket = `${folder.path}/socket`;
  await using server = await listenSockets({ unixSocket, proxies: ["unix"] });
  await using client = await RawClient.connect(server);
  client.write(handshake({ "X-Forwarded-For": "2001:db8::7" }));
  assert.match(await client.head(), /^HTTP\/1\.1 101 /);
  await until(() => server.clients.size === 1, STEP_MS, "the client");
  assert.equal([...server.clients.values()][0].address, "2001:db8::7");
});

test("Filter and limits of a host hold for the browsers behind a proxy, each by its address", async () => {
  await using host = await Host.listen({
    hostname: "127.0.0.1",
    filter: { deny: ["203.0.113.7"] },
  });
  await using gateway = await Gateway.listen({
    host,
    hostname: "127.0.0.1",
    proxies: ["127.0.0.1"],
  });
  const status = async (forwarded: string) => {
    await using client = await RawClient.connect(gateway);
    const headers = { "X-Forwarded-For": forwarded, "Sec-WebSocket-Protocol": "enet.1" };
    client.write(handshake(headers));
    return (await client.head()).split(" ")[1];
  };
  assert.equal(await status("203.0.113.7"), "403");
  assert.equal(await status("203.0.113.8"), "101");
});
