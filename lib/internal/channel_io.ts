import type { Connection } from "./connection.ts";
import type { ChannelSink } from "./connection_contract.ts";
import { Fifo } from "./fifo.ts";
import { type Mail, Mailbox } from "./mailbox.ts";
import { type ENetError, NATIVE_ERROR } from "../errors.ts";
import { type Packet, PacketFlag, packets } from "../packet.ts";
import { dataBytes } from "./payload.ts";

/** The error of a stream whose connection has ended, or undefined where the stream just ends. */
export function lossOf(connection: Connection): ENetError | undefined {
  if (connection.failure !== undefined) return connection.failure;
  const reason = connection.ending?.reason;
  return (reason === "timeout" && !connection.closing) || reason === "reset"
    ? connection.error(NATIVE_ERROR.STALE)
    : undefined;
}

/** Reads one channel, message by message. Messages that wait here count against what the peer may have waiting. */
export class ChannelReader implements ChannelSink, Mail<Packet> {
  readonly #connection: Connection;
  readonly #channelId: number;
  readonly #inbox = new Fifo<Packet>();
  readonly #mailbox: Mailbox<Packet>;
  #over = false;

  constructor(connection: Connection, channelId: number) {
    this.#connection = connection;
    this.#channelId = channelId;
    this.#mailbox = new Mailbox(connection.endpoint, this);
    if (connection.sinks.has(channelId)) {
      throw new TypeError(`${connection.name}: channel ${channelId} is being read already`);
    }
    this.#over = connection.inbox.over;
    if (!this.#over) connection.endpoint.inlet.claimChannel(connection, channelId, this);
  }

  receive(packet: Packet): void {
    // A reader that waits for another turn has a message in the inbox.
    if (this.#inbox.size === 0 && this.#mailbox.deliver(packet)) return;
    this.#connection.hold(packet);
    this.#inbox.push(packet);
  }

  /**
   * The next message, which its taker disposes of, or undefined at the end; rejects if the connection
   * was lost.
   */
  async read(): Promise<Packet | undefined> {
    const { value } = await this.#mailbox.read();
    return value;
  }

  nextValue(): Packet | undefined {
    const packet = this.#inbox.shift();
    if (packet !== undefined) this.#connection.release(packet);
    return packet;
  }

  lastResult(): IteratorResult<Packet> | undefined {
    if (!this.#over || this.#inbox.size > 0) return undefined;
    const loss = lossOf(this.#connection);
    if (loss !== undefined) throw loss;
    return { value: undefined, done: true };
  }

  end(): void {
    this.#leave();
    this.#mailbox.feed();
  }

  /** Reads no more, and drops what waits. */
  cancel(): void {
    this.#leave();
    for (let packet = this.nextValue(); packet; packet = this.nextValue()) packets.release(packet);
    this.#mailbox.dismiss();
  }

  #leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#connection.endpoint.inlet.unclaimChannel(this.#connection, this.#channelId);
  }
}

/** Writes bytes to one channel, and knows when all of them have been acknowledged. */
export class ChannelWriter {
  readonly #connection: Connection;
  readonly #channelId: number;
  readonly #chunkSize: number;
  #unacknowledged = 0;
  #loss: unknown;
  #acknowledged: PromiseWithResolvers<void> | undefined;
  #onClose: (() => void) | undefined;

  constructor(connection: Connection, channelId: number, chunkSize: number) {
    this.#connection = connection;
    this.#channelId = channelId;
    this.#chunkSize = chunkSize;
  }

  /** Sets the function to call once when the connection ends; its error is set if bytes were lost. */
  onEnd(listener: (loss: ENetError | undefined) => void): void {
    const connection = this.#connection;
    this.#onClose = () => {
      this.detach();
      listener(this.#unacknowledged > 0 ? connection.undelivered() : lossOf(connection));
    };
    if (connection.ending === undefined) connection.closeListeners.add(this.#onClose);
    else this.#onClose();
  }

  /** Takes {@linkcode ChannelWriter.onEnd} back. */
  detach(): void {
    if (this.#onClose !== undefined) this.#connection.closeListeners.delete(this.#onClose);
  }

  /** The error of a write after the end of the connection. */
  get ended(): ENetError {
    return this.#connection.error(NATIVE_ERROR.STALE);
  }

  /**
   * Queues bytes; resolves when more may be written.
   *
   * @param settled is called once all of it has been acknowledged, or with an error when that can no longer
   *   happen
   */
  async write(
    data: string | ArrayBufferLike | ArrayBufferView,
    settled?: (error?: Error) => void,
  ): Promise<void> {
    const bytes = dataBytes(data);
    const deliveries: Promise<void>[] | undefined = settled && [];
    try {
      for (let start = 0; start < bytes.length; start += this.#chunkSize) {
        if (this.#loss !== undefined) throw this.#loss;
        const isFull = this.#queue(bytes.subarray(start, start + this.#chunkSize), deliveries);
        if (isFull) await this.#drained();
      }
    } finally {
      if (settled !== undefined) this.#report(bytes, deliveries as Promise<void>[], settled);
    }
  }

  /** Resolves when more may be written; rejects with what the end of the connection means for the bytes. */
  async #drained(): Promise<void> {
    try {
      await this.#connection.drained();
    } catch (error) {
      const isLost = this.#unacknowledged > 0;
      throw this.#loss ?? (isLost ? this.#connection.undelivered() : error);
    }
  }

  /** Calls back for some bytes when the messages that carry them have been acknowledged or lost. */
  #report(bytes: Uint8Array, deliveries: Promise<void>[], settled: (error?: Error) => void): void {
    const isWhole = deliveries.length === Math.ceil(bytes.length / this.#chunkSize);
    Promise.all(deliveries).then(
      () => isWhole ? settled() : settled(this.#connection.undelivered()),
      settled,
    );
  }

  /** Queues a message. @returns whether the queue is above its high-water mark */
  #queue(bytes: Uint8Array, promises: Promise<void>[] | undefined): boolean {
    const connection = this.#connection;
    const { endpoint: { deliveries } } = connection;
    const token = deliveries.token();
    const result = connection.send(this.#channelId, PacketFlag.RELIABLE, bytes, token);
    if (result < 0) throw connection.error(result);
    const delivered = deliveries.acknowledged(token, connection, (error) => this.#settle(error));
    this.#unacknowledged++;
    promises?.push(delivered);
    delivered.catch(() => {}); // #settle() has the error
    return result > 0;
  }

  /** Counts in the same task: the end of the connection may be told next, and looks at the count. */
  #settle(error?: Error): void {
    this.#loss ??= error;
    if (--this.#unacknowledged > 0 || this.#acknowledged === undefined) return;
    const { resolve, reject } = this.#acknowledged;
    this.#acknowledged = undefined;
    if (this.#loss === undefined) resolve();
    else reject(this.#loss);
  }

  /** Resolves when everything has been acknowledged; rejects if something can't be any more. */
  flushed(): Promise<void> {
    if (this.#loss !== undefined) return Promise.reject(this.#loss);
    if (this.#unacknowledged === 0) return Promise.resolve();
    this.#acknowledged ??= Promise.withResolvers();
    return this.#acknowledged.promise;
  }
}
