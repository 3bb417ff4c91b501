/**
 * Where the bytes of the program come from: standard input, or a named pipe whose writers come and go.
 *
 * @module
 */
import { close, OPEN, read } from "../../../ffi/posix.ts";
import type { NamedPipe } from "./named_pipe.ts";
import { Readiness } from "./readiness.ts";

/** The most that one read takes: what a pipe holds. */
export const READ_BYTES = 65_536;

/** Bytes as they come. */
export interface ByteSource extends Disposable {
  /**
   * Waits for bytes. The event loop has had a turn before it resolves.
   *
   * @returns what is there, valid until the next call; `undefined` at the end, and once disposed of
   * @throws {SystemError}
   */
  read(): Promise<Uint8Array | undefined>;
}

/** Waits for a descriptor and reads it. */
class DescriptorReader implements Disposable {
  readonly #fd: number;
  readonly #buffer: Uint8Array;
  #readiness: Readiness | undefined;
  #waiting: PromiseWithResolvers<boolean> | undefined;
  #isClosed = false;

  private constructor(fd: number, bytes: number) {
    this.#fd = fd;
    this.#buffer = new Uint8Array(bytes);
  }

  static async of(fd: number, bytes: number): Promise<DescriptorReader> {
    const reader = new DescriptorReader(fd, bytes);
    reader.#readiness = await Readiness.of(fd, () => reader.#settle(true));
    return reader;
  }

  #settle(isReady: boolean): void {
    this.#waiting?.resolve(isReady);
    this.#waiting = undefined;
  }

  /** @returns what is there; nothing at the end; `undefined` once disposed of */
  async read(): Promise<Uint8Array | undefined> {
    while (!this.#isClosed) {
      const waiting = this.#waiting = Promise.withResolvers<boolean>();
      this.#readiness!.arm("read");
      if (!await waiting.promise) break;
      const length = read(this.#fd, this.#buffer);
      if (length >= 0) return this.#buffer.subarray(0, length);
    }
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#readiness![Symbol.dispose]();
    this.#settle(false);
  }
}

const STANDARD_INPUT = 0;

/** Standard input. */
export class StandardInput implements ByteSource {
  readonly #reader: DescriptorReader;

  private constructor(reader: DescriptorReader) {
    this.#reader = reader;
  }

  /** Opens it. @param bytes the most that a read takes */
  static async open(bytes: number): Promise<StandardInput> {
    return new StandardInput(await DescriptorReader.of(STANDARD_INPUT, bytes));
  }

  async read(): Promise<Uint8Array | undefined> {
    const bytes = await this.#reader.read();
    return bytes?.length === 0 ? undefined : bytes;
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }
}

/**
 * A named pipe. The gateway holds an end to write to itself, so that the end of a writer is no end of the pipe. It gives
 * that up only in `discard`, to learn of the end of all writers.
 */
export class PipeInput implements ByteSource {
  readonly #pipe: NamedPipe;
  readonly #fd: number;
  #reader: DescriptorReader | undefined;
  #holder: number | undefined;
  #isClosed = false;

  private constructor(pipe: NamedPipe) {
    this.#pipe = pipe;
    this.#fd = pipe.open(OPEN.READ);
  }

  /** Opens it. @param bytes the most that a read takes */
  static async open(pipe: NamedPipe, bytes: number): Promise<PipeInput> {
    const input = new PipeInput(pipe);
    try {
      input.#holder = pipe.open(OPEN.WRITE);
      input.#reader = await DescriptorReader.of(input.#fd, bytes);
      return input;
    } catch (error) {
      input[Symbol.dispose]();
      throw error;
    }
  }

  async read(): Promise<Uint8Array | undefined> {
    const bytes = await this.#reader!.read();
    if (bytes?.length !== 0) return bytes;
    throw new Error(`Another pipe has taken the place of ${this.#pipe.path}`);
  }

  /** Throws away what comes, until no writer has the pipe open any more. Then writers may begin anew. */
  async discard(): Promise<void> {
    this.#release();
    for (let bytes; (bytes = await this.#reader!.read())?.length !== 0;) if (!bytes) return;
    this.#holder = this.#pipe.open(OPEN.WRITE);
  }

  #release(): void {
    if (this.#holder !== undefined) close(this.#holder);
    this.#holder = undefined;
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reader?.[Symbol.dispose]();
    this.#release();
    close(this.#fd);
  }
}
