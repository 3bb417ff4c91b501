/**
 * The program's ends of named pipes, as tests need them: each call does one thing at once.
 *
 * @module
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { close, OPEN, open, read, write } from "../../../ffi/posix.ts";
import { until } from "../../_helpers.ts";

/** The reason to skip what needs pipes, where there are none. */
export const skip: string | false = process.platform === "win32"
  ? "Windows has no named pipes of this kind"
  : false;

/** A folder that is removed at the end. */
export function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(`${tmpdir()}/enetjs-gateway-`);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A pipe that is open at an end. */
export class PipeEnd implements Disposable {
  #fd: number | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Opens a pipe to read it, whether or not anybody writes. */
  static reader(path: string): PipeEnd {
    return new PipeEnd(open(path, OPEN.READ | OPEN.NONBLOCK));
  }

  /** Opens a pipe to write it, which somebody must read. */
  static writer(path: string): PipeEnd {
    return new PipeEnd(open(path, OPEN.WRITE | OPEN.NONBLOCK));
  }

  /** Reads exactly so many bytes, as soon as they are there. */
  async read(length: number, ms = 30_000): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let got = 0;
    const more = () => {
      const part = read(this.#fd!, bytes.subarray(got));
      if (part > 0) got += part;
      return got === length;
    };
    await until(more, ms, `${length} bytes of a pipe`).catch((error) => {
      throw new Error(`${error.message}, only ${got}`);
    });
    return bytes;
  }

  /** Reads exactly so many bytes of text. */
  async text(length: number): Promise<string> {
    return new TextDecoder().decode(await this.read(length));
  }

  /** Whether there is nothing to read now. */
  get isEmpty(): boolean {
    return read(this.#fd!, new Uint8Array(1)) <= 0;
  }

  /** Whether nobody has the pipe open to write it, and nothing is in it. */
  get isEnded(): boolean {
    return read(this.#fd!, new Uint8Array(1)) === 0;
  }

  /** Writes, and returns how much fits. */
  write(bytes: Uint8Array | string): number {
    return write(this.#fd!, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }
}

/** How many descriptors this process has open, where the system tells. */
export function openDescriptors(): number {
  return process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0;
}
