/**
 * `echo-64-reliable` and the like: messages a second that come back from an echo, with as many under
 * way at once as keep both sides at work. Both ends take their events in the same way.
 *
 * @module
 */
import { PacketFlag } from "../../mod.ts";
import { type Count, type Job, type Plan, samples, STYLES } from "../_job.ts";
import { cCommand, Program, runtimeCommand } from "../_program.ts";
import type { Style } from "../programs/_common.ts";

interface Load {
  name: string;
  size: number;
  flags: number;
  count: number;
  atOnce: number;
}

const LOADS: Load[] = [
  { name: "64-reliable", size: 64, flags: PacketFlag.RELIABLE, count: 2_000_000, atOnce: 1000 },
  { name: "1k-reliable", size: 1024, flags: PacketFlag.RELIABLE, count: 60_000, atOnce: 128 },
  { name: "64k-reliable", size: 65_536, flags: PacketFlag.RELIABLE, count: 1_500, atOnce: 8 },
  { name: "64-unreliable", size: 64, flags: PacketFlag.UNRELIABLE, count: 2_000_000, atOnce: 1000 },
];

const SHARE: Record<Count, number> = { full: 1, quick: 0.2, small: 0.01 };

/** What one side is started with. */
type Command = (role: "serve" | "ask", args: unknown[]) => string[];

function job(load: Load, share: number, runtime: string, style: Style, command: Command): Job {
  const workload = `echo-${load.name}`;
  const { size, flags, atOnce } = load;
  return {
    workloads: [workload],
    title: `${workload} ${runtime} ${style}`,
    async run() {
      const count = Math.ceil(load.count * share);
      await using server = new Program(command("serve", []));
      const port = await server.read("port");
      const args = [port, size, count, Math.ceil(count / 4), atOnce];
      await using client = new Program(command("ask", args));
      const { seconds, messages } = await client.readAll("seconds", "messages");
      await Promise.all([client.ended, server.ended]);
      return samples(workload, runtime, style, {
        "messages/s": messages / seconds,
        ...flags === PacketFlag.RELIABLE ? {} : { "lost %": (1 - messages / count) * 100 },
      });
    },
  };
}

/** All jobs with many messages under way to and fro. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const share = SHARE[count];
  const styles = count === "quick" ? STYLES.slice(0, 1) : STYLES;
  return LOADS.flatMap((load) => [
    job(
      load,
      share,
      "c",
      "manual",
      (role, args) => cCommand("reflect", role === "serve" ? [role] : [role, load.flags, ...args]),
    ),
    ...runtimes.flatMap((runtime) =>
      styles.map((style) =>
        job(
          load,
          share,
          runtime,
          style,
          (role, args) =>
            runtimeCommand(runtime, "programs/reflect.ts", [role, style, load.flags, ...args]),
        )
      )
    ),
  ]);
}
