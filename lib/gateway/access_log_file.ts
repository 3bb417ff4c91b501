/**
 * The file of the access log: lines are appended at once, and the file can be opened anew after a program such as
 * logrotate has moved it away.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from "node:fs";

/** A file that lines are appended to. */
export class AccessLogFile implements Disposable {
  readonly #path: string;
  readonly #report: (text: string) => void;
  #fd: number | undefined;
  #hasFailed = false;

  /**
   * Opens the file, or makes it.
   *
   * @param report is told once when it cannot be written any more
   * @throws {Error} The system's.
   */
  constructor(path: string, report: (text: string) => void) {
    this.#path = path;
    this.#report = report;
    this.#fd = openSync(path, "a");
  }

  /** Appends a line. A line that can't be written is lost; the first one in a row is reported. */
  write(line: string): void {
    try {
      if (this.#fd === undefined) throw new Error("it is closed");
      writeSync(this.#fd, `${line}\n`);
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) {
        this.#report(`The access log cannot be written: ${(error as Error).message}`);
      }
      this.#hasFailed = true;
    }
  }

  /** Opens the path anew. Where that fails, the old file stays. */
  reopen(): void {
    try {
      const fd = openSync(this.#path, "a");
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
