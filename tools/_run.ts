/**
 * Runs commands. It works on all runtimes, so that tests can use it.
 *
 * @module
 */

import { spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The root folder of the checkout, without a slash at the end. */
export const root: string = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");

const windows = process.platform === "win32";

const signals = ["SIGINT", "SIGTERM"] as const;

/** How to run a command. */
export interface RunOptions {
  /** Variables added to the environment. */
  env?: Record<string, string>;
  /** Gets stdout and stderr as they come. */
  onOutput?: (text: string) => void;
  /** After this time the command and its children are killed. */
  limitMs?: number;
  /** The folder it runs in. Default: the root folder. */
  cwd?: string;
}

/** How a command ended. */
export interface RunResult {
  /** Exit status 0. */
  ok: boolean;
  /** `"exit 1"`, `"SIGSEGV"`, `"killed after 300 s"`: what to tell the reader. */
  ending: string;
  /** stdout and stderr together. */
  output: string;
}

/** Running process groups. They are killed when this process ends. */
const running = new Set<number>();

function killGroup(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(windows ? pid : -pid, signal);
  } catch {
    // Gone already.
  }
}

function endWithChildren(): void {
  for (const pid of running) killGroup(pid, "SIGKILL");
  process.exit(130);
}

/** Runs a command and resolves when it has ended, however it ended. */
export function run(command: string[], options: RunOptions = {}): Promise<RunResult> {
  const { env, onOutput, limitMs, cwd = root } = options;
  const child = spawn(command[0], command.slice(1), {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: !windows,
  });
  const { pid } = child;
  if (pid !== undefined) {
    if (running.size === 0) { for (const s of signals) process.on(s, endWithChildren); }
    running.add(pid);
  }
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      onOutput?.(text);
    });
  }
  let timedOut = false;
  const timer = limitMs === undefined || pid === undefined ? undefined : setTimeout(() => {
    timedOut = true;
    killGroup(pid, "SIGTERM");
    setTimeout(() => killGroup(pid, "SIGKILL"), 2000);
  }, limitMs);
  return new Promise((resolve) => {
    const end = (ok: boolean, ending: string) => {
      clearTimeout(timer);
      if (pid !== undefined && running.delete(pid) && running.size === 0) {
        for (const s of signals) process.off(s, endWithChildren);
      }
      resolve({ ok: ok && !timedOut, ending, output });
    };
    child.on("error", (error) => end(false, error.message));
    child.on("close", (code, signal) => {
      end(code === 0, timedOut ? `killed after ${limitMs! / 1000} s` : signal ?? `exit ${code}`);
    });
  });
}

/**
 * Runs a command and returns its output.
 *
 * @throws {Error} when it fails, with its output
 */
export async function runOrThrow(command: string[], options: RunOptions = {}): Promise<string> {
  const { ok, ending, output } = await run(command, options);
  if (!ok) {
    throw new Error(`${options.onOutput ? "" : output}"${command.join(" ")}" failed: ${ending}`);
  }
  return output;
}

/** Runs a command at once and returns its trimmed stdout, or `undefined` when it failed. */
export function capture(command: string[], input?: string): string | undefined {
  const { status, stdout } = spawnSync(command[0], command.slice(1), {
    cwd: root,
    encoding: "utf8",
    input,
    stdio: ["pipe", "pipe", "ignore"],
    // On Windows npx is a script, which only the shell can start.
    shell: windows && command[0] === "npx",
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** Writes to stdout. */
export function print(text: string): void {
  process.stdout.write(text);
}

/** Prints a failure in one line and ends with status 1. */
export function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
