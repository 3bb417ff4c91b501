/**
 * Measures rooms across hosts: four hosts with 500 peers each, in rooms of 20 across the hosts, each with 20 messages of
 * 64 bytes a second. Beside it run Socket.IO with its Redis adapter, at the same work, and Colyseus, whose rooms each are
 * in one process.
 *
 *     npx -y deno run -A bench/rooms.ts [--seconds 10] [--only enet|socketio|colyseus] [--runtime node]
 *
 * It prints what a hop over the backplane adds to the time of a message, and the CPU time of a message: that of the hosts
 * and of the broker, for each message that a client has sent.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { parseArgs } from "node:util";
import { capture } from "../tools/_run.ts";
import { installNpm, setupNats } from "../tools/others.ts";
import { installPackages, type Runtime } from "../tools/setup.ts";
import { startNats } from "./_nats.ts";
import { runtimeCommand } from "./_program.ts";

const HOSTS = 4;
const TICKS_PER_SECOND = 100;

/** What the clients have measured. */
interface Load {
  readonly sent: number;
  readonly received: number;
  readonly expected: number;
  readonly p50Here: number;
  readonly p99Here: number;
  /** Null where all members of a room are on one host. */
  readonly p50Elsewhere: number | null;
  readonly p99Elsewhere: number | null;
}

/** A child process whose lines are read. */
class Child implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly #lines: string[] = [];
  #more = Promise.withResolvers<void>();
  readonly #ended: Promise<unknown>;

  constructor(command: readonly string[], env: Record<string, string> = {}) {
    this.process = spawn(command[0], command.slice(1), {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    this.#ended = new Promise((resolve) => this.process.on("close", resolve));
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      this.#lines.push(line);
      this.#more.resolve();
    });
    void this.#ended.then(() => this.#more.resolve());
  }

  /** The first line that begins so, without that beginning. */
  async line(beginning: string): Promise<string> {
    for (;;) {
      const line = this.#lines.find((line) => line.startsWith(beginning));
      if (line !== undefined) return line.slice(beginning.length);
      if (this.process.exitCode !== null) throw new Error(`no line "${beginning}" came`);
      this.#more = Promise.withResolvers();
      await this.#more.promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.#ended;
  }
}

/** CPU time of a process so far, in milliseconds. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND * 1000;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What is measured. */
interface Rival {
  /** The program, and its arguments; `PORT` is a port that is free. */
  readonly server: readonly string[];
  readonly load: string;
  readonly env: Record<string, string>;
  /** The process of the broker, if there is one. */
  readonly broker: number | undefined;
}

async function measure(runtime: Runtime, seconds: number, rival: Rival): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const [file, ...args] = rival.server;
  const servers: Child[] = [];
  for (let i = 0; i < HOSTS; i++) {
    const port = await freePort();
    const given = args.map((arg) => arg === "PORT" ? port : arg);
    servers.push(stack.use(new Child(runtimeCommand(runtime, `programs/rooms/${file}`, given))));
  }
  const ports = await Promise.all(servers.map((server) => server.line("port ")));
  const load = stack.use(
    new Child(
      runtimeCommand(runtime, `programs/rooms/${rival.load}`, [seconds, ...ports]),
      rival.env,
    ),
  );
  const pids = servers.map((server) => server.process.pid!);
  const cpu = () => ({
    hosts: pids.map(cpuMs).reduce((a, b) => a + b),
    broker: rival.broker === undefined ? 0 : cpuMs(rival.broker),
  });
  await load.line("measuring");
  const before = cpu();
  const result: Load = JSON.parse("{" + await load.line("{"));
  const after = cpu();
  const us = (ms: number) => (ms * 1000 / result.sent).toFixed(0);
  const ms = (value: number | null) => value === null ? "–" : value.toFixed(2);
  const added = (elsewhere: number | null, here: number) =>
    ms(elsewhere === null ? null : elsewhere - here);
  return [
    `${result.sent} messages, ${(result.received / result.expected * 100).toFixed(1)} % received; `,
    `same host p50 ${ms(result.p50Here)} ms, p99 ${ms(result.p99Here)} ms; `,
    `added by the hop p50 ${added(result.p50Elsewhere, result.p50Here)} ms, `,
    `p99 ${added(result.p99Elsewhere, result.p99Here)} ms; `,
    `CPU a message: hosts ${us(after.hosts - before.hosts)} µs, `,
    `broker ${us(after.broker - before.broker)} µs`,
  ].join("");
}

async function enet(stack: AsyncDisposableStack): Promise<Rival> {
  const { port } = stack.use(await startNats(await setupNats()));
  const pid = Number(capture(["pgrep", "-n", "nats-server"])!.trim());
  return { server: ["enet_server.ts", `${port}`], load: "enet_load.ts", env: {}, broker: pid };
}

async function socketio(stack: AsyncDisposableStack): Promise<Rival> {
  if (capture(["redis-server", "--version"]) === undefined) {
    await installPackages("apt-get", ["redis-server"], "redis-server");
  }
  const folders = [
    await installNpm("socket.io", "4"),
    await installNpm("@socket.io/redis-adapter", "8"),
    await installNpm("redis", "5"),
  ];
  const client = await installNpm("socket.io-client", "4");
  const port = await freePort();
  const redis = stack.use(
    new Child(["redis-server", "--bind", "127.0.0.1", "--port", `${port}`, "--save", ""]),
  );
  await new Promise((resolve) => setTimeout(resolve, 500));
  return {
    server: ["socketio_server.ts", ...folders, `${port}`],
    load: "socketio_load.ts",
    env: { CLIENT: client },
    broker: redis.process.pid!,
  };
}

async function colyseus(): Promise<Rival> {
  return {
    server: ["colyseus_server.ts", await installNpm("@colyseus/ws-transport", "0.18"), "PORT"],
    load: "colyseus_load.ts",
    env: { CLIENT: await installNpm("@colyseus/sdk", "0.18") },
    broker: undefined,
  };
}

const RIVALS = { enet, socketio, colyseus };

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    only: { type: "string" },
    runtime: { type: "string", default: "node" },
  },
});
for (const [name, start] of Object.entries(RIVALS)) {
  if (values.only !== undefined && values.only !== name) continue;
  await using stack = new AsyncDisposableStack();
  const rival = await start(stack);
  console.log(
    `${name}: ${await measure(values.runtime as Runtime, Number(values.seconds), rival)}`,
  );
}
