/**
 * What the garbage collectors do while ten million messages of 64 bytes are received by a handler:
 * collections as each runtime's engine logs them, after the first million. Run it with
 *
 *     deno run -A bench/garbage.ts
 *
 * @module
 */
import { run } from "../tools/_run.ts";
import { build } from "../tools/build.ts";
import type { Runtime } from "../tools/setup.ts";
import { cCommand, Program, runtimeCommand } from "./_program.ts";

const MESSAGES = 10_000_000;
const WARMUP = 1_000_000;

/** How an engine is made to log, and what its lines are. */
const LOGS: Record<Runtime, {
  flags: string[];
  env: Record<string, string>;
  major: RegExp;
  minor: RegExp;
}> = {
  deno: { flags: ["--v8-flags=--trace-gc"], env: {}, major: /Mark-Compact/g, minor: /Scavenge/g },
  bun: {
    flags: [],
    env: { BUN_JSC_logGC: "1" },
    major: /=> FullCollection/g,
    minor: /=> EdenCollection/g,
  },
  node: { flags: ["--trace-gc"], env: {}, major: /Mark-Compact/g, minor: /Scavenge/g },
};

/** Receives a number of messages from the C program; what the runtime has printed. */
async function receive(runtime: Runtime, messages: number): Promise<string> {
  const { flags, env } = LOGS[runtime];
  const [executable, ...args] = runtimeCommand(runtime, "programs/stream.ts", [
    "receive",
    "handler",
  ]);
  // Deno's own flags stand behind its subcommand.
  const at = runtime === "deno" ? 1 : 0;
  const port = Promise.withResolvers<string>();
  let printed = "";
  const receiving = run([executable, ...args.toSpliced(at, 0, ...flags)], {
    env,
    limitMs: 300_000,
    onOutput: (text) => {
      const [, number] = (printed += text).match(/^port (\d+)$/m) ?? [];
      if (number !== undefined) port.resolve(number);
    },
  });
  await using sender = new Program(
    cCommand("stream", ["send", await port.promise, 64, messages, 1, 1]),
  );
  await sender.ended;
  const { ok, ending, output } = await receiving;
  if (!ok) throw new Error(`${runtime}: ${ending}\n${output.slice(-500)}`);
  return output;
}

const count = (text: string, what: RegExp) => [...text.matchAll(what)].length;

await build("benches");
console.log("runtime   major   minor");
for (const runtime of Object.keys(LOGS) as Runtime[]) {
  const { major, minor } = LOGS[runtime];
  const [short, long] = [await receive(runtime, WARMUP), await receive(runtime, MESSAGES)];
  const more = (what: RegExp) => String(count(long, what) - count(short, what)).padStart(8);
  console.log(`${runtime.padEnd(7)} ${more(major)} ${more(minor)}`);
}
