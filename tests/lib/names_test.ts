/** Names with several addresses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ENetError, Host } from "../../mod.ts";
import { until } from "../_helpers.ts";
import { LOCAL, over6, resolving, silenceBesideServer, silentPort } from "./_ipv6.ts";

const PATIENCE_MS = 20_000;

test("localhost is this machine in capitals and with a dot, too, whatever the resolver says", async () => {
  using _names = resolving(["192.0.2.1"]);
  for (const hostname of ["localhost", "LocalHost", "localhost."]) {
    await using server = await Host.listen({ hostname });
    assert.equal(server.address.hostname, "127.0.0.1");
    await using client = await Host.create();
    const peer = await client.connect({ hostname, port: server.address.port });
    assert.equal(peer.address.hostname, "127.0.0.1");
  }
});

over6("A name with a dead and a live address connects to the live one", async () => {
  await using servers = await silenceBesideServer();
  const connected: string[] = [];
  await using client = await Host.create({}, {
    connect: (peer) => void connected.push(peer.address.hostname),
  });
  using _names = resolving([LOCAL, "127.0.0.1"]);
  const peer = await client.connect({ hostname: "game.example", port: servers.port });
  assert.equal(peer.address.hostname, "127.0.0.1");
  assert.deepEqual(connected, ["127.0.0.1"]);
  assert.equal(client.peers.length, 1);
});

over6(
  "A host with one place tries the next address when the one before has had its share",
  async () => {
    await using servers = await silenceBesideServer();
    await using client = await Host.create({ peers: 1 });
    using _names = resolving([LOCAL, "127.0.0.1"]);
    const to = { hostname: "game.example", port: servers.port };
    const peer = await client.connect(to, { timeoutMs: 2000, retry: { minimumMs: 1 } });
    assert.equal(peer.address.hostname, "127.0.0.1");
  },
);

over6("A signal ends the attempts at all addresses, and frees their places", async () => {
  await using silent = await silentPort();
  await using client = await Host.create({ peers: 2 });
  using _names = resolving([LOCAL, "127.0.0.1"]);
  const abort = new AbortController();
  const attempt = client.connect({ hostname: "game.example", port: silent.port }, {
    signal: abort.signal,
  });
  await until(() => client.stats.totalSentPackets >= 2, PATIENCE_MS, "both attempts");
  const reason = new Error("enough");
  abort.abort(reason);
  await assert.rejects(attempt, reason);
  await using server = await Host.listen({}, {});
  const { port } = server.address;
  const peers = await Promise.all([
    client.connect(`[::1]:${port}`),
    client.connect(`127.0.0.1:${port}`),
  ]);
  assert.deepEqual(peers.map(({ address }) => address.hostname), [LOCAL, "127.0.0.1"]);
});

// The network is so slow that the second attempt begins before the first one can succeed.
over6(
  "When both addresses are live, one connection is left, and the other place is free",
  async () => {
    const closed: string[] = [];
    await using server = await Host.listen({ peers: 2 }, {
      disconnect: (peer) => void closed.push(peer.address.hostname),
    });
    const seen: string[] = [];
    await using client = await Host.create({ conditions: { latencyMs: 500 } }, {
      connect: (peer) => void seen.push(`connect ${peer.address.hostname}`),
      disconnect: (peer) => void seen.push(`disconnect ${peer.address.hostname}`),
    });
    using _names = resolving([LOCAL, "127.0.0.1"]);
    const peer = await client.connect({ hostname: "game.example", port: server.address.port });
    const { hostname } = peer.address;
    const isAlone = () => server.peers.length === 1 && server.stats.connectedPeers === 1;
    await until(() => closed.length === 1 && isAlone(), PATIENCE_MS, "one connection");
    assert.notEqual(closed[0], hostname);
    assert.equal(server.peers[0].address.hostname, hostname);
    assert.equal(client.peers.length, 1);
    assert.deepEqual(seen, [`connect ${hostname}`]);
  },
);

over6("When no address of a name answers, the error tells of the attempt", async () => {
  await using silent = await silentPort();
  await using client = await Host.create();
  using _names = resolving([LOCAL, "127.0.0.1"]);
  const to = { hostname: "game.example", port: silent.port };
  await assert.rejects(client.connect(to, { timeoutMs: 600 }), (error: ENetError) => {
    assert.equal(error.code, "ENETJS_ERR_TIMEOUT");
    assert.match(error.message, /Connecting to game\.example:\d+: no answer within 600 ms/);
    return true;
  });
});

test("Of what a resolver says, only addresses that a host can have are tried", async () => {
  await using server = await Host.listen({ hostname: "127.0.0.1" });
  await using client = await Host.create();
  const to = { hostname: "game.example", port: server.address.port };
  for (const addresses of [["0.0.0.0"], ["240.0.0.1", "fe80::1", "127.0.0.1", "127.0.0.1"]]) {
    using _names = resolving(addresses);
    assert.equal((await client.connect(to)).address.hostname, "127.0.0.1");
  }
  for (const addresses of [[], ["240.0.0.1", "fe80::1"]]) {
    using _names = resolving(addresses);
    await assert.rejects(client.connect(to), (error: ENetError) => {
      assert.equal(error.code, "ENETJS_ERR_RESOLVE");
      assert.match(error.message, new RegExp(`no host has the address ${addresses.join(", ")}$`));
      return true;
    });
  }
});

over6("A host listens on the addresses of a name that it may have", async () => {
  using _names = resolving([LOCAL, "127.0.0.1"]);
  const at = async (ipv6Only: boolean) => {
    await using host = await Host.listen({ hostname: "game.example", ipv6Only });
    return host.address.hostname;
  };
  assert.deepEqual([await at(false), await at(true)], ["127.0.0.1", LOCAL]);
  using _ipv4 = resolving(["127.0.0.1"]);
  await assert.rejects(at(true), {
    code: "ENETJS_ERR_RESOLVE",
    message: /it has no IPv6 address$/,
  });
});
