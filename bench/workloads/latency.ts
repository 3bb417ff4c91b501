/**
 * `echo-64`: round trips of one message of 64 bytes at a time between two processes of the same kind,
 * each on its half of the cores. `manual` blocks in `service()` as the C program does; the others wait
 * for events. `…-spin` has hosts that always stay awake for the next message, `…-one-core` both
 * processes on one core.
 *
 * @module
 */
import { type Count, type Job, type Plan, samples, STYLES } from "../_job.ts";
import type { Runtime } from "../../tools/setup.ts";
import { acrossCores, onOneCore, type Role } from "../_cores.ts";
import { cCommand, Program, runtimeCommand } from "../_program.ts";
import type { Style } from "../programs/_common.ts";

const WORKLOAD = "echo-64";
const SIZE = 64;
const ROUND_TRIPS: Record<Count, number> = { full: 10_000, quick: 2_000, small: 50 };

async function echo(command: Command, count: number) {
  await using server = new Program(command("serve", []));
  const port = await server.read("port");
  await using client = new Program(command("ask", [port, SIZE, count, Math.ceil(count / 5)]));
  const times = await client.readAll("p50", "p90", "p99", "p99.9");
  await Promise.all([client.ended, server.ended]);
  return Object.fromEntries(Object.entries(times).map(([name, value]) => [`${name} µs`, value]));
}

type Command = (role: Role, args: unknown[]) => string[];

/** Where both programs run. */
type Placement = typeof acrossCores;

function job(
  workloads: string[],
  runtime: string,
  style: Style,
  count: number,
  place: Placement,
  command: Command,
): Job {
  return {
    workloads,
    title: `${workloads.join(" and ")} ${runtime} ${style}`,
    run: async () => {
      const times = await echo((role, args) => place(role, command(role, args)), count);
      return workloads.flatMap((workload) => samples(workload, runtime, style, times));
    },
  };
}

/** All latency jobs. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const trips = ROUND_TRIPS[count];
  const [spinning, oneCore] = [`${WORKLOAD}-spin`, `${WORKLOAD}-one-core`];
  const inC: Command = (role, args) => cCommand("echo", [role, ...args]);
  const on = (runtime: Runtime, style: Style, spin: string): Command => (role, args) =>
    runtimeCommand(runtime, "programs/echo.ts", [role, style, spin, ...args]);
  return [
    job([WORKLOAD, spinning], "c", "manual", trips, acrossCores, inC),
    job([oneCore], "c", "manual", trips, onOneCore, inC),
    ...runtimes.flatMap((runtime) => [
      ...STYLES.filter((style) => count !== "quick" || style !== "for-await").map((style) =>
        job([WORKLOAD], runtime, style, trips, acrossCores, on(runtime, style, "auto"))
      ),
      job([spinning], runtime, "handler", trips, acrossCores, on(runtime, "handler", "always")),
      job([oneCore], runtime, "handler", trips, onOneCore, on(runtime, "handler", "auto")),
    ]),
  ];
}
