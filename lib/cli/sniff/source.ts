/**
 * Where the packets come from: a file, standard input, or an interface of this machine.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import type { Terminal } from "../frame/terminal.ts";

/** The bytes of a capture. */
export interface Source extends Disposable {
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Ends when the command is to stop, also while nothing comes. */
async function* untilStopped(
  stream: AsyncIterable<Uint8Array | string>,
  terminal: Pick<Terminal, "untilStopped">,
): AsyncGenerator<Uint8Array> {
  const chunks = stream[Symbol.asyncIterator]();
  const stopped = terminal.untilStopped().then(() => undefined);
  for (;;) {
    const result = await Promise.race([chunks.next(), stopped]);
    if (result === undefined || result.done) return;
    const { value } = result;
    yield typeof value === "string" ? new TextEncoder().encode(value) : value;
  }
}

/** Opens a file, or standard input for `-`. */
export function openFile(path: string, terminal: Terminal): Source {
  const stream = path === "-" ? terminal.stdin : createReadStream(path);
  return {
    chunks: untilStopped(stream, terminal),
    [Symbol.dispose]: () => void stream.destroy(),
  };
}

/**
 * Captures from an interface with tcpdump, which knows how to do that on each system, and gives up its rights then.
 */
export function openInterface(name: string, terminal: Terminal): Source {
  const args = ["-i", name, "-n", "-U", "--immediate-mode", "-w", "-", "udp"];
  const child = spawn("tcpdump", args, { stdio: ["ignore", "pipe", "pipe"] });
  const complaints: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => complaints.push(text));
  const ended = Promise.withResolvers<void>();
  child.on("error", (cause: Error & { code?: string }) => {
    const message = cause.code === "ENOENT"
      ? "tcpdump, which captures from interfaces, is not installed: apt-get install tcpdump"
      : `tcpdump: ${cause.message}`;
    ended.reject(new Error(message, { cause }));
  });
  child.on("close", (code) => {
    if (code === 0 || terminal.stop.aborted) return ended.resolve();
    const said = complaints.join("").split("\n").filter((line) => line.startsWith("tcpdump: "));
    // The first line says on which interface it listens, where it does.
    const complaint = said.find((line) => !line.includes("listening on"));
    ended.reject(new Error(complaint ?? `tcpdump has ended with the status ${code}`));
  });
  ended.promise.catch(() => {}); // It is thrown below, unless nobody reads so far.
  async function* chunks() {
    yield* untilStopped(child.stdout, terminal);
    if (!terminal.stop.aborted) await ended.promise;
  }
  return {
    chunks: chunks(),
    [Symbol.dispose]: () => void child.kill("SIGINT"),
  };
}
