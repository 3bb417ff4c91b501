/**
 * What it costs to queue one message to many peers: a loop of `peer.send`, a group, and broadcasts, in
 * nanoseconds for each member. The server has no pump, so that nothing is sent meanwhile. Run it with
 *
 *     deno run -A bench/group.ts
 *     bun bench/group.ts
 *     node --disable-warning=ExperimentalWarning bench/group.ts
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { Host, PacketFlag, type Peer } from "../mod.ts";

const MEMBERS = [64, 1000];
const BYTES = [64, 1024];
const ROUNDS = 15;
const MESSAGES_PER_ROUND = 20_000;
const CONNECTS_AT_ONCE = 50;

const peers: Peer[] = [];
await using server = await Host.listen(
  { hostname: "127.0.0.1", peers: Math.max(...MEMBERS), pump: false },
  { connect: (peer) => void peers.push(peer) },
);
await using client = await Host.create({ peers: Math.max(...MEMBERS) }, {});

async function serviceUntil(condition: () => boolean): Promise<void> {
  while (!condition()) {
    server.service();
    await setImmediate();
  }
}

async function connectUntil(count: number): Promise<void> {
  while (peers.length < count) {
    const wanted = Math.min(count, peers.length + CONNECTS_AT_ONCE);
    for (let i = peers.length; i < wanted; i++) void client.connect(server.address);
    await serviceUntil(() => peers.length === wanted);
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

console.log("members   bytes   way              ns per member   of the loop");
for (const members of MEMBERS) {
  await connectUntil(members);
  const group = server.group();
  for (const peer of peers) group.add(peer);
  const some = [...peers];
  const ways: Record<string, (message: Uint8Array) => void> = {
    "loop of send": (message) => {
      for (const peer of some) peer.send(0, message, PacketFlag.UNRELIABLE);
    },
    "group.send": (message) => void group.send(0, message, PacketFlag.UNRELIABLE),
    "broadcast": (message) => void server.broadcast(0, message, PacketFlag.UNRELIABLE),
    "broadcast to": (message) =>
      void server.broadcast(0, message, PacketFlag.UNRELIABLE, { to: some }),
  };
  for (const bytes of BYTES) {
    const message = new Uint8Array(bytes);
    const sends = Math.ceil(MESSAGES_PER_ROUND / members);
    const times = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      const entries = Object.entries(ways);
      // Each way comes after each other one: what a long loop has left in the caches counts.
      for (let i = 0; i < entries.length; i++) {
        const [name, send] = entries[(i + round) % entries.length];
        const start = performance.now();
        for (let sent = 0; sent < sends; sent++) send(message);
        times.get(name)?.push((performance.now() - start) * 1e6 / (sends * members));
        await serviceUntil(() => peers.every(({ stats }) => stats.queuedMessages === 0));
      }
    }
    const loop = median(times.get("loop of send") ?? []);
    for (const [name, values] of times) {
      const value = median(values);
      console.log(
        `${String(members).padStart(7)}${String(bytes).padStart(8)}   ${name.padEnd(14)}` +
          `${value.toFixed(0).padStart(16)}${(value / loop).toFixed(2).padStart(14)}`,
      );
    }
  }
}
