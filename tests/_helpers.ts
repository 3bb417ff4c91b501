/**
 * What the tests share: deadlines, leak checks, connected hosts and child programs.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import {
  type Address,
  type ConnectOptions,
  diagnostics,
  type DisconnectReason,
  ENetError,
  Host,
  type HostHandlers,
  type HostOptions,
  type ListenOptions,
  type Peer,
} from "../mod.ts";
import { type Runtime, runtimes } from "../tools/setup.ts";

/** The runtime that runs this file. */
export function currentRuntime(): Runtime {
  if ("deno" in process.versions) return "deno";
  return "bun" in process.versions ? "bun" : "node";
}

/** Settles as the promise does, or rejects once the time is over. */
export async function withDeadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what}: not within ${ms} ms`)),
    ms,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The error that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<ENetError> {
  const error = await withDeadline(
    promise.then(() => undefined, (error) => error),
    30_000,
    "an error",
  );
  assert.ok(error instanceof ENetError, String(error));
  return error;
}

/** The message of the error that a promise rejects with, which must have this code. */
export async function rejection(promise: Promise<unknown>, code: string): Promise<string> {
  const error = await errorOf(promise);
  assert.equal(error.code, code);
  return error.message;
}

/** Asks again and again until the answer is truthy, and returns it; rejects once the time is over. */
export async function until<T>(
  condition: () => T | Promise<T>,
  ms: number,
  what: string,
): Promise<NonNullable<T>> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Keeps this thread from doing anything else, as long work would, but leaves the processor to others. */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** The part of a `node:test` context that is used here. */
export interface TestContext {
  after(check: () => Promise<void>): void;
  diagnostic?(message: string): void;
}

/** The counters that have to come back to where they were. */
async function held() {
  const { packetsEver: _ever, reservedBytes: _reserved, ...counters } = await diagnostics();
  return counters;
}

/**
 * Fails the test unless the library holds as much at its end as now. Call and await it first; what
 * `await using` disposes of is gone by then.
 */
export async function leakCheck(t: TestContext): Promise<void> {
  const before = await held();
  t.after(async () => {
    const same = async () => JSON.stringify(await held()) === JSON.stringify(before);
    await until(same, 20_000, "native counters back to their start").catch(() => {});
    assert.deepEqual(await held(), before);
  });
}

/** What `connectedPair` takes. */
export interface PairOptions {
  server?: ListenOptions;
  serverHandlers?: HostHandlers;
  client?: HostOptions;
  clientHandlers?: HostHandlers;
  connect?: ConnectOptions;
}

/** Two hosts of this process that are connected. */
export interface Pair extends AsyncDisposable {
  readonly server: Host;
  readonly client: Host;
  /** The client's peer: the server. */
  readonly peer: Peer;
  /** The server's peer: the client. */
  readonly remote: Peer;
}

/**
 * Connects two hosts on the loopback address. Neither side's connect event is consumed: an
 * iteration that begins afterwards gets it. Both hosts need a pump.
 */
export async function connectedPair(options: PairOptions = {}): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(
    await Host.listen({ hostname: "127.0.0.1", ...options.server }, options.serverHandlers),
  );
  const client = stack.use(await Host.create(options.client, options.clientHandlers));
  const peer = await client.connect(server.address, options.connect);
  const remote = await until(() => server.peers[0], 20_000, "the server's connect event");
  const hosts = stack.move();
  return {
    server,
    client,
    peer,
    remote,
    [Symbol.asyncDispose]: () => hosts.disposeAsync(),
  };
}

/** How a child program ended. */
export interface ProgramEnd {
  /** The exit code, or null after a signal. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running program of `tests/programs`; disposing of it kills it. */
export interface Program extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Resolves when it has ended and its output is complete. */
  readonly ended: Promise<ProgramEnd>;
  /** Resolves with the first line of stdout, from the start, that begins so; without that beginning. */
  line(beginning: string, ms?: number): Promise<string>;
  /** The same for the first lines that begin so, as soon as there are so many. */
  lines(beginning: string, count: number, ms?: number): Promise<string[]>;
  /** Writes a line to its stdin. */
  write(line: string): void;
}

const COMMANDS: Record<Runtime, readonly string[]> = {
  deno: ["run", "-A", "--no-check"],
  bun: [],
  node: ["--disable-warning=ExperimentalWarning"],
};

/** How `spawnRuntime` starts a program. */
export interface SpawnOptions {
  /** Flags of the runtime beside the usual ones, before the file. */
  flags?: readonly string[];
  /** In place of the usual flags. */
  onlyFlags?: readonly string[];
  /** Added to the environment. */
  env?: Record<string, string>;
}

/** The command that runs a file of `tests/programs` on a runtime, without the arguments of the file. */
export function runtimeCommand(name: Runtime, file: string, options: SpawnOptions = {}): string[] {
  const path = fileURLToPath(new URL(`programs/${file}`, import.meta.url));
  const flags = options.onlyFlags ?? [...COMMANDS[name], ...options.flags ?? []];
  return [runtimes()[name], ...flags, path];
}

/**
 * Starts a program on a runtime.
 *
 * @param name the runtime
 * @param file a file of `tests/programs`
 * @param args its arguments
 */
export function spawnRuntime(
  name: Runtime,
  file: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): Program {
  const [command, ...flags] = runtimeCommand(name, file, options);
  return spawnProgram(command, [...flags, ...args], { ...options, name: file });
}

/**
 * Starts a program.
 *
 * @param command the executable
 * @param args its arguments
 * @param options what is added to its environment, what messages call it, and the folder it runs in
 */
export function spawnProgram(
  command: string,
  args: readonly string[],
  { env, name = command, cwd }: { env?: Record<string, string>; name?: string; cwd?: string } = {},
): Program {
  // By this variable Node's test runner knows tests within tests, which it does not run.
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const child = spawn(command, args, {
    cwd,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...inherited, NO_COLOR: "1", ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
  child.stdin.on("error", () => {}); // It may have ended before it read everything.
  let over = false;
  const ended = new Promise<ProgramEnd>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      over = true;
      resolve({ code, signal, stdout, stderr });
    });
  });
  const lines = async (beginning: string, count: number, ms = 60_000) => {
    const found = () => {
      const all = stdout.split("\n").slice(0, -1).filter((line) => line.startsWith(beginning));
      if (all.length >= count) return all.slice(0, count);
      if (over) throw new Error(`${name} ended without "${beginning}":\n${stdout}\n${stderr}`);
    };
    const all = await until(found, ms, `"${beginning}" from ${name}`).catch((error) => {
      throw new Error(`${error.message}\n${stdout}\n${stderr}`);
    });
    return all.map((line) => line.slice(beginning.length));
  };
  return {
    process: child,
    ended,
    lines,
    line: async (beginning, ms) => (await lines(beginning, 1, ms))[0],
    write: (line) => void child.stdin.write(`${line}\n`),
    async [Symbol.asyncDispose]() {
      if (!over) child.kill("SIGKILL");
      await withDeadline(ended, 30_000, `the end of ${name}`);
    },
  };
}

/** A program of `programs/` ends by an error, and the runtime shows the program's own frames of it. */
export async function showsWhereItThrew(program: string): Promise<void> {
  await using running = spawnRuntime(currentRuntime(), program);
  const { code, stderr } = await withDeadline(running.ended, 60_000, program);
  assert.equal(code, 1);
  assert.match(stderr, /RangeError: bad position x/);
  for (const frame of ["parsePosition", "onMessage|receive"]) {
    assert.match(stderr, new RegExp(`(${frame}).*${program.replace(".", "\\.")}:\\d+:\\d+`));
  }
}

/**
 * As `assert.deepEqual`, whose message would show all that differs: for two arrays of 200,000 numbers
 * it takes gigabytes to find out.
 */
export function equalBytes(actual: Uint8Array, expected: Uint8Array, what = "The bytes"): void {
  assert.equal(actual.length, expected.length, `the length: ${what}`);
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  assert.ok(at < 0, `${what} differ first at ${at}: ${actual[at]}, not ${expected[at]}`);
}

/** The bytes of a message, which tell where a part of them is missing or misplaced. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8)) & 255);
}

/** An event as a journal keeps it; the bytes of a message are a copy. */
export type Entry =
  | { type: "connect"; peer: Peer; data: number }
  | { type: "disconnect"; peer: Peer; reason: DisconnectReason; data: number }
  | { type: "receive"; peer: Peer; channelId: number; bytes: Uint8Array }
  | { type: "datagram"; address: Address; bytes: Uint8Array };

/** Handlers that write down every event, for looking at them afterwards. */
export interface Journal {
  readonly handlers: HostHandlers;
  readonly entries: Entry[];
  /** The entries of a type, so far. */
  all<T extends Entry["type"]>(type: T): Extract<Entry, { type: T }>[];
  /** Resolves with the entries of a type as soon as there are so many. */
  wait<T extends Entry["type"]>(
    type: T,
    count?: number,
    ms?: number,
  ): Promise<Extract<Entry, { type: T }>[]>;
}

/** Begins a journal. */
export function journal(): Journal {
  const entries: Entry[] = [];
  const all = <T extends Entry["type"]>(type: T) =>
    entries.filter((entry): entry is Extract<Entry, { type: T }> => entry.type === type);
  return {
    entries,
    all,
    async wait(type, count = 1, ms = 30_000) {
      const enough = () => all(type).length >= count;
      await until(enough, ms, `${count} of "${type}"`).catch((error) => {
        throw new Error(`${error.message}, only ${all(type).length}`);
      });
      return all(type);
    },
    handlers: {
      connect: (peer, data) => void entries.push({ type: "connect", peer, data }),
      disconnect: (peer, reason, data) =>
        void entries.push({ type: "disconnect", peer, reason, data }),
      receive: (peer, channelId, packet) =>
        void entries.push({ type: "receive", peer, channelId, bytes: packet.bytes }),
      datagram: (address, packet) =>
        void entries.push({ type: "datagram", address, bytes: packet.bytes }),
    },
  };
}
