/**
 * The file of the access log: lines are appended at once, and the file can be opened anew after a program such as
 * logrotate has moved it away.
 *
 * @module
 */
import { closeSync, constants, openSync, writeSync } from "node:fs";

/**
 * Appends. A pipe does not hold up the process, neither until somebody reads it, nor while it is full; Windows has no
 * such flag.
 */
const FLAGS = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY |
  (constants.O_NONBLOCK ?? 0);

/** A file that lines are appended to. */
export class AccessLogFile implements Disposable {
  readonly #path: string;
  readonly #report: (text: string) => void;
  #fd: number | undefined;
  #hasFailed = false;
  #dropped = 0;

  /**
   * Opens the file, or makes it.
   *
   * @param report called once when it cannot be written any more
   * @throws {Error} The system's; for a named pipe `ENXIO` when nobody reads it.
   */
  constructor(path: string, report: (text: string) => void) {
    this.#path = path;
    this.#report = report;
    this.#fd = openSync(path, FLAGS);
  }

  /** Lines that could not be written. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Appends a line. A line that can't be written is lost; the first one in a row is reported. */
  write(line: string): void {
    try {
      if (this.#fd === undefined) throw new Error("it is closed");
      writeSync(this.#fd, `${line}\n`);
      this.#hasFailed = false;
    } catch (error) {
      this.#dropped++;
      if (!this.#hasFailed) {
        this.#report(`The access log cannot be written: ${(error as Error).message}`);
      }
      this.#hasFailed = true;
    }
  }

  /** Opens the path anew. Where that fails, the old file stays. */
  reopen(): void {
    try {
      const fd = openSync(this.#path, FLAGS);
      if (this.#fd !== undefined) closeSync(this.#fd);
      this.#fd = fd;
    } catch (error) {
      this.#report(`The access log cannot be opened anew: ${(error as Error).message}`);
    }
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
