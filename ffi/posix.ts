/**
 * System calls for pipes that the runtimes lack or differ in. Not on Windows.
 *
 * The calls block where the system's do. To avoid that, ask `ready` first, or open the descriptor with `NONBLOCK`.
 *
 * @module
 */
import { constants } from "node:os";
import process from "node:process";
import { errno } from "./errno.ts";
import { dlopen } from "./library.ts";
import type { Library } from "./library.ts";

const { errno: NUMBERS } = constants;

const linux = process.platform === "linux";

/** Flags of {@linkcode open}. */
export const OPEN = {
  READ: 0,
  WRITE: 1,
  READ_WRITE: 2,
  NONBLOCK: linux ? 0x800 : 4,
  CLOEXEC: linux ? 0x80000 : 0x1000000,
} as const;

/** What {@linkcode ready} asks for and finds, of `poll`. */
export const POLL = { OUT: 4, ERR: 8 } as const;

/** Of `send`: does not wait, and raises no SIGPIPE. */
const SEND_FLAGS = linux ? 0x40 | 0x4000 : 0x80;

const TABLE = {
  open: { parameters: ["cstring", "int", "int"], result: "int", variadic: true },
  close: { parameters: ["int"], result: "int" },
  read: { parameters: ["int", "buffer", "size_t"], result: "i53" },
  write: { parameters: ["int", "buffer", "size_t"], result: "i53" },
  send: { parameters: ["int", "buffer", "size_t", "int"], result: "i53" },
  poll: { parameters: ["buffer", "unsigned long", "int"], result: "int" },
  mkfifo: { parameters: ["cstring", "unsigned int"], result: "int" },
} as const;

let library: Library<typeof TABLE> | undefined;

function calls(): Library<typeof TABLE>["symbols"] {
  if (process.platform === "win32") throw new Error("Windows has no pipes of this kind");
  return (library ??= dlopen(null, TABLE)).symbols;
}

/** A system call that failed. */
export class SystemError extends Error {
  /** The system's name of the error, as `"EPIPE"`. */
  readonly code: string;

  /** Makes the error of the call that came last. */
  constructor(what: string, number: number = errno()) {
    const code = Object.entries(NUMBERS).find(([, value]) => value === number)?.[0] ??
      `errno ${number}`;
    super(`${what}: ${code}`);
    this.name = "SystemError";
    this.code = code;
  }
}

/** Repeats a call that a signal has interrupted. @returns its result, or -1 where it would have had to wait */
function transfer(call: () => number, what: string): number {
  for (;;) {
    const result = call();
    if (result >= 0) return result;
    const number = errno();
    if (number === NUMBERS.EAGAIN) return -1;
    if (number !== NUMBERS.EINTR) throw new SystemError(what, number);
  }
}

/** Opens a file that child processes do not inherit. @throws {SystemError} */
export function open(path: string, flags: number): number {
  const fd = calls().open(path, flags | OPEN.CLOEXEC, 0);
  if (fd < 0) throw new SystemError(`Opening ${path}`);
  return fd;
}

/** Closes a descriptor. */
export function close(fd: number): void {
  calls().close(fd);
}

/**
 * Reads what is there.
 *
 * @returns how many bytes; 0 at the end; -1 where it would have to wait
 * @throws {SystemError}
 */
export function read(fd: number, into: Uint8Array): number {
  return transfer(() => calls().read(fd, into, into.length), "Reading");
}

/** Writes at most these bytes. @returns how many; -1 where it would have to wait. @throws {SystemError} */
export function write(fd: number, bytes: Uint8Array): number {
  return transfer(() => calls().write(fd, bytes, bytes.length), "Writing");
}

/** The same for a socket, also one that is not `NONBLOCK`. @throws {SystemError} `ENOTSOCK` when it is none */
export function send(fd: number, bytes: Uint8Array): number {
  return transfer(() => calls().send(fd, bytes, bytes.length, SEND_FLAGS), "Writing");
}

/** Which of these events of {@linkcode POLL} a descriptor has now; ends and errors also when they are not asked for. */
export function ready(fd: number, events: number): number {
  const entry = new DataView(new ArrayBuffer(8));
  entry.setInt32(0, fd, true);
  entry.setInt16(4, events, true);
  transfer(() => calls().poll(entry, 1, 0), "Asking for readiness");
  return entry.getInt16(6, true);
}

/** Makes a named pipe, with these permissions less the umask. @throws {SystemError} `EEXIST` when the path exists */
export function mkfifo(path: string, mode: number): void {
  if (calls().mkfifo(path, mode) !== 0) throw new SystemError(`Making the pipe ${path}`);
}
