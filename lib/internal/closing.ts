/** The end of a host: after its queues have drained, or at once. */
import { DISCONNECT, HOST_STAT, PEER_STAT } from "../../ffi/layout.ts";
import type { ClosePlan, Undelivered } from "../close.ts";
import type { Connector } from "./connect.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Inlet } from "./inlet.ts";

/** Closes one host, once. */
export class Closing {
  readonly #endpoint: Endpoint;
  readonly #inlet: Inlet;
  readonly #connector: Connector;
  /** Called before the native host goes. */
  readonly #beforeEnd: () => void;
  #promise: Promise<Undelivered> | undefined;
  /** Ends the wait of a close under way after a time, if that is sooner. */
  #shorten: ((graceMs: number) => void) | undefined;
  #undelivered: Undelivered = { bytes: 0, messages: 0, peers: 0 };

  constructor(endpoint: Endpoint, inlet: Inlet, connector: Connector, beforeEnd: () => void) {
    this.#endpoint = endpoint;
    this.#inlet = inlet;
    this.#connector = connector;
    this.#beforeEnd = beforeEnd;
  }

  /** Whether `close` has been called. */
  get begun(): boolean {
    return this.#promise !== undefined;
  }

  /** Closes the host, or makes an earlier call wait no longer than this one. */
  close({ graceMs, data, reason }: ClosePlan): Promise<Undelivered> {
    if (this.#promise === undefined) {
      this.#endpoint.closeReason = reason;
      this.#promise = this.#close(graceMs, data);
    } else if (graceMs === 0) {
      this.destroy();
    } else {
      this.#shorten?.(graceMs);
    }
    return this.#promise;
  }

  async #close(graceMs: number, data: number): Promise<Undelivered> {
    if (!this.#endpoint.resources.open) return this.#undelivered;
    this.#connector.end();
    const { native, handle } = this.#endpoint;
    const { shutdown, roster } = this.#inlet;
    this.#endpoint.beginClosing();
    this.#inlet.closeData = data;
    for (const connection of roster.live) {
      connection.leave();
      if (!connection.established) connection.close({ reason: "local", data });
    }
    this.#inlet.silence();
    const { others } = roster; // native code ends its own
    for (const connection of others) {
      connection.transport.disconnect(connection, data, DISCONNECT.LATER);
    }
    const ends: Promise<unknown>[] = others.map((connection) => connection.closed());
    if (native.enetjs_host_shutdown(handle, data) === 1) ends.push(shutdown.promise);
    if (ends.length > 0 && graceMs > 0) {
      this.#endpoint.change();
      await this.#atMost(graceMs, Promise.all(ends));
    }
    this.destroy();
    return this.#undelivered;
  }

  /** Waits for a promise, servicing meanwhile where there is no pump. */
  async #atMost(graceMs: number, promise: Promise<unknown>): Promise<void> {
    const over = Promise.withResolvers<void>();
    let end = Infinity;
    let timer: ReturnType<typeof setTimeout> | undefined;
    this.#shorten = (ms) => {
      if (performance.now() + ms >= end) return;
      end = performance.now() + ms;
      clearTimeout(timer);
      timer = setTimeout(over.resolve, ms);
    };
    this.#shorten(graceMs);
    const ticker = this.#endpoint.pump ? undefined : setInterval(() => this.#inlet.service(0), 1);
    try {
      await Promise.race([promise, over.promise]);
    } finally {
      this.#shorten = undefined;
      clearTimeout(timer);
      clearInterval(ticker);
    }
  }

  /** Ends the host at once. */
  destroy(): void {
    const { resources, stats } = this.#endpoint;
    this.#endpoint.beginClosing();
    if (resources.open) this.#inlet.learn();
    if (!resources.open) return;
    this.#beforeEnd();
    this.#connector.end();
    const others = this.#endOthers();
    this.#inlet.releaseBorrowed();
    resources.close();
    this.#undelivered = {
      bytes: stats[HOST_STAT.UNDELIVERED_BYTES] + others.bytes,
      messages: stats[HOST_STAT.UNDELIVERED_MESSAGES] + others.messages,
      peers: stats[HOST_STAT.UNDELIVERED_PEERS] + others.peers,
    };
    this.#inlet.close();
    this.#endpoint.memory.recycle();
  }

  /** Ends what native code does not know. @returns what was queued */
  #endOthers(): Undelivered {
    let [bytes, messages, peers] = [0, 0, 0];
    for (const connection of this.#inlet.roster.others) {
      const stats = connection.transport.stats(connection);
      const queued = stats?.[PEER_STAT.QUEUED_MESSAGES] ?? 0;
      bytes += stats?.[PEER_STAT.QUEUED_BYTES] ?? 0;
      messages += queued;
      peers += Number(queued > 0);
      connection.transport.disconnect(connection, this.#inlet.closeData, DISCONNECT.NOW);
    }
    return { bytes, messages, peers };
  }
}
