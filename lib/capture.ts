import { fileURLToPath } from "node:url";
import { getSystemErrorName } from "node:util";
import { CAPTURE_STAT, LAYOUT } from "../ffi/layout.ts";
import { ENetError } from "./errors.ts";
import { makeInspectable } from "./internal/inspect.ts";
import { boolean, integer, options as checkOptions, show } from "./internal/validate.ts";

/** Options of {@linkcode Host.capture}. */
export interface CaptureOptions {
  /**
   * Whether encrypted connections are captured before encryption, as ENet sends and receives. What is captured is
   * then above the simulated network of `conditions`, too. Default false: as on the network.
   */
  plain?: boolean;
  /**
   * Bytes of a file, at least 131,072. After that the file is put aside, as `trace.1.pcapng`, and another one
   * begins. Default 67,108,864.
   */
  maximumBytes?: number;
  /** How many files are kept, 1–1,000; 1 begins the same file anew each time. Default 2. */
  files?: number;
}

/** Counters of a capture. */
export interface CaptureStats {
  /** Datagrams in the files, with those that have been deleted since. */
  readonly datagrams: number;
  /** Datagrams that are missing, because the disk was too slow or had an error. */
  readonly dropped: number;
  /** Bytes that were written. */
  readonly bytes: number;
  /** Files that were begun. */
  readonly files: number;
}

/** A capture that is asked for, with everything checked. */
export interface CapturePlan {
  /** The file. */
  readonly path: string;
  /** Whether before encryption. */
  readonly plain: boolean;
  /** Bytes of a file. */
  readonly maximumBytes: number;
  /** How many files are kept. */
  readonly files: number;
}

const MAXIMUM_BYTES = 64 * 1024 * 1024;
const FILES = 2;

function planPath(path: unknown): string {
  const text = path instanceof URL ? fileURLToPath(path) : path;
  if (typeof text !== "string" || text === "" || text.includes("\0")) {
    throw new TypeError(`path must be the name of a file or a file: URL, not ${show(path)}`);
  }
  return text;
}

/** Checks the arguments of `host.capture`. */
export function planCapture(path: unknown, options: CaptureOptions): CapturePlan {
  checkOptions(options, "options", ["plain", "maximumBytes", "files"]);
  const { plain = false, maximumBytes = MAXIMUM_BYTES, files = FILES } = options;
  return {
    path: planPath(path),
    plain: boolean(plain, "plain"),
    maximumBytes: integer(
      maximumBytes,
      "maximumBytes",
      LAYOUT.CAPTURE_MINIMUM,
      Number.MAX_SAFE_INTEGER,
    ),
    files: integer(files, "files", 1, LAYOUT.CAPTURE_MAXIMUM_FILES),
  };
}

/** What a capture needs of native code. */
interface Source {
  /** Fills in the state. @returns whether native code still knows it */
  state(out: Uint8Array): boolean;
  /** Takes no more datagrams. */
  end(): void;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A capture of a host: {@linkcode Host.capture}. */
export class Capture implements AsyncDisposable {
  /** The file. */
  readonly path: string;
  readonly #source: Source;
  readonly #values = new Float64Array(LAYOUT.CAPTURE_STAT_COUNT);
  #closed: Promise<CaptureStats> | undefined;

  /** Only the library makes these. */
  constructor(path: string, source: Source) {
    this.path = path;
    this.#source = source;
    this.#values[CAPTURE_STAT.RUNNING] = 1;
  }

  #read(): Float64Array {
    // What has ended changes no more, and native code may forget it.
    if (this.#values[CAPTURE_STAT.RUNNING] === 1) {
      const known = this.#source.state(new Uint8Array(this.#values.buffer));
      if (!known) this.#values[CAPTURE_STAT.RUNNING] = 0;
    }
    return this.#values;
  }

  /** Counters until now. */
  get stats(): CaptureStats {
    const values = this.#read();
    return {
      datagrams: values[CAPTURE_STAT.DATAGRAMS],
      dropped: values[CAPTURE_STAT.DROPPED],
      bytes: values[CAPTURE_STAT.BYTES],
      files: values[CAPTURE_STAT.FILES],
    };
  }

  /** Whether the file is still written to. It is for a short time after the host has closed. */
  get running(): boolean {
    return this.#read()[CAPTURE_STAT.RUNNING] === 1;
  }

  /**
   * The error that has ended the capture, for example because the disk is full; `ENETJS_ERR_FILE`. The file has all
   * that was written before. The host goes on.
   */
  get error(): ENetError | undefined {
    const number = this.#read()[CAPTURE_STAT.ERROR];
    if (number === 0) return undefined;
    return new ENetError(
      "ENETJS_ERR_FILE",
      `Capturing to ${this.path}: the system reports ${getSystemErrorName(-number)}`,
    );
  }

  /**
   * Ends the capture, and waits until the file is complete. A further call returns the same promise.
   *
   * @returns the last counters
   * @throws {ENetError} `ENETJS_ERR_FILE` when the file could not be written to its end
   */
  close(): Promise<CaptureStats> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<CaptureStats> {
    this.#source.end();
    for (let ms = 1; this.running; ms = Math.min(2 * ms, 50)) await wait(ms);
    const { error } = this;
    if (error !== undefined) throw error;
    return this.stats;
  }

  /** Ends the capture as {@linkcode Capture.close} does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  static {
    makeInspectable(this.prototype, "Capture", (capture) => {
      const { datagrams, dropped } = capture.stats;
      return `${capture.path}, ${datagrams} written, ${dropped} dropped${
        capture.running ? "" : ", ended"
      }`;
    });
  }
}
