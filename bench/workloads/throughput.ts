/**
 * Messages a second from one process to another: `receive-…` looks at the receiver, `send-…` at the
 * sender. Both ends run on the same runtime, and the ratio is to both ends in C. `…-from-c` and
 * `…-to-c` have a C program at the other end.
 *
 * @module
 */
import { PacketFlag } from "../../mod.ts";
import { type Count, type Job, type Plan, type Sample, samples, STYLES } from "../_job.ts";
import { cCommand, Program, runtimeCommand } from "../_program.ts";
import type { Style } from "../programs/_common.ts";

interface Stream {
  name: string;
  size: number;
  flags: number;
  /** Messages measured in a full run: a third of a second or more. */
  count: number;
}

const STREAMS: Stream[] = [
  { name: "64-reliable", size: 64, flags: PacketFlag.RELIABLE, count: 5_000_000 },
  { name: "1k-reliable", size: 1024, flags: PacketFlag.RELIABLE, count: 150_000 },
  { name: "64k-reliable", size: 65_536, flags: PacketFlag.RELIABLE, count: 3_000 },
  { name: "64-unreliable", size: 64, flags: PacketFlag.UNRELIABLE, count: 5_000_000 },
];

const SHARE: Record<Count, number> = { full: 1, quick: 0.2, small: 0.001 };

/** A quarter more before what is measured, for the compilers of the runtimes. */
const WARMUP = 0.25;

/** One end of a stream: a program and how it is to receive or send. */
interface End {
  runtime: string;
  style: Style;
  command(role: "receive" | "send", args: unknown[]): string[];
}

const C: End = {
  runtime: "c",
  style: "manual",
  command: (role, args) => cCommand("stream", [role, ...args]),
};

/** Streams from one end to the other; what each of them has printed. */
async function stream({ size, flags, count }: Stream, share: number, from: End, to: End) {
  const messages = Math.ceil(count * share);
  const warmup = Math.ceil(messages * WARMUP);
  await using receiver = new Program(to.command("receive", []));
  const port = await receiver.read("port");
  await using sender = new Program(from.command("send", [port, size, messages, warmup, flags]));
  const sent = await sender.readAll("seconds", "user", "system");
  const received = await receiver.readAll("seconds", "messages", "user", "system");
  await Promise.all([sender.ended, receiver.ended]);
  const perMessage = (end: { user: number; system: number }, messages: number) => ({
    "cpu ns/message": (end.user + end.system) * 1e9 / messages,
    "user ns/message": end.user * 1e9 / messages,
  });
  return {
    receiving: {
      "messages/s": received.messages / received.seconds,
      ...perMessage(received, received.messages),
      ...flags === PacketFlag.RELIABLE
        ? {}
        : { "lost %": (1 - received.messages / messages) * 100 },
    },
    sending: { "messages/s": messages / sent.seconds, ...perMessage(sent, messages) },
  };
}

/** Which samples of a run are wanted, and under which names. */
interface Wanted {
  receive?: string[];
  send?: string[];
}

function job(workload: Stream, share: number, from: End, to: End, wanted: Wanted): Job {
  const { receive = [], send = [] } = wanted;
  return {
    workloads: [...receive, ...send],
    title: `${workload.name} from ${from.runtime} ${from.style} to ${to.runtime} ${to.style}`,
    async run(): Promise<Sample[]> {
      const { receiving, sending } = await stream(workload, share, from, to);
      return [
        ...receive.flatMap((name) => samples(name, to.runtime, to.style, receiving)),
        ...send.flatMap((name) => samples(name, from.runtime, from.style, sending)),
      ];
    },
  };
}

/** All throughput jobs. */
export function jobs({ runtimes, count }: Plan): Job[] {
  const share = SHARE[count];
  return STREAMS.flatMap((workload) => {
    const [receive, send] = [`receive-${workload.name}`, `send-${workload.name}`];
    const [fromC, toC] = [`${receive}-from-c`, `${send}-to-c`];
    const inC = job(workload, share, C, C, { receive: [receive, fromC], send: [send, toC] });
    return [
      inC,
      ...runtimes.flatMap((runtime) => {
        const end = (style: Style): End => ({
          runtime,
          style,
          command: (role, args) =>
            runtimeCommand(runtime, "programs/stream.ts", [role, style, ...args]),
        });
        const usual = end("handler");
        // Quick runs look at the other styles and ends in one workload only.
        if (count === "quick" && workload !== STREAMS[0]) {
          return [job(workload, share, usual, usual, { receive: [receive], send: [send] })];
        }
        const others = STYLES.filter((style) => style !== usual.style).map(end);
        return [
          job(workload, share, usual, usual, { receive: [receive], send: [send] }),
          ...others.map((to) => job(workload, share, usual, to, { receive: [receive] })),
          ...others.map((from) => job(workload, share, from, usual, { send: [send] })),
          job(workload, share, C, usual, { receive: [fromC] }),
          job(workload, share, usual, C, { send: [toC] }),
        ];
      }),
    ];
  });
}
