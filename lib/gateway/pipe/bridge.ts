/**
 * Joins a WebSocket server with the bytes of a program: what the program writes goes to the clients, what clients send
 * goes to the program. Plain mode has text and raw payloads, strict mode has frames with the client's id.
 *
 * @module
 */
import { isUtf8 } from "node:buffer";
import { setImmediate } from "node:timers/promises";
import type { ByteSink, SinkOptions } from "./byte_sink.ts";
import type { ByteSource } from "./byte_source.ts";
import { LineSplitter, ReadSplitter } from "./plain_codec.ts";
import type {
  Message,
  SlowPolicy,
  SocketClient,
  SocketHandlers,
  SocketServer,
} from "../socket/contract.ts";
import { prepareMessage } from "../socket/message.ts";
import { encodeAddress, encodeFrame, FrameDecoder, FrameType } from "./strict_codec.ts";

/** How a program and the clients are joined. */
export interface BridgeOptions {
  /** Frames with the client's id both ways. */
  readonly strict: boolean;
  /** In plain mode: whether a message of the program is a read or a line. */
  readonly frame: "read" | "line";
  /** Gives each message back to its sender. The program gets nothing. */
  readonly echo: boolean;
  /** Largest message of the program, in bytes. */
  readonly maximumFrameSize: number;
  /** What happens where the program or a client is slow. */
  readonly slow: SlowPolicy;
  /** Bytes that may wait for the program or for a client. */
  readonly queueLimitBytes: number;
  /** Called with what is wrong with the bytes that the program writes. */
  report(text: string): void;
}

/** What has become of the messages of the program. */
export interface BridgeStats {
  /** Messages of the program, all in all. */
  messages: number;
  /** Dropped because no client was open. */
  withoutClients: number;
  /** Dropped because no client with that id was open. */
  unknownClient: number;
  /** Dropped because they were larger than `maximumFrameSize`. */
  tooLong: number;
  /** Dropped because they were said to be text and were not UTF-8. */
  notText: number;
}

/** The program has written what cannot be read. */
export class ProtocolFault extends Error {
  /** Makes the error. */
  constructor(type: number) {
    super(`The program wrote a frame of type ${type}; it may write 1 (text) and 2 (binary)`);
    this.name = "ProtocolFault";
  }
}

/** Bytes that are taken apart at once, before the event loop may get a turn. */
const SLICE_BYTES = 4096;

/** How long messages of the program are handed out in a turn of the event loop. */
const TURN_MS = 5;

/** Splits the bytes of the program into messages. */
interface Decoder {
  push(bytes: Uint8Array): void;
  /** No more bytes follow: an incomplete message is delivered or reported. */
  end(): void;
}

/** Joins a server and a program. */
export class PipeBridge {
  /** What the server calls. */
  readonly handlers: SocketHandlers;
  /** What has become of the messages of the program so far. */
  readonly stats: BridgeStats = {
    messages: 0,
    withoutClients: 0,
    unknownClient: 0,
    tooLong: 0,
    notText: 0,
  };
  readonly #options: BridgeOptions;
  readonly #decoder: Decoder;
  /** In strict mode: a type that does not exist. */
  #fault: number | undefined;
  #server: SocketServer | undefined;
  #sink: ByteSink | undefined;
  /** With `slow: "wait"`: pending while a client is too slow. */
  #clientsReady: PromiseWithResolvers<void> | undefined;

