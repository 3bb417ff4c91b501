/**
 * Encrypted connections beside plain ones, in one run: messages a second with `encryption-64`, `-1k` and `-64k`, and
 * round trips with `encryption-echo`. The names with `-plain` are the same without encryption.
 *
 * @module
 */
import { PacketFlag } from "../../mod.ts";
import type { Runtime } from "../../tools/setup.ts";
import { type Count, type Job, type Plan, samples } from "../_job.ts";
import { acrossCores } from "../_cores.ts";
import { Program, runtimeCommand } from "../_program.ts";

const STREAMS = [
  { name: "64", size: 64, count: 5_000_000 },
  { name: "1k", size: 1024, count: 300_000 },
  { name: "64k", size: 65_536, count: 5_000 },
];
const ROUND_TRIPS = 10_000;
const SHARE: Record<Count, number> = { full: 1, quick: 0.2, small: 0.005 };

const program = (runtime: Runtime, encrypted: boolean, file: string, args: unknown[]) => [
  ...["env", `ENCRYPTED=${Number(encrypted)}`],
  ...runtimeCommand(runtime, `programs/${file}`, args),
];

const suffix = (encrypted: boolean) => encrypted ? "" : "-plain";

function streamJob(
  runtime: Runtime,
  encrypted: boolean,
  { name, size, count }: typeof STREAMS[number],
  share: number,
): Job {
  const workload = `encryption-${name}${suffix(encrypted)}`;
  const messages = Math.ceil(count * share);
  const start = (args: unknown[]) => new Program(program(runtime, encrypted, "stream.ts", args));
  return {
    workloads: [workload],
    title: `${workload} ${runtime}`,
    async run() {
      await using receiver = start(["receive", "handler"]);
      const port = await receiver.read("port");
      const numbers = [port, size, messages, Math.ceil(messages / 4), PacketFlag.RELIABLE];
      await using sender = start(["send", "handler", ...numbers]);
      const { seconds, messages: received } = await receiver.readAll(
        ...["seconds", "messages"] as const,
      );
      await Promise.all([sender.ended, receiver.ended]);
      return samples(workload, runtime, "handler", { "messages/s": received / seconds });
    },
  };
}

function echoJob(runtime: Runtime, encrypted: boolean, trips: number): Job {
  const workload = `encryption-echo${suffix(encrypted)}`;
  return {
    workloads: [workload],
    title: `${workload} ${runtime}`,
    async run() {
      const start = (role: "serve" | "ask", args: unknown[]) =>
        new Program(
          acrossCores(
            role,
            program(runtime, encrypted, "echo.ts", [role, "handler", "auto", ...args]),
          ),
        );
      await using server = start("serve", []);
      const port = await server.read("port");
      await using client = start("ask", [port, 64, trips, Math.ceil(trips / 5)]);
      const times = await client.readAll("p50", "p99");
      await Promise.all([client.ended, server.ended]);
      return samples(workload, runtime, "handler", { "p50 µs": times.p50, "p99 µs": times.p99 });
    },
  };
}

/** All jobs: plain and encrypted ones in turn. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const share = SHARE[count];
  return runtimes.flatMap((runtime) => [
    ...STREAMS.flatMap((stream) =>
      [false, true].map((encrypted) => streamJob(runtime, encrypted, stream, share))
    ),
    ...[false, true].map((encrypted) =>
      echoJob(runtime, encrypted, Math.ceil(ROUND_TRIPS * share))
    ),
  ]);
}
