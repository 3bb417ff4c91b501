/**
 * `churn-50`: connections opened and closed, fifty at once, between two processes of the same kind.
 *
 * @module
 */
import { type Count, type Job, type Plan, samples } from "../_job.ts";
import { cCommand, Program, runtimeCommand } from "../_program.ts";
import type { Style } from "../programs/_common.ts";

const WORKLOAD = "churn-50";
const AT_ONCE = 50;
const TIMES: Record<Count, number> = { full: 200, quick: 50, small: 2 };

function job(
  runtime: string,
  style: Style,
  times: number,
  command: (args: unknown[]) => string[],
): Job {
  return {
    workloads: [WORKLOAD],
    title: `${WORKLOAD} ${runtime}`,
    async run() {
      await using server = new Program(command(["serve"]));
      const port = await server.read("port");
      const warmup = Math.ceil(times / 10);
      await using client = new Program(command(["ask", port, times, AT_ONCE, warmup]));
      const seconds = await client.read("seconds");
      await Promise.all([client.ended, server.ended]);
      return samples(WORKLOAD, runtime, style, { "connections/s": times * AT_ONCE / seconds });
    },
  };
}

/** All jobs with short connections. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const times = TIMES[count];
  return [
    job("c", "manual", times, (args) => cCommand("churn", args)),
    ...runtimes.map((runtime) =>
      job(runtime, "handler", times, (args) => runtimeCommand(runtime, "programs/churn.ts", args))
    ),
  ];
}
