import type { Data } from "../packet.ts";
import type { Receiver } from "./_receiver.ts";
import { Life } from "./_life.ts";
import type { Link } from "./_link.ts";
import type { Sender } from "./_sender.ts";
import { type PluginInfo, PluginLink } from "./_plugin_link.ts";
import { type ChannelRemote, ThreadLink } from "./_thread_link.ts";
import {
  bytesOf,
  type ChannelEndOptions,
  type ChannelHandlers,
  type ChannelOptions,
  checkInterval,
  checkQueueLimit,
  type EndPlan,
  planEnd,
  planPlugin,
  planSendNow,
  planThreads,
  type PluginOptions,
  type SendNowOptions,
} from "./options.ts";

/** `Promise.try`, which Node 22 lacks. */
function opening(make: () => Channel): Promise<Channel> {
  return new Promise((resolve) => resolve(make()));
}

/**
 * One end of a channel: messages of bytes to and from another end, in order, through memory that both
 * share. The other end is a plugin in C, see {@linkcode Channel.loadPlugin}, or another JavaScript
 * thread, see {@linkcode Channel.open}.
 *
 * There are three ways to receive: `for await (const bytes of channel)` and {@linkcode Channel.receive}
 * give copies, `handlers.receive` gets views that are borrowed until it returns.
 *
 * A channel keeps the process alive until it is closed, unless {@linkcode Channel.unref} is called. The garbage
 * collector may collect, and so close, a channel without handlers that nothing refers to.
 *
 * @example
 * ```ts
 * import { Channel } from "@enetjs/enet/channel";
 *
 * await using near = await Channel.open({ sendBytes: 4096, receiveBytes: 4096 });
 * await using far = await Channel.join(near.remote!); // in a Worker, when posted there
 * near.send("hello");
 * for await (const bytes of far) {
 *   console.log(new TextDecoder().decode(bytes)); // hello
 *   break;
 * }
 * ```
 */