  /** Makes a bridge. */
  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#decoder = options.strict ? this.#frames() : this.#texts();
    this.handlers = {
      open: (client) => this.#onOpen(client),
      message: (client, bytes, isText) => this.#onMessage(client, bytes, isText),
      drain: (client) => this.#onDrain(client),
      close: (client) => this.#onClose(client),
    };
  }

  /** How a sink for the program has to queue. @param failed called when it cannot write any more */
  sinkOptions(failed: (error: Error) => void): SinkOptions {
    const { queueLimitBytes: limitBytes, slow } = this.#options;
    return {
      limitBytes,
      drops: slow !== "wait",
      failed,
      drained: () => this.#server?.clients.forEach((client) => client.resume()),
    };
  }

  /** Sets where messages for the program go; without one they are dropped. To be called before there are clients. */
  sendTo(sink: ByteSink): void {
    this.#sink = sink;
  }

  // From the program to the clients.

  #frames(): Decoder {
    const { maximumFrameSize } = this.#options;
    const decoder = new FrameDecoder(maximumFrameSize, {
      frame: (id, type, payload) => this.#onFrame(id, type, payload),
      tooLong: (_id, length) => this.#onTooLong(length),
      unknown: (type) => this.#fault = type,
    });
    return {
      push(bytes) {
        decoder.push(bytes);
        if (decoder.isLost) decoder.reset();
      },
      end: () => {
        if (decoder.isWithinFrame) this.#options.report("The program has ended within a frame");
      },
    };
  }

  #texts(): Decoder {
    const { frame, maximumFrameSize } = this.#options;
    const message = (text: string) => {
      this.stats.messages++;
      this.#deliver(prepareMessage(text));
    };
    return frame === "read" ? new ReadSplitter(message) : new LineSplitter(
      maximumFrameSize,
      message,
      () => this.#onTooLong(undefined),
    );
  }

  #onTooLong(length: number | undefined): void {
    this.stats.messages++;
    this.stats.tooLong++;
    const size = length === undefined ? "A line" : `A message of ${length} bytes`;
    if (this.stats.tooLong > 1) return; // The statistics tell of the others.
    this.#options.report(
      `${size} of the program is longer than ${this.#options.maximumFrameSize} bytes, and was dropped`,
    );
  }

  #onFrame(id: number, type: number, payload: Uint8Array): void {
    this.stats.messages++;
    const isText = type === FrameType.TEXT;
    if (isText && !isUtf8(payload)) {
      this.stats.notText++;
      return;
    }
    const message = prepareMessage(payload, { isText });
    if (id === 0) return this.#deliver(message);
    const client = this.#server!.clients.get(id);
    if (client === undefined) this.stats.unknownClient++;
    else this.#note(client.send(message));
  }

  #deliver(message: Message): void {
    const server = this.#server!;
    if (server.clients.size === 0) this.stats.withoutClients++;
    else this.#note(server.broadcast(message));
  }

  /** With `slow: "wait"`, `false` says that a queue is full. */
  #note(sent: boolean): void {
    if (sent || this.#options.slow !== "wait") return;
    this.#clientsReady ??= Promise.withResolvers();
    this.#onRoom();
  }

  #onDrain(client: SocketClient): void {
    if (this.#options.echo) client.resume();
    this.#onRoom();
  }

  /** Some client has room again, or is gone. */
  #onRoom(): void {
    const { queueLimitBytes } = this.#options;
    const isSlow = (client: SocketClient) => client.queuedBytes >= queueLimitBytes;
    if (this.#clientsReady === undefined || this.#server?.clients.values().some(isSlow)) return;
    this.#clientsReady.resolve();
    this.#clientsReady = undefined;
  }

  /**
   * Takes what the program writes, up to its end, and hands it to the clients of a server.
   *
   * @param recover called for a fault; the bytes after it are taken for a new beginning
   * @throws {ProtocolFault} When the program writes what is no frame, and `recover` is not given.
   * @throws {SystemError} When the source fails.
   */
  async run(
    server: SocketServer,
    source: ByteSource,
    recover?: (fault: ProtocolFault) => Promise<void>,
  ): Promise<void> {
    this.#server = server;
    for (let bytes; (bytes = await source.read()) !== undefined;) {
      await this.#take(bytes);
      if (this.#fault === undefined) continue;
      const fault = new ProtocolFault(this.#fault);
      if (recover === undefined) throw fault;
      await recover(fault);
      this.#fault = undefined;
    }
    this.#decoder.end();
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const { strict, frame } = this.#options;
    // A read is one message, and so is not cut.
    const slice = strict || frame === "line" ? SLICE_BYTES : bytes.length;
    let end = performance.now() + TURN_MS;
    for (let at = 0; at < bytes.length && this.#fault === undefined; at += slice) {
      this.#decoder.push(bytes.subarray(at, at + slice));
      await this.#clientsReady?.promise;
      if (performance.now() < end) continue;
      await setImmediate();
      end = performance.now() + TURN_MS;
    }
  }

  // From the clients to the program.

  #onOpen(client: SocketClient): void {
    this.#frame(client, FrameType.OPEN, encodeAddress(client.address));
    this.#holdBack(client);
  }

  #onMessage(client: SocketClient, bytes: Uint8Array, isText: boolean): void {
    const { echo, strict, frame, slow } = this.#options;
    if (echo) {
      if (!client.send(prepareMessage(bytes, { isText })) && slow === "wait") client.pause();
      return;
    }
    if (strict) this.#frame(client, isText ? FrameType.TEXT : FrameType.BINARY, bytes);
    else this.#sink?.push(frame === "line" ? withNewline(bytes) : bytes);
    this.#holdBack(client);
  }

  #onClose(client: SocketClient): void {
    this.#frame(client, FrameType.CLOSE, new Uint8Array(0));
    this.#onRoom();
  }

  #frame(client: SocketClient, type: number, payload: Uint8Array): void {
    const { echo, strict } = this.#options;
    if (strict && !echo) this.#sink?.push(encodeFrame(client.id, type, payload));
  }

  /** With `slow: "wait"`: a client waits while the program does not read. */
  #holdBack(client: SocketClient): void {
    if (this.#options.slow === "wait" && this.#sink?.isFull) client.pause();
  }
}

function withNewline(bytes: Uint8Array): Uint8Array {
  const line = new Uint8Array(bytes.length + 1);
  line.set(bytes);
  line[bytes.length] = 10;
  return line;
}
