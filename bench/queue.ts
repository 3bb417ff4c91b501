/**
 * How the time per message depends on how many are queued at once: 2,000 to 200,000 reliable
 * messages of 64 bytes, queued in one go and counted at the far end. Run it with
 *
 *     deno run -A bench/queue.ts
 *     bun bench/queue.ts
 *     node --disable-warning=ExperimentalWarning bench/queue.ts
 *
 * @module
 */
import { Host } from "../mod.ts";

const SIZES = [2_000, 20_000, 200_000];
const ROUNDS = 7;
const MESSAGE = new Uint8Array(64);

async function nanosecondsPerMessage(count: number): Promise<number> {
  let received = 0;
  const done = Promise.withResolvers<void>();
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {
    receive: () => {
      if (++received === count) done.resolve();
    },
  });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  const start = performance.now();
  for (let sent = 0; sent < count; sent++) peer.send(0, MESSAGE);
  await done.promise;
  return (performance.now() - start) * 1e6 / count;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

const results = new Map<number, number[]>(SIZES.map((size) => [size, []]));
await nanosecondsPerMessage(SIZES[0]);
for (let round = 1; round <= ROUNDS; round++) {
  for (const size of SIZES) results.get(size)?.push(await nanosecondsPerMessage(size));
  console.log(`round ${round} of ${ROUNDS}`);
}
const base = median(results.get(SIZES[0]) ?? []);
console.log("queued at once   ns per message (median)   ratio");
for (const [size, values] of results) {
  const value = median(values);
  console.log(
    `${String(size).padStart(14)}   ${value.toFixed(0).padStart(23)}   ${
      (value / base).toFixed(2)
    }`,
  );
}
