/**
 * Encrypted connections beside plain ones, in one run: messages a second with `encryption-64`, `-1k` and `-64k`, and
 * round trips with `encryption-echo`. The names with `-plain` are the same without encryption, those with `-aes` with
 * AES-256-GCM in place of ChaCha20-Poly1305. Beside them stand
 * WebSockets over TLS: `wss` of `ws` on Node, and what is built into Bun and Deno.
 *
 * @module
 */
import { PacketFlag } from "../../mod.ts";
import type { Runtime } from "../../tools/setup.ts";
import { type Count, type Job, type Plan, samples } from "../_job.ts";
import { acrossCores } from "../_cores.ts";
import { Program, runtimeCommand } from "../_program.ts";
import { certificateFile } from "../_certificate.ts";
import { installNpm } from "../../tools/others.ts";
import { WS_VERSION } from "./rivals.ts";

const STREAMS = [
  { name: "64", size: 64, count: 5_000_000 },
  { name: "1k", size: 1024, count: 300_000 },
  { name: "64k", size: 65_536, count: 5_000 },
];
const ROUND_TRIPS = 10_000;
const SHARE: Record<Count, number> = { full: 1, quick: 0.2, small: 0.005 };

/** What encrypts: see `programs/_common.ts`; nothing is plain. */
const CIPHERS = ["", "chacha", "aes"] as const;
type Cipher = typeof CIPHERS[number];

const program = (runtime: Runtime, cipher: Cipher, file: string, args: unknown[]) => [
  ...["env", `ENCRYPTED=${cipher}`],
  ...runtimeCommand(runtime, `programs/${file}`, args),
];

const SUFFIXES: Record<Cipher, string> = { "": "-plain", chacha: "", aes: "-aes" };

function streamJob(
  runtime: Runtime,
  cipher: Cipher,
  { name, size, count }: typeof STREAMS[number],
  share: number,
): Job {
  const workload = `encryption-${name}${SUFFIXES[cipher]}`;
  const messages = Math.ceil(count * share);
  const start = (args: unknown[]) => new Program(program(runtime, cipher, "stream.ts", args));
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

function echoJob(runtime: Runtime, cipher: Cipher, trips: number): Job {
  const workload = `encryption-echo${SUFFIXES[cipher]}`;
  return {
    workloads: [workload],
    title: `${workload} ${runtime}`,
    async run() {
      const start = (role: "serve" | "ask", args: unknown[]) =>
        new Program(
          acrossCores(
            role,
            program(runtime, cipher, "echo.ts", [role, "handler", "auto", ...args]),
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

const WSS_MESSAGES = 300_000;

/** The command of a WebSocket over TLS; clients trust the certificate, which signs itself. */
async function wssCommand(runtime: Runtime): Promise<(role: string, args: unknown[]) => string[]> {
  const certificate = certificateFile();
  if (certificate === undefined) throw new Error("openssl, which makes a certificate, is missing");
  const folder = runtime === "node" ? await installNpm("ws", WS_VERSION) : "built-in";
  const names = ["CERTIFICATE", "NODE_EXTRA_CA_CERTS", "DENO_CERT"];
  return (role, args) => [
    ...["env", ...names.map((name) => `${name}=${certificate}`)],
    ...runtimeCommand(runtime, "programs/websocket.ts", [role, folder, ...args]),
  ];
}

function wssStreamJob(runtime: Runtime, share: number): Job {
  const messages = Math.ceil(WSS_MESSAGES * share);
  return {
    workloads: ["encryption-64"],
    title: `encryption-64 wss ${runtime}`,
    async run() {
      const command = await wssCommand(runtime);
      await using receiver = new Program(command("receive", []));
      const port = await receiver.read("port");
      const numbers = [port, 64, messages, Math.ceil(messages / 4)];
      await using sender = new Program(command("send", numbers));
      const got = await receiver.readAll(...["seconds", "messages"] as const);
      await sender.ended;
      const values = { "messages/s": got.messages / got.seconds };
      return samples("encryption-64", `wss ${runtime}`, "handler", values);
    },
  };
}

function wssEchoJob(runtime: Runtime, trips: number): Job {
  return {
    workloads: ["encryption-echo"],
    title: `encryption-echo wss ${runtime}`,
    async run() {
      const command = await wssCommand(runtime);
      await using server = new Program(acrossCores("serve", command("serve", [])));
      const port = await server.read("port");
      const numbers = [port, 64, trips, Math.ceil(trips / 5)];
      await using client = new Program(acrossCores("ask", command("ask", numbers)));
      const { p50, p99 } = await client.readAll("p50", "p99");
      const values = { "p50 µs": p50, "p99 µs": p99 };
      return samples("encryption-echo", `wss ${runtime}`, "handler", values);
    },
  };
}

/** All jobs: plain and encrypted ones in turn. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const share = SHARE[count];
  return runtimes.flatMap((runtime) => [
    ...STREAMS.flatMap((stream) =>
      CIPHERS.map((cipher) => streamJob(runtime, cipher, stream, share))
    ),
    ...CIPHERS.map((cipher) => echoJob(runtime, cipher, Math.ceil(ROUND_TRIPS * share))),
    wssStreamJob(runtime, share),
    wssEchoJob(runtime, Math.ceil(ROUND_TRIPS * share)),
  ]);
}
