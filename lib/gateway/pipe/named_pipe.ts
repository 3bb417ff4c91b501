/**
 * Named pipes of the gateway: made where they are missing, refused where the path is something else, and removed at the
 * end by whoever made them.
 *
 * @module
 */
import { lstatSync, statSync, unlinkSync } from "node:fs";
import process from "node:process";
import { close, mkfifo, OPEN, open, SystemError } from "../../../ffi/posix.ts";
import { show } from "../../../ffi/show.ts";

/** Everybody may read and write, as far as the umask lets them. */
const MODE = 0o666;

/** What a path names: on another device, or with another number, it has been replaced. */
interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** A named pipe, until it is disposed of. */
export class NamedPipe implements Disposable {
  /** Where it is. */
  readonly path: string;
  /** The pipe that was made here. */
  #made: Identity | undefined;
  readonly #onExit = () => this.#remove();

  /**
   * Takes a pipe, or makes it.
   *
   * @throws {Error} When the path is something else, or the system refuses.
   */
  constructor(path: string) {
    this.path = path;
    try {
      mkfifo(path, MODE);
      this.#made = lstatSync(path, { bigint: true });
      process.on("exit", this.#onExit);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === "EEXIST")) throw error;
      if (!statSync(path).isFIFO()) throw this.#noPipe();
    }
  }

  #noPipe(): Error {
    return new Error(
      `${show(this.path)} exists and is no named pipe: remove it, or choose another path`,
    );
  }

  /**
   * Opens the pipe.
   *
   * @param flags `OPEN.…`
   * @throws {Error} When the path is something else by now, or the system refuses.
   */
  open(flags: number): number {
    const fd = open(this.path, flags | OPEN.NONBLOCK);
    // The path may be in a folder where others can put something else in its place.
    if (statSync(`/dev/fd/${fd}`).isFIFO()) return fd;
    close(fd);
    throw this.#noPipe();
  }

  /** Removes the path if it still names the pipe that was made here. */
  #remove(): void {
    const made = this.#made;
    this.#made = undefined;
    process.off("exit", this.#onExit);
    if (made === undefined) return;
    const now = lstatSync(this.path, { bigint: true, throwIfNoEntry: false });
    if (now?.ino === made.ino && now.dev === made.dev) unlinkSync(this.path);
  }

  /** Removes the pipe if it was made here. */
  [Symbol.dispose](): void {
    this.#remove();
  }
}
