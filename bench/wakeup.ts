/**
 * What it costs to wake JavaScript: CPU microseconds a wake-up, of the main thread and of the others, at rates at which
 * nothing arrives together. Beside a host of the library stand the least that the runtime needs for a byte of a socket,
 * and for a datagram of its own UDP socket, and a server in C. Run it with
 *
 *     deno run -A bench/wakeup.ts [--rounds N] [--rate N] [--runtime NAME]
 *
 * It needs Linux, which counts the time of each thread, and the C programs: `deno task bench -- --quick --only echo`
 * builds them.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { minimum, type Runtime } from "../tools/setup.ts";
import { cCommand, median, Program, runtimeCommand } from "./_program.ts";

const BYTES = 64;
const SECONDS = 3;
const SETTLE_SECONDS = 1;
/** What is measured, in this order; `stream` has no counterpart on Bun, whose sockets take no descriptor. */
const KINDS = ["buffer", "stream", "datagram", "library"] as const;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    rate: { type: "string", multiple: true, default: ["50", "500"] },
    runtime: { type: "string" },
  },
});
const runtimes = (Object.keys(minimum) as Runtime[]).filter((name) =>
  values.runtime === undefined || name === values.runtime
);

/** @returns microseconds of the main thread, and of the others */
async function measure(runtime: Runtime, kind: string, rate: number): Promise<[number, number]> {
  const command = runtimeCommand(runtime, "programs/wakeup.ts", [kind, rate]);
  const isFed = kind === "buffer" || kind === "stream";
  await using program = new Program(isFed ? cCommand("tick", [rate, ...command]) : command);
  await using _source = isFed ? undefined : new Program(
    kind === "datagram"
      ? cCommand("tick", [rate, await program.read("port")])
      : cCommand("crowd", ["clients", await program.read("port"), 1, rate, BYTES]),
  );
  const { main, others } = await program.readAll("main", "others");
  return [main, others];
}

/** @returns microseconds a message */
async function measureC(rate: number): Promise<number> {
  await using server = new Program(
    cCommand("crowd", ["serve", 1, rate, BYTES, SETTLE_SECONDS, SECONDS]),
  );
  await using _clients = new Program(
    cCommand("crowd", ["clients", await server.read("port"), 1, rate, BYTES]),
  );
  const { received, user, system } = await server.readAll("received", "user", "system");
  return (user + system) * 1e6 / received;
}

console.log("per second  program   what        main µs  others µs");
for (const rate of values.rate.map(Number)) {
  const samples = new Map<string, [number, number][]>();
  const note = (row: string, sample: [number, number]) => {
    samples.set(row, [...samples.get(row) ?? [], sample]);
  };
  for (let round = 0; round < Number(values.rounds); round++) {
    note(`${"c".padEnd(10)}${"server".padEnd(10)}`, [await measureC(rate), 0]);
    for (const runtime of runtimes) {
      for (const kind of KINDS) {
        if (runtime === "bun" && kind === "stream") continue;
        note(
          `${runtime.padEnd(10)}${kind.padEnd(10)}`,
          await measure(runtime, kind, rate),
        );
      }
    }
  }
  for (const [row, pairs] of samples) {
    const [main, others] = [0, 1].map((which) => median(pairs.map((pair) => pair[which])));
    console.log(
      `${String(rate).padStart(10)}  ${row}${main.toFixed(1).padStart(9)}${
        others.toFixed(1).padStart(11)
      }`,
    );
  }
}
process.exit(0);
