/**
 * `echo-64`: round trips of one message of 64 bytes at a time between two processes of the same kind.
 * `manual` blocks in `service()` as the C program does; the others wait for events.
 *
 * @module
 */
import { type Count, type Job, type Plan, samples, STYLES } from "../_job.ts";
import { cCommand, Program, runtimeCommand } from "../_program.ts";
import type { Style } from "../programs/_common.ts";

const WORKLOAD = "echo-64";
const SIZE = 64;
const ROUND_TRIPS: Record<Count, number> = { full: 10_000, quick: 2_000, small: 50 };

async function echo(serve: string[], ask: (args: unknown[]) => string[], count: number) {
  await using server = new Program(serve);
  const port = await server.read("port");
  await using client = new Program(ask([port, SIZE, count, Math.ceil(count / 5)]));
  const times = await client.readAll("p50", "p90", "p99", "p99.9");
  await Promise.all([client.ended, server.ended]);
  return Object.fromEntries(Object.entries(times).map(([name, value]) => [`${name} µs`, value]));
}

function job(
  runtime: string,
  style: Style,
  count: number,
  command: (args: unknown[]) => string[],
): Job {
  return {
    workloads: [WORKLOAD],
    title: `${WORKLOAD} ${runtime} ${style}`,
    run: async () => {
      const times = await echo(
        command(["serve"]),
        (args) => command(["ask", ...args]),
        count,
      );
      return samples(WORKLOAD, runtime, style, times);
    },
  };
}

/** All latency jobs. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const trips = ROUND_TRIPS[count];
  return [
    job("c", "manual", trips, (args) => cCommand("echo", args)),
    ...runtimes.flatMap((runtime) =>
      STYLES.filter((style) => count !== "quick" || style !== "for-await").map((style) =>
        job(
          runtime,
          style,
          trips,
          ([role, ...args]) => runtimeCommand(runtime, "programs/echo.ts", [role, style, ...args]),
        )
      )
    ),
  ];
}
