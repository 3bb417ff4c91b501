/**
 * What of unreliable messages is sent when delay changes and nothing is lost, to and from a C program on ENet.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Host, type HostOptions, PacketFlag } from "../../mod.ts";
import { connectedPair, leakCheck, spawnProgram, until } from "../_helpers.ts";

const program = fileURLToPath(new URL("../../native/build/enet_peer", import.meta.url));

const NEAR = { latencyMs: 25 };
const FAR = { latencyMs: 60 };

/** Messages of each phase, in bursts with a reliable one, whose acknowledgement measures a round trip. */
const BURSTS = 40;
const BURST = 6;
const SENT = 2 * BURSTS * BURST;

/** What becomes of unreliable messages to the C program and of its echoes while delay rises from 25 to 60 ms. */
async function flow(options: HostOptions) {
  await using server = spawnProgram(program, ["server"]);
  const port = Number(await server.line("port "));
  let echoes = 0;
  let lastEcho = false;
  await using host = await Host.create({ ...options, conditions: NEAR }, {
    receive(_peer, channelId, packet) {
      if (channelId === 1) echoes++;
      lastEcho ||= packet.length === "last".length;
    },
  });
  const peer = await host.connect({ hostname: "127.0.0.1", port }, { channels: 2 });
  for (const conditions of [NEAR, FAR]) {
    host.conditions = conditions;
    for (let i = 0; i < BURSTS; i++) {
      for (let k = 0; k < BURST; k++) peer.send(1, new Uint8Array(100), PacketFlag.UNRELIABLE);
      peer.send(0, "measures the round trip");
      await pause(15);
    }
  }
  // The program echoes in order, so before this echo all others have come.
  const last = until(() => lastEcho, 30_000, "the last echo");
  await peer.deliver(0, "last");
  await last;
  const throttled = peer.stats.throttledMessages;
  await peer.disconnectLater();
  server.write("quit");
  const { stdout } = await server.ended;
  return { arrived: stdout.match(/^receive 1 /gm)?.length ?? 0, echoes, throttled };
}

test('With throttle "game", rising delay drops nothing; remoteThrottle asks for the same', async (t) => {
  await leakCheck(t);
  const { arrived, echoes, throttled } = await flow({ remoteThrottle: "game" });
  assert.equal(throttled, 0);
  assert.ok(arrived >= 0.995 * SENT, `${arrived} of ${SENT} arrived`);
  assert.ok(echoes >= 0.995 * SENT, `${echoes} of ${SENT} came back`);
});

// How many it drops depends on how busy the machine is; throttle_test.c has a clock of its own.
test('With throttle "enet", what rising delay drops is counted', async (t) => {
  await leakCheck(t);
  const { arrived, throttled } = await flow({ throttle: "enet" });
  assert.equal(arrived + throttled, SENT);
});

test("The other side cannot turn the throttle on, the program can", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { peer, remote } = pair;
  assert.equal(peer.stats.packetThrottleDeceleration, 0);
  assert.equal(remote.stats.packetThrottleDeceleration, 0);
  remote.throttle({ intervalMs: 1234, deceleration: 3 });
  assert.equal(remote.stats.packetThrottleDeceleration, 3);
  await until(
    () => peer.stats.packetThrottleIntervalMs === 1234,
    30_000,
    "what the other side has set",
  );
  assert.equal(peer.stats.packetThrottleDeceleration, 0);
  peer.throttle({ intervalMs: 2345, deceleration: 5 });
  assert.equal(peer.stats.packetThrottleDeceleration, 5);
  await until(
    () => remote.stats.packetThrottleIntervalMs === 2345,
    30_000,
    "what this side has set",
  );
  assert.equal(remote.stats.packetThrottleDeceleration, 3);
});

test("host.throttle concerns the connections that begin afterwards", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, server, peer } = pair;
  client.throttle = "enet";
  assert.equal(client.throttle, "enet");
  const other = await client.connect(server.address);
  assert.equal(peer.stats.packetThrottleDeceleration, 0);
  assert.equal(other.stats.packetThrottleDeceleration, 2);
});
