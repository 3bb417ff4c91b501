/**
 * What the turn budget costs: `programs/stream.ts` receives messages of 64 bytes with the budget at its default, and
 * with one that is never used up, in turns. Printed are messages a second and CPU nanoseconds a message of the receiver,
 * medians of all rounds, and their ratio: above 1 where the budget costs nothing. Run it with
 *
 *     deno run -A bench/turn_budget.ts [--rounds N] [--count N] [--runtime NAME]
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { PacketFlag } from "../mod.ts";
import { minimum, type Runtime } from "../tools/setup.ts";
import { STYLES } from "./_job.ts";
import { median, Program, runtimeCommand } from "./_program.ts";

const BYTES = 64;
/** The longest budget there is; the program yields nowhere else. */
const UNUSED_MS = 60_000;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    count: { type: "string", default: "1000000" },
    runtime: { type: "string" },
  },
});
const [rounds, count] = [Number(values.rounds), Number(values.count)];
const runtimes = (Object.keys(minimum) as Runtime[]).filter((name) =>
  values.runtime === undefined || name === values.runtime
);

/** @returns messages a second, and CPU nanoseconds a message of the receiver */
async function receive(runtime: Runtime, style: string, budget: number[]): Promise<number[]> {
  const command = (...args: unknown[]) => runtimeCommand(runtime, "programs/stream.ts", args);
  await using receiver = new Program(command("receive", style, ...budget));
  const port = await receiver.read("port");
  await using sender = new Program(
    command("send", "handler", port, BYTES, count, count / 4, PacketFlag.RELIABLE),
  );
  const { seconds, messages, user, system } = await receiver.readAll(
    "seconds",
    "messages",
    "user",
    "system",
  );
  await Promise.all([sender.ended, receiver.ended]);
  return [messages / seconds, (user + system) * 1e9 / messages];
}

console.log(
  "runtime style      K messages/s   never used up   ratio   CPU ns   never used up   ratio",
);
for (const runtime of runtimes) {
  for (const style of STYLES) {
    const samples: [number[], number[]][] = [];
    for (let round = 0; round < rounds; round++) {
      const pair = [[], [UNUSED_MS]];
      if (round % 2 === 1) pair.reverse();
      const results = [
        await receive(runtime, style, pair[0]),
        await receive(runtime, style, pair[1]),
      ];
      samples.push((round % 2 === 1 ? results.reverse() : results) as [number[], number[]]);
    }
    const [rate, unusedRate, cpu, unusedCpu] = [0, 1].flatMap((what) =>
      [0, 1].map((which) => median(samples.map((sample) => sample[which][what])))
    );
    const columns: [string, number][] = [
      [(rate / 1000).toFixed(0), 13],
      [(unusedRate / 1000).toFixed(0), 16],
      [(rate / unusedRate).toFixed(2), 8],
      [cpu.toFixed(0), 9],
      [unusedCpu.toFixed(0), 16],
      [(unusedCpu / cpu).toFixed(2), 8],
    ];
    console.log(
      runtime.padEnd(8) + style.padEnd(10) +
        columns.map(([text, width]) => text.padStart(width)).join(""),
    );
  }
}
process.exit(0);
