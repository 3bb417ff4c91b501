/**
 * Processes with rooms over NATS, which are killed, stopped and cut off from each other at random. The same seed gives the
 * same schedule; what the system does in between is its own.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { currentRuntime, type Program, spawnRuntime, until } from "../../_helpers.ts";
import { randomOf } from "../../_relay.ts";
import { type NatsCluster, startCluster } from "./_relays.ts";

const HOSTS = 3;
const ROOMS = ["a", "b"];
const CONVERGE_MS = 30_000;

/** What a host sees. */
interface View {
  /** `room member presence` of all members. */
  readonly view: string[];
  /** `room member` of those that have joined and not left, by the events. */
  readonly joined: string[];
  /** Events that came out of turn. */
  readonly faults: string[];
}

/** A process with a host. */
export class HostProcess implements AsyncDisposable {
  readonly program: Program;
  /** `room peer` to the presence. */
  readonly truth = new Map<string, number>();
  id = "";
  stopped = false;
  #views = 0;

  private constructor(program: Program) {
    this.program = program;
  }

  static async start(servers: readonly string[]): Promise<HostProcess> {
    const host = new HostProcess(spawnRuntime(currentRuntime(), "rooms_host.ts", servers));
    host.id = await host.program.line("id ");
    return host;
  }

  set(peer: number, room: string, presence: number): void {
    this.truth.set(`${room} ${this.id}-${peer}`, presence);
    this.program.write(`join ${peer} ${room} ${presence}`);
  }

  remove(peer: number, room: string): void {
    this.truth.delete(`${room} ${this.id}-${peer}`);
    this.program.write(`leave ${peer} ${room}`);
  }

  /** What it sees, and what its events have told. */
  async view(): Promise<View> {
    const number = ++this.#views;
    this.program.write(`view ${number}`);
    return JSON.parse(await this.program.line(`view ${number} `));
  }

  pause(stopped: boolean): void {
    this.stopped = stopped;
    // Deno takes a child that its own method has sent a signal for killed.
    process.kill(this.program.process.pid!, stopped ? "SIGSTOP" : "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
  }
}

/** Waits until all hosts see the members that there are, and nobody else. */
export async function converge(hosts: readonly HostProcess[]): Promise<void> {
  const truth = hosts.flatMap(({ truth }) => [...truth].map((entry) => entry.join(" "))).sort();
  const expected = JSON.stringify(truth);
  let views: View[] = [];
  await until(
    async () => {
      views = await Promise.all(hosts.map((host) => host.view()));
      return views.every(({ view }) => JSON.stringify(view) === expected);
    },
    CONVERGE_MS,
    "agreement",
  ).catch((error) => {
    throw new Error(`${error.message}:\n${JSON.stringify({ truth, views }, null, 1)}`);
  });
  for (const { view, joined, faults } of views) {
    assert.deepEqual(faults, []);
    const members = view.map((line) => line.split(" ").slice(0, 2).join(" "));
    assert.deepEqual(joined, members, "what the events have told");
  }
}

/** One random schedule. */
export async function runSchedule(seed: number, steps: number): Promise<void> {
  const random = randomOf(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  await using cluster = await startCluster();
  const hosts: HostProcess[] = [];
  const told: string[] = [];
  try {
    const start = async () => {
      const first = below(3);
      const servers = [0, 1, 2].map((i) => cluster.urls[(first + i) % 3]);
      return await HostProcess.start(servers);
    };
    hosts.push(...await Promise.all(Array.from({ length: HOSTS }, start)));
    for (let i = 0; i < steps; i++) {
      told.push(await step(hosts, cluster, below, start));
      await new Promise((resolve) => setTimeout(resolve, below(300)));
    }
    cluster.partitioned = false;
    for (const host of hosts) if (host.stopped) host.pause(false);
    await converge(hosts);
  } catch (error) {
    throw new Error(`seed ${seed}: ${told.join(", ")}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    await Promise.all(hosts.map((host) => host[Symbol.asyncDispose]()));
  }
}

async function step(
  hosts: HostProcess[],
  cluster: NatsCluster,
  below: (limit: number) => number,
  start: () => Promise<HostProcess>,
): Promise<string> {
  const host = hosts[below(hosts.length)];
  const what = below(16);
  if (what === 0) {
    await host[Symbol.asyncDispose]();
    hosts.splice(hosts.indexOf(host), 1);
    hosts.push(await start());
    return `kill ${host.id}`;
  }
  if (what === 1) {
    host.pause(!host.stopped);
    return `stop ${host.id} ${host.stopped}`;
  }
  if (what === 2) {
    cluster.partitioned = !cluster.partitioned;
    return `partition ${cluster.partitioned}`;
  }
  if (what === 3) {
    const which = below(3);
    await cluster.servers[which].restart();
    return `restart server ${which}`;
  }
  const [peer, room] = [1 + below(3), ROOMS[below(ROOMS.length)]];
  if (what < 7) {
    host.remove(peer, room);
    return `leave ${host.id} ${peer} ${room}`;
  }
  host.set(peer, room, below(100));
  return `join ${host.id} ${peer} ${room}`;
}
