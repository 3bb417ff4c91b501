/**
 * The two places where bytes for the program go: standard output, and a named pipe whose readers come and go.
 *
 * @module
 */
import process from "node:process";
import { close, OPEN, POLL, read, ready, send, SystemError, write } from "../../../ffi/posix.ts";
import type { NamedPipe } from "./named_pipe.ts";
import { Readiness } from "./readiness.ts";

/** Something that bytes are written to. */
export interface Output extends Disposable {
  /** Whether somebody is there to read. */
  readonly isThere: boolean;
  /**
   * Writes at most these bytes.
   *
   * @returns how many; -1 when there is no room
   * @throws {SystemError} `EPIPE` when the reader is gone
   */
  write(bytes: Uint8Array): number;
  /** Has `changed` called when there is room, or when the reader is gone. */
  waitForRoom(): void;
  /** Has `changed` called when the reader is gone. */
  waitForEnd(): void;
  /** Whether the reader is gone. */
  isHungUp(): boolean;
  /** The reader is gone: begins to wait for another one. @returns whether one may come */
  lose(): boolean;
}

/** Called when a reader has come, or what was waited for. */
export type Changed = () => void;

const isHungUp = (fd: number) => ready(fd, 0) !== 0; // Asked for no event, it reports ends and errors only.

const STANDARD_OUTPUT = 1;

/** What a pipe takes without waiting when it has room at all: `PIPE_BUF`, of which POSIX promises 512 bytes. */
const PIECE_BYTES = process.platform === "linux" ? 4096 : 512;

/**
 * Standard output. Its descriptor is shared with other processes, for which it must go on waiting where it would have to.
 * So it is not made non-blocking, and gets only what it has room for.
 */
export class StandardOutput implements Output {
  readonly isThere = true;
  readonly #readiness: Readiness;
  #isSocket = true;

  private constructor(readiness: Readiness) {
    this.#readiness = readiness;
  }

  /** Opens it. */
  static async open(changed: Changed): Promise<StandardOutput> {
    return new StandardOutput(await Readiness.of(STANDARD_OUTPUT, changed));
  }

  write(bytes: Uint8Array): number {
    if (this.#isSocket) {
      try {
        return send(STANDARD_OUTPUT, bytes);
      } catch (error) {
        if (!(error instanceof SystemError && error.code === "ENOTSOCK")) throw error;
        this.#isSocket = false;
      }
    }
    if ((ready(STANDARD_OUTPUT, POLL.OUT) & (POLL.OUT | POLL.ERR)) === 0) return -1;
    return write(STANDARD_OUTPUT, bytes.subarray(0, PIECE_BYTES));
  }

  waitForRoom(): void {
    this.#readiness.arm("write");
  }

  waitForEnd(): void {
    this.#readiness.arm("hangUp");
  }

  isHungUp(): boolean {
    return isHungUp(STANDARD_OUTPUT);
  }

  lose(): boolean {
    return false;
  }

  [Symbol.dispose](): void {
    this.#readiness[Symbol.dispose]();
  }
}

/** How often a pipe without a reader is looked at: the system does not tell when one opens it. */
const LOOK_MS = 50;

/** A pipe that a reader has opened. */
interface OpenPipe {
  readonly fd: number;
  readonly readiness: Readiness;
}

/** A named pipe. It is open only while somebody reads it: the system throws away what a reader leaves in it. */
export class PipeOutput implements Output {
  readonly #pipe: NamedPipe;
  readonly #changed: Changed;
  readonly #failed: (error: unknown) => void;
  #open: OpenPipe | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /**
   * @param failed called when the path is no pipe any more
   */
  constructor(pipe: NamedPipe, changed: Changed, failed: (error: unknown) => void) {
    this.#pipe = pipe;
    this.#changed = changed;
    this.#failed = failed;
    this.#look();
  }

  get isThere(): boolean {
    return this.#open !== undefined;
  }

  /** Opens the pipe if somebody reads it, and otherwise looks again later. */
  #look(): void {
    this.#timer = undefined;
    this.#tryToOpen().then((open) => {
      if (this.#isClosed) {
        if (open !== undefined) closePipe(open);
      } else if (open === undefined) {
        this.#timer = setTimeout(() => this.#look(), LOOK_MS);
      } else {
        this.#open = open;
        this.#changed();
      }
    }, this.#failed);
  }

  async #tryToOpen(): Promise<OpenPipe | undefined> {
    let fd: number;
    try {
      fd = this.#pipe.open(OPEN.WRITE);
    } catch (error) {
      if (error instanceof SystemError && error.code === "ENXIO") return undefined;
      throw error;
    }
    try {
      return { fd, readiness: await Readiness.of(fd, this.#changed) };
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  write(bytes: Uint8Array): number {
    return write(this.#open!.fd, bytes);
  }

  waitForRoom(): void {
    this.#open?.readiness.arm("write");
  }

  waitForEnd(): void {
    this.#open?.readiness.arm("hangUp");
  }

  isHungUp(): boolean {
    return this.#open !== undefined && isHungUp(this.#open.fd);
  }

  lose(): boolean {
    if (this.#open === undefined) return true;
    this.#empty();
    closePipe(this.#open);
    this.#open = undefined;
    this.#look();
    return true;
  }

  /** Should a new reader have come already, it must not begin with the rest of what the last one has left. */
  #empty(): void {
    const fd = this.#pipe.open(OPEN.READ);
    const rest = new Uint8Array(65_536);
    while (read(fd, rest) > 0) continue;
    close(fd);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    if (this.#open !== undefined) closePipe(this.#open);
    this.#open = undefined;
  }
}

function closePipe({ fd, readiness }: OpenPipe): void {
  readiness[Symbol.dispose]();
  close(fd);
}
