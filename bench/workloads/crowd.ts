/**
 * A server with many peers. All send unreliable messages at a steady rate and are sent one of their
 * own at the same rate; the peers are sockets of one C program. What counts is the server's CPU, and
 * its memory for a connected peer.
 *
 * @module
 */
import { type Count, type Job, type Plan, samples } from "../_job.ts";
import { cCommand, Program, runtimeCommand } from "../_program.ts";
import type { Style } from "../programs/_common.ts";

interface Crowd {
  name: string;
  peers: number;
  /** Messages a second to and from each peer. */
  rate: number;
  size: number;
  styles: Style[];
}

const CROWDS: Crowd[] = [
  { name: "fanout-200", peers: 200, rate: 60, size: 200, styles: ["handler", "manual"] },
  { name: "crowd-1000", peers: 1000, rate: 20, size: 64, styles: ["handler", "manual"] },
  { name: "idle-100", peers: 100, rate: 0, size: 0, styles: ["handler", "manual"] },
  ...[10, 100, 1000, 4000].map((peers): Crowd => ({
    name: `growth-${peers}`,
    peers,
    rate: 5,
    size: 64,
    styles: ["handler"],
  })),
];

const SECONDS: Record<Count, number> = { full: 2, quick: 0.5, small: 0.2 };

/** Messages after which runtimes have compiled what handles them. */
const WARM_MESSAGES = 5000;
const WARM_SECONDS = 15;

/** Seconds that come before what is measured. A server runs for days, so what it compiles at first does not count. */
function settle({ peers, rate }: Crowd, count: Count): number {
  if (count !== "full" || rate === 0) return 1;
  return Math.min(WARM_SECONDS, Math.max(1, WARM_MESSAGES / (peers * rate)));
}

async function crowd({ peers, rate, size }: Crowd, serve: string[]) {
  await using server = new Program(serve);
  const port = await server.read("port");
  await using clients = new Program(cCommand("crowd", ["clients", port, peers, rate, size]));
  clients.ended.catch(() => {}); // It ends when the server is gone, or is killed.
  const seen = await server.readAll("seconds", "received", "user", "system", "memory");
  return {
    "cpu ms/s": (seen.user + seen.system) * 1000 / seen.seconds,
    "user ms/s": seen.user * 1000 / seen.seconds,
    ...rate > 0 ? { "received/s": seen.received / seen.seconds } : {},
    "memory KiB/peer": seen.memory / 1024 / peers,
  };
}

function job(workload: Crowd, runtime: string, style: Style, count: Count): Job {
  const { name, peers, rate, size } = workload;
  const args = [peers, rate, size, settle(workload, count), SECONDS[count]];
  const command = runtime === "c"
    ? cCommand("crowd", ["serve", ...args])
    : runtimeCommand(runtime as Plan["runtimes"][number], "programs/crowd.ts", [style, ...args]);
  return {
    workloads: [name],
    title: `${name} ${runtime} ${style}`,
    run: async () => samples(name, runtime, style, await crowd(workload, command)),
  };
}

/** All jobs with many peers. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const isWanted = ({ name }: Crowd) => count !== "quick" || !name.startsWith("growth");
  return CROWDS.filter(isWanted).flatMap((workload) => [
    job(workload, "c", "manual", count),
    ...runtimes.flatMap((runtime) =>
      (count === "quick" ? ["handler" as const] : workload.styles)
        .map((style) => job(workload, runtime, style, count))
    ),
  ]);
}
