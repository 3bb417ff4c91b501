/**
 * Others at the same work: WebSockets (`ws` on Node, what is built into Bun and Deno), the npm package
 * `enet`, and plain UDP sockets of `node:dgram`, which deliver nothing reliably. Both ends are of the
 * same kind. What they need of npm is installed when it is missing.
 *
 * @module
 */
import type { Runtime } from "../../tools/setup.ts";
import { installNpm, setupNpmEnet } from "../../tools/others.ts";
import { type Count, type Job, type Plan, type Sample, samples } from "../_job.ts";
import { Program, runtimeCommand } from "../_program.ts";

const SIZE = 64;
/** The version of the npm package `ws`. */
export const WS_VERSION = "8.23.0";

interface Rival {
  name: string;
  runtime: Runtime;
  file: string;
  /** The arguments between the role and the numbers, once what they name is there. */
  prepare(): Promise<string[]>;
  /** Messages of a full run, and the workloads that they count for. */
  messages: number;
  stream: "64-reliable" | "64-unreliable";
  /** Round trips of a full run; 0 where they are not measured. */
  roundTrips: number;
}

const websocket = (name: string, runtime: Runtime): Rival => ({
  name,
  runtime,
  file: "programs/websocket.ts",
  prepare: async () => [runtime === "node" ? await installNpm("ws", WS_VERSION) : "built-in"],
  messages: 300_000,
  stream: "64-reliable",
  roundTrips: 10_000,
});

const RIVALS: Rival[] = [
  websocket("ws", "node"),
  websocket("Bun.serve", "bun"),
  websocket("Deno.serve", "deno"),
  {
    name: "npm enet",
    runtime: "node",
    file: "programs/npm_enet.ts",
    prepare: async () => [await setupNpmEnet()],
    messages: 40_000,
    stream: "64-reliable",
    roundTrips: 400,
  },
  {
    name: "node:dgram",
    runtime: "node",
    file: "programs/udp.ts",
    prepare: () => Promise.resolve([]),
    messages: 200_000,
    stream: "64-unreliable",
    roundTrips: 0,
  },
];

const SHARE: Record<Count, number> = { full: 1, quick: 0.15, small: 0.01 };

/** What is common to both jobs: the commands of a rival. */
async function commands({ runtime, file, prepare }: Rival) {
  const prepared = await prepare();
  return (role: string, args: unknown[]) =>
    runtimeCommand(runtime, file, [role, ...prepared, ...args]);
}

function streamJob(rival: Rival, share: number): Job {
  const [receive, send] = [`receive-${rival.stream}`, `send-${rival.stream}`];
  const count = Math.ceil(rival.messages * share);
  return {
    workloads: [receive, send],
    title: `${rival.stream} ${rival.name}`,
    async run(): Promise<Sample[]> {
      const command = await commands(rival);
      await using receiver = new Program(command("receive", []));
      const port = await receiver.read("port");
      await using sender = new Program(command("send", [port, SIZE, count, Math.ceil(count / 4)]));
      const sent = await sender.readAll("seconds", "user", "system");
      const got = await receiver.readAll("seconds", "messages", "user", "system");
      return [
        ...samples(receive, rival.name, "handler", {
          "messages/s": got.messages / got.seconds,
          "cpu ns/message": (got.user + got.system) * 1e9 / got.messages,
          ...rival.stream === "64-reliable" ? {} : { "lost %": (1 - got.messages / count) * 100 },
        }),
        ...samples(send, rival.name, "handler", {
          "messages/s": count / sent.seconds,
          "cpu ns/message": (sent.user + sent.system) * 1e9 / count,
        }),
      ];
    },
  };
}

function echoJob(rival: Rival, share: number): Job {
  const workload = "echo-64";
  const count = Math.ceil(rival.roundTrips * share);
  return {
    workloads: [workload],
    title: `${workload} ${rival.name}`,
    async run(): Promise<Sample[]> {
      const command = await commands(rival);
      await using server = new Program(command("serve", []));
      const port = await server.read("port");
      await using client = new Program(command("ask", [port, SIZE, count, Math.ceil(count / 5)]));
      const times = await client.readAll("p50", "p90", "p99", "p99.9");
      const values = Object.entries(times).map(([name, value]) => [`${name} µs`, value]);
      return samples(workload, rival.name, "handler", Object.fromEntries(values));
    },
  };
}

/** All jobs of rivals on the runtimes that are measured. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const share = SHARE[count];
  return RIVALS.filter(({ runtime }) => runtimes.includes(runtime)).flatMap((rival) => [
    streamJob(rival, share),
    ...rival.roundTrips > 0 ? [echoJob(rival, share)] : [],
  ]);
}
