/**
 * What messages cost that a program keeps: `packet.bytes` of all messages, or of one in a hundred. Prints,
 * for each size, the bytes of their buffers and the growth of the process's heap, both for each byte kept;
 * the heap also has the JavaScript objects. Run it with
 *
 *     deno run -A --v8-flags=--expose-gc bench/kept.ts
 *     bun --expose-gc bench/kept.ts
 *     node --expose-gc --disable-warning=ExperimentalWarning bench/kept.ts
 *
 * @module
 */
import process from "node:process";
import { Host } from "../mod.ts";

const KEPT = 5_000;

declare const gc: () => void;

function used(): number {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function measure(size: number, every: number): Promise<void> {
  const kept: Uint8Array<ArrayBuffer>[] = [];
  const over = Promise.withResolvers<void>();
  let received = 0;
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {
    receive(_peer, _channelId, packet) {
      const { bytes } = packet;
      if (received++ % every === 0) kept.push(bytes);
      if (received === KEPT * every) over.resolve();
    },
  });
  await using client = await Host.create();
  const peer = await client.connect(server.address);
  const before = used();
  const message = new Uint8Array(size);
  for (let i = 0; i < KEPT * every; i++) if (!peer.send(0, message)) await peer.drain();
  await over.promise;
  const grown = used() - before;
  const buffers = new Set(kept.map(({ buffer }) => buffer));
  const held = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const each = (bytes: number) => (bytes / KEPT / size).toFixed(2).padStart(7);
  const which = every === 1 ? "each" : `1 in ${every}`;
  console.log(
    `${`${size}`.padStart(5)} B, ${which.padEnd(8)}  buffers ${each(held)}  heap ${each(grown)}`,
  );
}

for (const size of [20, 200, 1000]) for (const every of [1, 100]) await measure(size, every);
