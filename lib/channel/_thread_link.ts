import { show } from "../internal/validate.ts";
import { type Link, type LinkListener, WeakListener } from "./_link.ts";
import { allocateShared, type Direction, sharedDirections } from "./_region.ts";

/**
 * The other end of a channel between JavaScript threads, to be posted to the thread that joins it:
 * `worker.postMessage(remote, [remote.port])`.
 */
export interface ChannelRemote {
  /** The messages of both directions. */
  readonly memory: SharedArrayBuffer;
  /** Carries wake-ups, and tells each end when the other one is gone. Must be transferred. */
  readonly port: MessagePort;
}

/** What the runtimes' ports have beyond those of browsers. */
interface RefPort {
  ref?(): void;
  unref?(): void;
}

/** An end of a channel between JavaScript threads: shared memory, and a port for wake-ups. */
export class ThreadLink implements Link {
  readonly outward: Direction;
  readonly inward: Direction;
  readonly #port: MessagePort;

  private constructor(port: MessagePort, outward: Direction, inward: Direction) {
    this.#port = port;
    this.outward = outward;
    this.inward = inward;
  }

  /** Makes a channel: the end that stays, and what the other thread needs. */
  static open(
    sendBytes: number,
    receiveBytes: number,
  ): { link: ThreadLink; remote: ChannelRemote } {
    const memory = allocateShared([sendBytes, receiveBytes]);
    const [outward, inward] = sharedDirections(memory)!;
    const { port1, port2 } = new MessageChannel();
    return { link: new ThreadLink(port1, outward, inward), remote: { memory, port: port2 } };
  }

  /** Takes the other end. */
  static join(remote: unknown): ThreadLink {
    const { memory, port } = (remote ?? {}) as Partial<ChannelRemote>;
    if (!(memory instanceof SharedArrayBuffer) || typeof port?.postMessage !== "function") {
      throw new TypeError(`remote must be the remote of a channel, not ${show(remote)}`);
    }
    const found = sharedDirections(memory);
    if (found === undefined) {
      throw new TypeError(
        `remote.memory must be that of a channel, not ${memory.byteLength} other bytes`,
      );
    }
    return new ThreadLink(port, found[1], found[0]);
  }

  listen(listener: LinkListener): void {
    const weak = new WeakListener(listener);
    this.#port.addEventListener("message", () => weak.wake());
    this.#port.addEventListener("close", () => weak.end(undefined));
    this.#port.start();
    this.ref();
  }

  wake(): void {
    this.#port.postMessage(0);
  }

  ref(): void {
    (this.#port as RefPort).ref?.();
  }

  unref(): void {
    (this.#port as RefPort).unref?.();
  }

  close(): Promise<void> {
    this.#port.close();
    return Promise.resolve();
  }
}
