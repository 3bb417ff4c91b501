/**
 * The gateway between WebSockets and the bytes of a program: opens standard input and output or named pipes, and joins
 * them with the clients.
 *
 * @module
 */
import { Disposables } from "../../internal/disposables.ts";
import { ByteSink } from "./byte_sink.ts";
import { type ByteSource, PipeInput, READ_BYTES, StandardInput } from "./byte_source.ts";
import type { Metric } from "../metrics.ts";
import { NamedPipe } from "./named_pipe.ts";
import { type BridgeOptions, PipeBridge } from "./bridge.ts";
import type { SocketHandlers, SocketServer } from "../socket/contract.ts";

/** Where bytes come from and go to. */
export interface PipeModeOptions extends BridgeOptions {
  /** The path of a named pipe; `undefined` for standard input. */
  readonly pipeIn: string | undefined;
  /** The path of a named pipe; `undefined` for standard output. */
  readonly pipeOut: string | undefined;
}

/** How long the program may take to read what is left. */
const GRACE_MS = 1000;

/** Bytes of a program to clients, and back. */
export class PipeMode {
  readonly #options: PipeModeOptions;
  readonly #bridge: PipeBridge;
  readonly #pipes = new Disposables();
  readonly #failed = Promise.withResolvers<never>();
  #source: ByteSource | undefined;
  #sink: ByteSink | undefined;

  private constructor(options: PipeModeOptions) {
    this.#options = options;
    this.#bridge = new PipeBridge(options);
    this.#failed.promise.catch(() => {}); // It may fail while nothing waits for it.
  }

  /**
   * Opens both ends.
   *
   * @throws {Error} When a path is no pipe, or the system refuses.
   */
  static async open(options: PipeModeOptions): Promise<PipeMode> {
    const mode = new PipeMode(options);
    try {
      await mode.#open();
      return mode;
    } catch (error) {
      await mode.close();
      throw error;
    }
  }

  async #open(): Promise<void> {
    const { pipeIn, pipeOut, echo, strict, frame, maximumFrameSize } = this.#options;
    const isMessage = !strict && frame === "read";
    const bytes = isMessage ? Math.min(READ_BYTES, maximumFrameSize) : READ_BYTES;
    const make = (path: string) => this.#pipes.use(new NamedPipe(path));
    this.#source = pipeIn === undefined
      ? await StandardInput.open(bytes)
      : await PipeInput.open(make(pipeIn), bytes);
    if (echo) return;
    const options = this.#bridge.sinkOptions(this.#failed.reject);
    this.#sink = pipeOut === undefined
      ? await ByteSink.toStandardOutput(options)
      : ByteSink.toPipe(make(pipeOut), options);
    this.#bridge.sendTo(this.#sink);
  }

  /** What the server calls. */
  get handlers(): SocketHandlers {
    return this.#bridge.handlers;
  }

  /**
   * Works until the end of the program's output, or the call of `close`.
   *
   * @throws {Error} When it cannot go on.
   */
  async run(server: SocketServer): Promise<void> {
    const source = this.#source!;
    const recover = source instanceof PipeInput
      ? async (fault: Error) => {
        this.#options.report(`${fault.message}; what follows is discarded until all writers close`);
        await source.discard();
      }
      : undefined;
    await Promise.race([this.#bridge.run(server, source, recover), this.#failed.promise]);
  }

  /** Ends it. The clients are gone by then. */
  async close(): Promise<void> {
    this.#source?.[Symbol.dispose]();
    await this.#sink?.close(GRACE_MS);
    this.#pipes[Symbol.dispose]();
  }

  /** What it counts. */
  metrics(): Metric[] {
    const { messages, withoutClients, unknownClient, tooLong, notText } = this.#bridge.stats;
    const { written, dropped } = this.#sink?.stats ?? { written: 0, dropped: 0 };
    return [
      { name: "program_messages", help: "Messages that the program wrote", value: messages },
      {
        name: "program_messages_dropped",
        help: "Messages of the program that reached no client",
        value: {
          no_client: withoutClients,
          unknown_client: unknownClient,
          too_long: tooLong,
          not_text: notText,
        },
        label: "reason",
        isLoss: true,
      },
      { name: "program_written", help: "Messages written to the program", value: written },
      {
        name: "program_unread",
        help: "Messages dropped before the program read",
        value: dropped,
        isLoss: true,
      },
      {
        name: "program_queued_bytes",
        help: "Bytes that wait for the program",
        value: this.#sink?.queuedBytes ?? 0,
        isGauge: true,
      },
    ];
  }
}
