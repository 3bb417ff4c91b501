/**
 * `enet gateway` as a process, seen from both sides: a program at its standard input and output, and clients, which are
 * the WebSockets of the runtime.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtimes } from "../../../tools/setup.ts";
import { currentRuntime, until, withDeadline } from "../../_helpers.ts";

/** Time that one step of a test may take. */
export const STEP_MS = 30_000;

const MAIN = fileURLToPath(new URL("../../../lib/cli/main.ts", import.meta.url));

const FLAGS = { deno: ["run", "-A", "--no-check"], bun: [], node: [] };

/** The command that is `enet` on this runtime, before its arguments. */
export const ENET: readonly string[] = [
  runtimes()[currentRuntime()],
  ...FLAGS[currentRuntime()],
  MAIN,
];

/** A running `enet`; disposing of it kills it. */
export class Enet implements AsyncDisposable {
  readonly process: ChildProcess;
  #stdout = Buffer.alloc(0);
  #stderr = "";
  #taken = 0;
  #isOver = false;
  readonly #ended = Promise.withResolvers<number | null>();

  /** Starts it with these arguments. */
  constructor(args: readonly string[], cwd?: string) {
    // By this variable Node's test runner knows tests within tests, which it does not run.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(ENET[0], [...ENET.slice(1), ...args], {
      cwd,
      env: { ...env, NO_COLOR: "1" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.process = child;
    child.stdout.on("data", (bytes: Buffer) => {
      this.#stdout = Buffer.concat([this.#stdout, bytes]);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => this.#stderr += text);
    child.stdin.on("error", () => {}); // It may have ended before it read everything.
    child.on("error", this.#ended.reject);
    child.on("close", (code) => {
      this.#isOver = true;
      this.#ended.resolve(code);
    });
  }

  /** Starts a gateway on a free port of the loopback address, and waits until it listens. */
  static async gateway(...args: string[]): Promise<Enet> {
    const enet = new Enet(["gateway", "--port", "0", "--addr", "127.0.0.1", ...args]);
    try {
      await enet.url();
      return enet;
    } catch (error) {
      await enet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Everything on standard output. */
  get stdout(): string {
    return this.#stdout.toString();
  }

  /** Everything on standard error. */
  get stderr(): string {
    return this.#stderr;
  }

  /** What follows a beginning, on the line of standard error that has it, as soon as there is one. */
  async told(beginning: string): Promise<string> {
    const find = () => {
      const line = this.#stderr.split("\n").slice(0, -1).find((line) => line.startsWith(beginning));
      if (line === undefined && this.#isOver) throw new Error(`It ended: ${this.#stderr}`);
      return line === undefined ? undefined : { rest: line.slice(beginning.length) };
    };
    const { rest } = await until(find, STEP_MS, `"${beginning}"`).catch((error) => {
      throw new Error(`${error.message}\n${this.#stderr}`);
    });
    return rest;
  }

  /** Where the gateway listens. */
  url(): Promise<string> {
    return this.told("listening on ");
  }

  /** The next bytes of standard output. */
  async read(length: number): Promise<Buffer> {
    const from = this.#taken;
    const isThere = () => this.#stdout.length >= from + length;
    await until(isThere, STEP_MS, `${length} bytes of output`).catch((error) => {
      throw new Error(`${error.message}, only ${this.#stdout.length - from}\n${this.#stderr}`);
    });
    this.#taken += length;
    return this.#stdout.subarray(from, from + length);
  }

  /** The next frame of strict mode. */
  async frame(): Promise<{ id: number; type: number; payload: Buffer }> {
    const header = await this.read(12);
    const payload = await this.read(header.readUInt32BE(8));
    return { id: header.readUInt32BE(0), type: header.readUInt32BE(4), payload };
  }

  /** Writes to standard input. */
  write(bytes: string | Uint8Array): void {
    this.process.stdin!.write(bytes);
  }

  /** Writes a frame of strict mode. */
  writeFrame(id: number, type: number, payload: string | Uint8Array): void {
    this.write(frame(id, type, payload));
  }

  /** Ends standard input. */
  endInput(): void {
    this.process.stdin!.end();
  }

  /** Sends a signal. Deno takes a child for killed that got one by `kill` of the child itself. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.process.pid!, signal);
  }

  /** Waits for the end, and compares the exit status. */
  async ends(status: number): Promise<void> {
    const code = await withDeadline(this.#ended.promise, STEP_MS, `the end\n${this.#stderr}`);
    assert.equal(code, status, this.#stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver) this.process.kill("SIGKILL");
    await withDeadline(this.#ended.promise, STEP_MS, "the end of enet");
  }
}

/** A frame of strict mode. */
export function frame(id: number, type: number, payload: string | Uint8Array): Buffer {
  const bytes = Buffer.from(payload as string);
  const header = Buffer.alloc(12);
  header.writeUInt32BE(id, 0);
  header.writeUInt32BE(type, 4);
  header.writeUInt32BE(bytes.length, 8);
  return Buffer.concat([header, bytes]);
}

/** A client of the gateway. */
export class Client implements Disposable {
  readonly socket: WebSocket;
  readonly #messages: (string | Uint8Array)[] = [];
  /** Resolves with the close code. */
  readonly closed: Promise<number>;

  private constructor(url: string) {
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", ({ data }) => {
      this.#messages.push(typeof data === "string" ? data : new Uint8Array(data));
    });
    this.closed = new Promise((resolve) => {
      this.socket.addEventListener("close", ({ code }) => resolve(code));
    });
  }

  /** Connects. */
  static async open(url: string): Promise<Client> {
    const client = new Client(url);
    const opened = new Promise((resolve, reject) => {
      client.socket.addEventListener("open", resolve);
      client.socket.addEventListener("error", () => reject(new Error(`${url} was refused`)));
    });
    await withDeadline(opened, STEP_MS, url);
    return client;
  }

  /** Sends a message. */
  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.socket.send(data);
  }

  /** The next message. */
  async next(): Promise<string | Uint8Array> {
    await until(() => this.#messages.length > 0, STEP_MS, "a message");
    return this.#messages.shift()!;
  }

  /** The next messages, until together they have so many characters. */
  async text(length: number): Promise<string> {
    let text = "";
    while (text.length < length) text += await this.next();
    return text;
  }

  /** How many messages have come that were not taken. */
  get waiting(): number {
    return this.#messages.length;
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}
