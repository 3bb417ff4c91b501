/**
 * `hosts-100`: the memory of hosts that wait for connections.
 *
 * @module
 */
import { type Count, type Job, type Plan, samples } from "../_job.ts";
import { cCommand, Program, runtimeCommand } from "../_program.ts";
import type { Style } from "../programs/_common.ts";

const WORKLOAD = "hosts-100";
const HOSTS: Record<Count, number> = { full: 100, quick: 100, small: 10 };

function job(runtime: string, style: Style, hosts: number, command: string[]): Job {
  return {
    workloads: [WORKLOAD],
    title: `${WORKLOAD} ${runtime} ${style}`,
    async run() {
      await using program = new Program(command);
      const memory = await program.read("memory");
      await program.ended;
      return samples(WORKLOAD, runtime, style, { "memory KiB/host": memory / 1024 / hosts });
    },
  };
}

/** All jobs that count hosts. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const hosts = HOSTS[count];
  return [
    job("c", "manual", hosts, cCommand("hosts", [hosts])),
    ...runtimes.flatMap((runtime) =>
      (["handler", "manual"] as const).map((style) =>
        job(runtime, style, hosts, runtimeCommand(runtime, "programs/hosts.ts", [style, hosts]))
      )
    ),
  ];
}
