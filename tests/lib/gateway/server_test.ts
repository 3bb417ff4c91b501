/**
 * A gateway before a server elsewhere: browsers and a C program on plain libenet, and a host of this library in another
 * place.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { EnetSocket } from "../../../lib/gateway/browser/mod.ts";
import { Gateway } from "../../../lib/gateway/gateway.ts";
import { DisconnectCode, Host, PacketFlag } from "../../../mod.ts";
import { journal, leakCheck, spawnProgram, until, withDeadline } from "../../_helpers.ts";
import { collect, raw } from "./_gateway.ts";

const DEADLINE = 30_000;
const C_PEER = fileURLToPath(new URL("../../../native/build/enet_peer", import.meta.url));

const digest = (bytes: Uint8Array) => crc32(bytes).toString(16).padStart(8, "0");

for (const compressed of [false, true]) {
  const how = compressed ? ", compressed" : "";
  test(`Browsers play on a C server${how}: messages, flags, data and ends in both directions`, async (t) => {
    await leakCheck(t);
    const flags = compressed ? ["--compress"] : [];
    await using server = spawnProgram(C_PEER, ["server", ...flags]);
    const to = `127.0.0.1:${await server.line("port ")}`;
    const client = compressed ? { compression: "range-coder" } as const : undefined;
    await using gateway = await Gateway.listen({ to, client, hostname: "127.0.0.1" });
    await using one = await EnetSocket.connect(gateway.url, { channels: 2, data: 0xFEDCBA98 });
    assert.equal(await server.line("connect "), String(0xFEDCBA98));
    assert.equal(one.channelCount, 2);
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);
    one.send(0, bytes);
    one.send(1, "state", PacketFlag.UNRELIABLE);
    one.send(1, "event", PacketFlag.UNSEQUENCED);
    const echoes: string[] = [];
    for await (const { channelId, packet } of one) {
      echoes.push(`${channelId} ${packet.flags} ${packet.length} ${digest(packet.bytes)}`);
      if (echoes.length === 3) break;
    }
    const text = (text: string) => `${text.length} ${digest(new TextEncoder().encode(text))}`;
    assert.deepEqual(echoes.sort(), [
      `0 1 100000 ${digest(bytes)}`,
      `1 0 ${text("state")}`,
      `1 2 ${text("event")}`,
    ]);
    await one.disconnect(0xFFFFFFFF);
    assert.equal(await server.line("disconnect "), String(0xFFFFFFFF));
    await using two = await EnetSocket.connect(gateway.url, { data: 2 });
    await server.line("connect 2");
    server.write("disconnect-later 3");
    assert.deepEqual(await withDeadline(two.closed, DEADLINE, "the end"), {
      reason: "remote",
      data: 3,
    });
  });
}

test("A browser that vanishes leaves the server, and a server that dies ends the browsers", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using host = await Host.listen({ hostname: "127.0.0.1" }, log.handlers);
  await using gateway = await Gateway.listen({ to: host.address, hostname: "127.0.0.1" });
  const vanishing = await raw(gateway.url);
  await log.wait("connect");
  vanishing.send("text is a fault");
  const [{ reason }] = await log.wait("disconnect");
  assert.equal(reason, "remote");
  await using socket = await EnetSocket.connect(gateway.url);
  const [, { peer }] = await log.wait("connect", 2);
  await peer.disconnect(8);
  assert.deepEqual(await socket.closed, { reason: "remote", data: 8 });
  await until(() => gateway.stats.browsers === 0, DEADLINE, "no browser");
});

test("The server's refusals reach the browser, also that it does not answer", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({
    hostname: "127.0.0.1",
    peers: 2,
    accept: ({ data }) => data === 0 || data,
  }, {});
  const told: (string | undefined)[] = [];
  await using gateway = await Gateway.listen({
    to: host.address,
    hostname: "127.0.0.1",
    browsers: 2,
    onServer: (fault) => void told.push(fault?.code),
  });
  const refused = async (data: number, options = {}) => {
    const error = await EnetSocket.connect(gateway.url, { timeoutMs: 20_000, ...options }).catch((
      error,
    ) => error);
    assert.deepEqual([error.code, error.data], ["ENETJS_ERR_REFUSED", data]);
  };
  await refused(4242, { data: 4242 });
  await using _one = await EnetSocket.connect(gateway.url);
  await using _two = await EnetSocket.connect(gateway.url);
  await refused(DisconnectCode.FULL);
  const { port } = host.address;
  await _one.disconnect();
  await _two.disconnect();
  await host.close();
  await until(() => gateway.stats.browsers === 0, DEADLINE, "no browser");
  assert.deepEqual(told, []);
  await Promise.all([refused(DisconnectCode.UNDECIDED), refused(DisconnectCode.UNDECIDED)]);
  assert.deepEqual(told, ["ENETJS_ERR_TIMEOUT"]);
  await using _again = await Host.listen({ hostname: "127.0.0.1", port }, {});
  await using _three = await EnetSocket.connect(gateway.url);
  assert.deepEqual(told, ["ENETJS_ERR_TIMEOUT", undefined]);
  assert.deepEqual(gateway.stats.refused.full, 1);
});

test("filter and limits of the gateway decide before there is an ENet connection", async (t) => {
  await leakCheck(t);
  const log = journal();
  await using host = await Host.listen({ hostname: "127.0.0.1" }, log.handlers);
  const options = { to: host.address, hostname: "127.0.0.1" };
  await using denying = await Gateway.listen({
    ...options,
    filter: { deny: ["127.0.0.1"], refuse: true },
  });
  await assert.rejects(EnetSocket.connect(denying.url), { data: DisconnectCode.DENIED });
  await using limited = await Gateway.listen({
    ...options,
    limits: { peer: { messages: { perSecond: 0.01, burst: 3 }, excess: "disconnect" } },
  });
  assert.deepEqual(log.entries, []);
  await using socket = await EnetSocket.connect(limited.url);
  for (let i = 0; i < 4; i++) socket.send(0, String(i));
  assert.deepEqual(await withDeadline(socket.closed, DEADLINE, "the end"), {
    reason: "remote",
    data: DisconnectCode.LIMIT,
  });
  await log.wait("disconnect");
  assert.deepEqual(log.all("receive").length, 3);
});

test("Back-pressure passes the gateway in both directions", async (t) => {
  await leakCheck(t);
  const size = 20_000;
  await using host = await Host.listen({ hostname: "127.0.0.1", maximumWaitingData: 2 ** 20 });
  await using gateway = await Gateway.listen({
    to: host.address,
    hostname: "127.0.0.1",
    client: { maximumWaitingData: 2 ** 20 },
  });
  await using socket = await EnetSocket.connect(gateway.url);
  const { value: event } = await host[Symbol.asyncIterator]().next();
  const { peer } = event;
  /** Sends until nothing moves for a while; returns how many went. */
  const fill = async (send: () => boolean, drain: () => Promise<void>) => {
    for (let count = 0;;) {
      while (send()) count++;
      count++;
      const late = new Promise((resolve) => setTimeout(resolve, 700, "late"));
      if (await Promise.race([drain(), late]) === "late") return count;
    }
  };
  const bytes = new Uint8Array(size);
  const [down, up] = await withDeadline(
    Promise.all([
      fill(() => peer.send(0, bytes), () => peer.drain()),
      fill(() => socket.send(0, bytes), () => socket.drain()),
    ]),
    4 * DEADLINE,
    "the end of what fits",
  );
  for (const count of [down, up]) {
    assert.ok(count * size < 8 * 2 ** 20, `${count} messages of ${size} bytes`);
  }
  const got = collect(socket);
  let received = 0;
  for await (const _ of peer) if (++received === up) break;
  await until(() => got.length === down, DEADLINE, "all messages");
});
