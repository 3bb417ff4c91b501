/**
 * A game that owns its tick: no thread, no callbacks; the network is serviced once per frame.
 *
 *     deno run --allow-ffi examples/game_loop.ts
 *     bun examples/game_loop.ts
 *     node examples/game_loop.ts
 *
 * Server and client share this process and its loop. The client sends its input reliably on channel
 * 0, the server its world unreliably on channel 1: a lost snapshot is not worth sending again. It
 * runs for 60 ticks; an argument gives another number.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Host, PacketFlag } from "@enetjs/enet";

const TICK_MS = 1000 / 60;
const ticks = Number(process.argv[2] ?? 60);

using server = await Host.listen({ hostname: "127.0.0.1", pump: false });
using client = await Host.create({ pump: false });

const speeds = new Map<unknown, number>(); // by peer
const world = new Float64Array(2); // tick, position
let seen = new Float64Array(2);
let snapshots = 0;

function tickServer(tick: number): void {
  for (let event = server.service(); event; event = server.service()) {
    if (event.type === "connect") speeds.set(event.peer, 0);
    if (event.type === "disconnect") speeds.delete(event.peer);
    if (event.type === "receive") speeds.set(event.peer, Number(event.packet.text()));
  }
  world[0] = tick;
  for (const speed of speeds.values()) world[1] += speed;
  server.broadcast(1, world, PacketFlag.UNRELIABLE);
  server.flush(); // Without a pump, nothing is sent by itself before the next service().
}

function tickClient(): void {
  for (let event = client.service(); event; event = client.service()) {
    if (event.type === "connect") event.peer.send(0, "2.5");
    if (event.type !== "receive") continue;
    seen = new Float64Array(event.packet.bytes.buffer);
    snapshots++;
  }
}

// The promise settles while the loop below services both hosts.
const connecting = client.connect(server.address, { channels: 2 });
connecting.catch(() => {});

const start = performance.now();
for (let tick = 1; tick <= ticks; tick++) {
  tickClient();
  tickServer(tick);
  if (tick % 20 === 0) console.log(`tick ${tick}: position ${seen[1]} as the client sees it`);
  await sleep(Math.max(0, start + tick * TICK_MS - performance.now()));
}
const peer = await connecting;
console.log(
  `${snapshots} snapshots in ${ticks} ticks, round trip ${peer.stats.roundTripTimeMs} ms`,
);