export class Channel
  implements AsyncIterable<Uint8Array<ArrayBuffer>>, AsyncDisposable, Disposable {
  readonly #life: Life;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #remote: ChannelRemote | undefined;

  private constructor(link: Link, plan: EndPlan, remote?: ChannelRemote) {
    this.#life = new Life(link, plan);
    this.#sender = this.#life.sender;
    this.#receiver = this.#life.receiver;
    this.#remote = remote;
  }

  /**
   * Opens a channel between two JavaScript threads. Post {@linkcode Channel.remote} to the other one, a
   * Worker for instance, which joins with it.
   *
   * @param options sizes, and how this end receives
   * @returns this thread's end; what it sends before the other has joined waits
   * @throws {TypeError} for an unknown option or one of the wrong type
   * @throws {RangeError} for a value out of range
   *
   * @example The thread that opens
   * ```ts
   * import { Channel } from "@enetjs/enet/channel";
   * import { Worker } from "node:worker_threads";
   *
   * const code = `
   *   const { parentPort } = require("node:worker_threads");
   *   parentPort.once("message", ({ memory, port }) => port.close()); // Channel.join(remote)
   * `;
   * const worker = new Worker(code, { eval: true });
   * await using channel = await Channel.open({ sendBytes: 2 ** 20, receiveBytes: 2 ** 20 });
   * worker.postMessage(channel.remote!, [channel.remote!.port as never]);
   * for await (const bytes of channel) console.log(bytes.length);
   * console.log("the other end has closed"); // the other end has closed
   * ```
   */
  static open(options: ChannelOptions = {}): Promise<Channel> {
    return opening(() => {
      const { sendBytes, receiveBytes, end } = planThreads(options);
      const { link, remote } = ThreadLink.open(sendBytes, receiveBytes);
      return new Channel(link, end, remote);
    });
  }

  /**
   * Joins a channel that another thread has opened.
   *
   * @param remote the other thread's {@linkcode Channel.remote}, as it was received here
   * @param options how this end receives
   * @returns this thread's end
   * @throws {TypeError} if `remote` is something else, or for an option that is unknown or of the wrong type
   * @throws {RangeError} for a value out of range
   */
  static join(remote: ChannelRemote, options: ChannelEndOptions = {}): Promise<Channel> {
    return opening(() => {
      const end = planEnd(options);
      return new Channel(ThreadLink.join(remote), end);
    });
  }

  /**
   * Loads a plugin on a thread of its own and opens a channel to it. `native/include/enetjs_plugin.h` says
   * how to write one.
   *
   * A plugin can do what the process can. Under Deno it needs `--allow-ffi` without a path.
   *
   * @param path the plugin's file, or its `file:` URL
   * @param options sizes, what the plugin is configured with, and how this end receives
   * @returns the channel, once the plugin is initialized
   * @throws {TypeError} for an unknown option, and a path or option of the wrong type
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_PLUGIN_MISSING`, `ENETJS_ERR_PLUGIN_PLATFORM`,
   *   `ENETJS_ERR_PLUGIN_LOAD`, `ENETJS_ERR_PLUGIN_SYMBOL`, `ENETJS_ERR_PLUGIN_ABI`,
   *   `ENETJS_ERR_PLUGIN_INITIALIZE`; `ENETJS_ERR_FAULT` when it broke a rule at once;
   *   `ENETJS_ERR_PERMISSION`, `ENETJS_ERR_MEMORY`, `ENETJS_ERR_THREAD`, `ENETJS_ERR_LIMIT`,
   *   `ENETJS_ERR_LIBRARY`, `ENETJS_ERR_ABI`, `ENETJS_ERR_LIBENET`
   */
  static async loadPlugin(path: string | URL, options: PluginOptions = {}): Promise<Channel> {
    const { plan, end } = planPlugin(path, options);
    return new Channel(await PluginLink.open(plan), end);
  }

  /**
   * Queues a message. It is copied, so the caller may go on using `data`.
   *
   * @param data text (as UTF-8), any buffer or view of one, or a packet
   * @returns false when the shared memory is full, and the message waits in this thread's memory: wait for
   *   {@linkcode Channel.drain} before sending much more
   * @throws {TypeError} if `data` is nothing that can be sent
   * @throws {RangeError} if it is larger than {@linkcode Channel.sendBytes}
   * @throws {ENetError} `ENETJS_ERR_CLOSED`, `ENETJS_ERR_FAULT`; `ENETJS_ERR_LIMIT` when more than
   *   {@linkcode Channel.maximumQueuedBytes} would wait
   */
  send(data: Data): boolean {
    this.#life.requireOpen("Sending");
    const bytes = bytesOf(data);
    try {
      return this.#sender.send(bytes);
    } catch (error) {
      throw this.#life.caught(error);
    }
  }

  /**
   * Waits until every message that was sent is in the shared memory.
   *
   * @throws {ENetError} `ENETJS_ERR_CLOSED`, `ENETJS_ERR_FAULT` when the channel ends before
   */
  async drain(): Promise<void> {
    this.#life.requireOpen("Draining");
    try {
      await this.#sender.drained();
    } catch (error) {
      throw this.#life.caught(error);
    }
  }

  /**
   * Waits until the other end has taken every message that has been sent.
   *
   * @throws {ENetError} `ENETJS_ERR_CLOSED`, `ENETJS_ERR_FAULT` when the channel ends before
   */
  async onIdle(): Promise<void> {
    this.#life.requireOpen("Waiting");
    try {
      await this.#sender.idle();
    } catch (error) {
      throw this.#life.caught(error);
    }
  }

  /**
   * Sends a message that the other end takes in time, or never gets. It comes after earlier messages, which
   * stay queued.
   *
   * @param data as for {@linkcode Channel.send}
   * @param options how long to wait
   * @returns a promise that resolves when the other end has begun to handle the message
   * @throws {TypeError} if `data` or an option is of the wrong type
   * @throws {RangeError} if `data` is too large or `timeoutMs` out of range
   * @throws {ENetError} `ENETJS_ERR_TIMEOUT`, after which the message is withdrawn and the channel goes on;
   *   `ENETJS_ERR_CLOSED`, `ENETJS_ERR_FAULT`; `ENETJS_ERR_LIMIT` as {@linkcode Channel.send}
   */
  async sendNow(data: Data, options: SendNowOptions = {}): Promise<void> {
    const timeoutMs = planSendNow(options);
    this.#life.requireOpen("Sending");
    const bytes = bytesOf(data);
    try {
      await this.#sender.sendNow(bytes, timeoutMs);
    } catch (error) {
      throw this.#life.caught(error);
    }
  }

  /**
   * Reserves memory for a message, to be written in place and sent by {@linkcode Channel.commit}. From 16 KiB
   * on this is the shared memory itself, if it has room, and nothing is copied. Else it is memory of this
   * thread, which is copied when there is room. Messages that are sent meanwhile come after a reservation in
   * the shared memory.
   *
   * @param length size in bytes, 0 to {@linkcode Channel.sendBytes}
   * @returns the memory, whose content is undefined; use it until `commit` or `abort`
   * @throws {TypeError} if there is a reservation already, or `length` is no number
   * @throws {RangeError} if `length` is out of range
   * @throws {ENetError} `ENETJS_ERR_CLOSED`, `ENETJS_ERR_FAULT`
   */
  reserve(length: number): Uint8Array {
    this.#life.requireOpen("Reserving");
    try {
      return this.#sender.reserve(length);
    } catch (error) {
      throw this.#life.caught(error);
    }
  }

  /**
   * Sends what has been reserved.
   *
   * @param length how much of it, from the beginning. Default all
   * @returns as {@linkcode Channel.send}
   * @throws {TypeError} if there is no reservation
   * @throws {RangeError} if `length` is out of range; the reservation stays
   * @throws {ENetError} `ENETJS_ERR_CLOSED`, `ENETJS_ERR_FAULT`; `ENETJS_ERR_LIMIT` as
   *   {@linkcode Channel.send}, where the reservation stays
   */
  commit(length?: number): boolean {
    this.#life.requireOpen("Sending");
    try {
      return this.#sender.commit(length);
    } catch (error) {
      throw this.#life.caught(error);
    }
  }

  /**
   * Cancels a reservation without sending.
   *
   * @throws {TypeError} if there is no reservation
   * @throws {ENetError} `ENETJS_ERR_CLOSED`, `ENETJS_ERR_FAULT`
   */
  abort(): void {
    this.#life.requireOpen("Aborting");
    try {
      this.#sender.abort();
    } catch (error) {
      throw this.#life.caught(error);
    }
  }

  /**
   * Takes one message, without waiting.
   *
   * @returns a copy of the message, or null when there is none
   * @throws {TypeError} if the channel has a handler for messages or is being iterated over
   * @throws {ENetError} `ENETJS_ERR_FAULT`, once, when the other side broke its rules
   */
  receive(): Uint8Array<ArrayBuffer> | null {
    return this.#receiver.receive();
  }

  /**
   * Copies of the messages, until the channel is closed on either side.
   *
   * Iteration throws `ENETJS_ERR_FAULT` when the other side broke its rules.
   *
   * @throws {TypeError} if the channel has a handler for messages or is being iterated over already
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    return this.#receiver.iterate();
  }

  /**
   * The functions that the channel calls as events happen, or undefined. They can be set at any time, also by
   * one of them, and are replaced as a whole. Messages that wait go to new handlers in their order. Without a
   * `receive` handler they wait for an iteration or {@linkcode Channel.receive}.
   *
   * @throws {TypeError} for an unknown handler or one that is no function, and for a `receive` while the
   *   channel is being iterated over
   * @throws {ENetError} `ENETJS_ERR_CLOSED`, `ENETJS_ERR_FAULT` once the channel is closed
   */
  get handlers(): ChannelHandlers | undefined {
    return this.#life.handlers;
  }
  set handlers(handlers: ChannelHandlers | undefined) {
    this.#life.handlers = handlers;
  }

  /**
   * Least time in milliseconds between two rounds of `handlers.receive`. Can be set at any time.
   *
   * @throws {TypeError} if it is no number
   * @throws {RangeError} if it is no integer from 0 to 2,147,483,647
   */
  get minIntervalMs(): number {
    return this.#receiver.minIntervalMs;
  }
  set minIntervalMs(ms: number) {
    this.#receiver.minIntervalMs = checkInterval(ms);
  }

  /**
   * Bytes that may wait in this thread's memory because the shared memory is full, `Infinity` for no
   * limit. Can be set at any time; what waits already stays.
   *
   * @throws {TypeError} if it is no number
   * @throws {RangeError} if it is neither `Infinity` nor an integer from 0
   */
  get maximumQueuedBytes(): number {
    return this.#sender.maximumQueuedBytes;
  }
  set maximumQueuedBytes(bytes: number) {
    this.#sender.maximumQueuedBytes = checkQueueLimit(bytes);
  }

  /** Bytes that wait in this thread's memory because the shared memory is full. */
  get queuedBytes(): number {
    return this.#sender.queuedBytes;
  }

  /** Name and version that the plugin at the other end gives; undefined where there is none. */
  get plugin(): PluginInfo | undefined {
    return this.#life.link instanceof PluginLink ? this.#life.link.plugin : undefined;
  }

  /** What another thread joins with; undefined for an end that {@linkcode Channel.open} did not make. */
  get remote(): ChannelRemote | undefined {
    return this.#remote;
  }

  /** Largest message that can be sent, in bytes. */
  get sendBytes(): number {
    return this.#sender.capacity;
  }

  /** Largest message that can be received, in bytes. */
  get receiveBytes(): number {
    return this.#receiver.capacity;
  }

  /** Whether the channel is closed, on this side or, with everything taken, on the other. */
  get closed(): boolean {
    return this.#life.closed;
  }

  /** Keeps the process alive while the channel is open, which is the default. */
  ref(): void {
    if (!this.closed) this.#life.link.ref();
  }

  /** Lets the process end although the channel is open. */
  unref(): void {
    if (!this.closed) this.#life.link.unref();
  }

  /**
   * Closes the channel at once. Messages that the other end has not taken are lost; to prevent that, wait for
   * {@linkcode Channel.onIdle} first. A plugin is shut down and unloaded. Safe to call more than once.
   *
   * @returns a promise that resolves when everything is freed; this waits for a running function of a plugin
   */
  close(): Promise<void> {
    return this.#life.close();
  }

  /** Closes the channel; the rest of a plugin's end is not waited for. */
  [Symbol.dispose](): void {
    void this.#life.close();
  }

  /** Closes the channel as {@linkcode Channel.close} does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
