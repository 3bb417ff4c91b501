/**
 * `messaging-1` and `messaging-64`: requests of 64 bytes and their replies, one and 64 in flight, over
 * the library's messaging and over others. Both ends run on the same runtime. What others need is
 * installed when it is missing.
 *
 * @module
 */
import { installNpm, setupNats } from "../../tools/others.ts";
import type { Runtime } from "../../tools/setup.ts";
import { acrossCores, type Role } from "../_cores.ts";
import { type Carrier, type Count, type Job, type Plan, type Sample, samples } from "../_job.ts";
import { startNats } from "../_nats.ts";
import { cCommand, Program, runtimeCommand } from "../_program.ts";

const SIZE = 64;
const GRPC_VERSION = "1.14.7";
const NATS_VERSION = "3.4.0";

/** The workloads, and how many requests each has in flight. */
const IN_FLIGHT = { "messaging-1": 1, "messaging-64": 64 };

const SHARE: Record<Count, number> = { full: 1, quick: 0.2, small: 0.01 };

/** Requests of a full run, for as many in flight as there are workloads. */
const REQUESTS = { fast: [10_000, 200_000], slow: [5_000, 30_000] };

/** Something that carries requests. */
interface Way {
  carrier: Carrier;
  file: string;
  requests: number[];
  /** Fetches and starts what both programs need, and resolves with what they are told. */
  prepare(stack: AsyncDisposableStack): Promise<string>;
}

const nothing = () => Promise.resolve("-");

const WAYS: Way[] = [
  { carrier: "host", file: "host.ts", requests: REQUESTS.fast, prepare: nothing },
  ...(["udp", "tcp"] as const).map((carrier): Way => ({
    carrier,
    file: "messenger.ts",
    requests: REQUESTS.fast,
    prepare: () => Promise.resolve(carrier),
  })),
  { carrier: "http", file: "http.ts", requests: REQUESTS.slow, prepare: nothing },
  {
    carrier: "grpc",
    file: "grpc.ts",
    requests: REQUESTS.slow,
    prepare: () => installNpm("@grpc/grpc-js", GRPC_VERSION),
  },
  {
    carrier: "nats",
    file: "nats.ts",
    requests: REQUESTS.slow,
    async prepare(stack) {
      const folder = await installNpm("@nats-io/transport-node", NATS_VERSION);
      const { port } = stack.use(await startNats(await setupNats()));
      return `${folder}:${port}`;
    },
  },
];

/** Has one end ask the other; what came of it. */
async function measure(
  serve: string[],
  ask: (args: unknown[]) => string[],
  count: number,
  inFlight: number,
): Promise<Record<string, number>> {
  await using server = new Program(acrossCores("serve", serve));
  const port = await server.read("port");
  const args = [port, SIZE, count, Math.ceil(count / 4), inFlight];
  await using client = new Program(acrossCores("ask", ask(args)));
  const { seconds, p50, p99 } = await client.readAll("seconds", "p50", "p99");
  return { "requests/s": count / seconds, "p50 µs": p50, "p99 µs": p99 };
}

/** Measures both workloads. */
function job(
  runtime: Runtime | "c",
  way: Pick<Way, "requests" | "prepare"> & { carrier: Carrier | "manual" },
  share: number,
  command: (role: Role, what: string, args: unknown[]) => string[],
): Job {
  const { carrier, requests, prepare } = way;
  return {
    workloads: Object.keys(IN_FLIGHT),
    title: `messaging ${runtime} ${carrier}`,
    async run() {
      const all: Sample[] = [];
      await using stack = new AsyncDisposableStack();
      const what = await prepare(stack);
      const serve = command("serve", what, []);
      for (const [i, [workload, inFlight]] of Object.entries(IN_FLIGHT).entries()) {
        const count = Math.ceil(requests[i] * share);
        const ask = (args: unknown[]) => command("ask", what, args);
        const values = await measure(serve, ask, count, inFlight);
        all.push(...samples(workload, runtime, carrier, values));
      }
      return all;
    },
  };
}

/** All jobs with requests. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const share = SHARE[count];
  const inC = { carrier: "manual" as const, requests: REQUESTS.fast, prepare: nothing };
  return [
    job("c", inC, share, (role, _what, args) => cCommand("echo", [role, ...args])),
    ...runtimes.flatMap((runtime) =>
      WAYS.map((way) =>
        job(
          runtime,
          way,
          share,
          (role, what, args) =>
            runtimeCommand(runtime, `programs/requests/${way.file}`, [role, what, ...args]),
        )
      )
    ),
  ];
}
