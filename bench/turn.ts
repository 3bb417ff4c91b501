/**
 * How late a timer of 1 ms is while a client floods and each message costs the program 30 µs, for each
 * way to receive; beside it, the same work without the library. Run it with
 *
 *     deno run -A bench/turn.ts
 *     bun bench/turn.ts
 *     node --disable-warning=ExperimentalWarning bench/turn.ts
 *
 * An argument is the number of messages.
 *
 * @module
 */
import process from "node:process";
import { Worker } from "node:worker_threads";
import { setImmediate } from "node:timers";
import { TURN_BUDGET_MS } from "../lib/internal/turn.ts";
import { Channel } from "../lib/channel/mod.ts";
import { burn, Bystanders, receiveFlood, WAYS, WORK_MS } from "../tests/_flood.ts";

const count = Number(process.argv[2] ?? 100_000);

async function receiveChannel(way: string, onMessage: () => void): Promise<void> {
  const over = Promise.withResolvers<void>();
  let received = 0;
  const take = () => {
    if (received < count) onMessage();
    if (++received === count) over.resolve();
  };
  const handlers = way === "channel handlers" ? { receive: take } : undefined;
  await using channel = await Channel.open({ handlers });
  const { memory, port } = channel.remote!;
  const worker = new Worker(new URL("../tests/programs/channel_worker.ts", import.meta.url), {
    workerData: "flood",
  });
  worker.postMessage({ memory, port }, [port as never]);
  if (handlers === undefined) {
    void (async () => {
      for await (const _bytes of channel) take();
    })();
  }
  await over.promise;
  await channel.close();
  await worker.terminate();
}

/** The same work without the library, in turns of 5 ms: what else the machine does delays it as well. */
async function workInTurns(onMessage: () => void): Promise<void> {
  let end = 0;
  for (let received = 0; received < count; received++) {
    if (performance.now() > end) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      end = performance.now() + TURN_BUDGET_MS;
    }
    onMessage();
  }
}

async function measure(
  way: string,
  flood: (onMessage: () => void) => Promise<void>,
): Promise<void> {
  using bystanders = await Bystanders.create();
  let start = 0;
  let end = 0;
  let received = 0;
  await flood(() => {
    bystanders.message();
    burn(WORK_MS);
    if (++received === 1) start = performance.now();
    if (received === count) end = performance.now();
  });
  const { lateMs, longest, segments } = bystanders;
  lateMs.sort((a, b) => a - b);
  const percentile = (share: number) =>
    (lateMs[Math.min(lateMs.length - 1, Math.floor(lateMs.length * share))] ?? NaN).toFixed(1);
  console.log(
    `${way.padEnd(18)} timers ${lateMs.length}, late by p50 ${percentile(0.5)} ` +
      `p99 ${percentile(0.99)} max ${percentile(1)} ms, at most ${longest} messages between two; ` +
      `${segments} TCP segments; ${Math.round(count / (end - start))} messages/ms`,
  );
}

await measure("no library", workInTurns);
for (const way of WAYS) await measure(way, (onMessage) => receiveFlood(way, count, onMessage));
for (const way of ["channel iteration", "channel handlers"]) {
  await measure(way, (onMessage) => receiveChannel(way, onMessage));
}
process.exit(0);
