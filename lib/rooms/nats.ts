/**
 * The backplane over NATS.
 *
 * @module
 */
import { clearInterval, setInterval } from "node:timers";
import { integer, oneOf, options as checkOptions, show } from "../internal/validate.ts";
import type {
  Backplane,
  BackplaneConnection,
  BackplaneHandlers,
  BackplaneNeeds,
} from "./backplane.ts";
import { connectNats, type NatsConnection, type NatsSubscription } from "./_nats_library.ts";
import { NatsLog, NatsStore, openStreams } from "./nats_streams.ts";

/** Options of `nats`. */
export interface NatsOptions {
  /** The servers, such as `"nats.example.com:4222"`: one, or several of a cluster, of which any will do. */
  servers: string | readonly string[];
  /**
   * The first part of all subjects and names of streams: letters, digits, `-` and `_`, at most 32. Programs that share
   * servers take different ones. Default `"enet-rooms"`.
   */
  prefix?: string;
  /** Bytes that may wait to be sent, 65,536 to 2,147,483,647. What exceeds them is dropped. Default 16 MiB. */
  maximumQueuedBytes?: number;
  /** Where servers keep history and leases. Default `"file"`, which outlives a restart. */
  storage?: "file" | "memory";
  /** How many servers of a cluster keep them, 1 to 5. Default 1; 3 outlives the loss of a server. */
  replicas?: number;
  /** More for `connect` of `@nats-io/transport-node`, such as `{ user, pass }`, `{ token }` or `{ tls }`. */
  connection?: Readonly<Record<string, unknown>>;
}

/** Milliseconds between two measurements of the link. */
const PULSE_MS = 500;

/** The link counts as down when the server has not answered for so many milliseconds. */
const SILENT_MS = 1000;

/** After so many bytes the link is measured at once, to know that they have left. */
const CONFIRM_BYTES = 262_144;

/** What is always so, whatever the program says about the connection. */
const FIXED = { noEcho: true, maxReconnectAttempts: -1, waitOnFirstConnect: false };

/** What the program may change: a link that breaks is soon restored, or is soon known to be broken. */
const USUAL = {
  reconnectTimeWait: 200,
  reconnectJitter: 100,
  reconnectJitterTLS: 100,
  pingInterval: 2000,
  maxPingOut: 2,
  timeout: 5000,
};

class NatsLink implements BackplaneConnection {
  lagMs = 0;
  log: NatsLog | undefined;
  store: NatsStore | undefined;
  readonly #nats: NatsConnection;
  readonly #prefix: string;
  readonly #handlers: BackplaneHandlers;
  readonly #maximumQueuedBytes: number;
  readonly #subscriptions = new Map<string, NatsSubscription[]>();
  readonly #ticker: ReturnType<typeof setInterval>;
  #up = true;
  /** Bytes since the last measurement began, and those that it will confirm. */
  #fresh = 0;
  #confirming = 0;
  /** When the measurement under way began. */
  #askedAt: number | undefined;
  #pulsedAt = performance.now();
  #subscribed: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    nats: NatsConnection,
    prefix: string,
    handlers: BackplaneHandlers,
    maximumQueuedBytes: number,
  ) {
    this.#nats = nats;
    this.#prefix = prefix;
    this.#handlers = handlers;
    this.#maximumQueuedBytes = maximumQueuedBytes;
    this.#ticker = setInterval(() => this.#pulse(), PULSE_MS);
    this.#ticker.unref(); // the host keeps the process alive
    void this.#watch();
  }

  get queuedBytes(): number {
    return this.#fresh + this.#confirming;
  }

  get maximumMessageSize(): number {
    return this.#nats.info?.max_payload ?? 2 ** 20;
  }

  subscribe(topic: string): Promise<void> {
    if (!this.#subscriptions.has(topic)) this.#subscriptions.set(topic, this.#subscribe(topic));
    // One answer confirms all subscriptions of a turn.
    return this.#subscribed ??= Promise.resolve().then(() => {
      this.#subscribed = undefined;
      return this.#nats.flush();
    });
  }

  #subscribe(topic: string): NatsSubscription[] {
    const { log } = this;
    const handlers = this.#handlers;
    const subscriptions = [
      this.#nats.subscribe(`${this.#prefix}.${topic}`, {
        callback(error, message) {
          if (error === null) handlers.message(topic, message.data);
        },
      }),
    ];
    if (log === undefined) return subscriptions;
    subscriptions.push(this.#nats.subscribe(log.comesOn(topic), {
      callback(error, message) {
        const entry = error === null ? log.entryOf(message) : undefined;
        if (entry !== undefined) handlers.entry(topic, entry);
      },
    }));
    return subscriptions;
  }

  unsubscribe(topic: string): void {
    for (const subscription of this.#subscriptions.get(topic) ?? []) subscription.unsubscribe();
    this.#subscriptions.delete(topic);
  }

  publish(topic: string, bytes: Uint8Array): boolean {
    if (!this.#up || this.#closing !== undefined) return false;
    if (this.queuedBytes + bytes.length > this.#maximumQueuedBytes) return false;
    this.#nats.publish(`${this.#prefix}.${topic}`, bytes);
    this.#fresh += bytes.length;
    if (this.#fresh > CONFIRM_BYTES && this.#askedAt === undefined) void this.#measure();
    return true;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#ticker);
    // Without a server, what is queued can't be sent.
    if (this.#up) await this.#nats.drain().catch(() => {});
    else await this.#nats.close();
  }

  /** Whether the server answers, and how fast. */
  #pulse(): void {
    const now = performance.now();
    // This process was stopped or busy: the answer may have come, and has yet to be read.
    const late = now - this.#pulsedAt > 2 * PULSE_MS;
    this.#pulsedAt = now;
    if (this.#askedAt === undefined) return void this.#measure();
    if (late || now - this.#askedAt < SILENT_MS) return;
    this.#report(false, new Error(`the server has not answered for ${SILENT_MS} ms`));
  }

  async #measure(): Promise<void> {
    const askedAt = performance.now();
    this.#askedAt = askedAt;
    this.#confirming += this.#fresh;
    this.#fresh = 0;
    try {
      await this.#nats.flush();
      this.lagMs = performance.now() - askedAt;
      this.#confirming = 0;
      if (!this.#up && this.#askedAt === askedAt) await this.#restore();
    } catch {
      // The connection has broken, which its status tells; or it is closed.
      this.#confirming = 0;
    } finally {
      if (this.#askedAt === askedAt) this.#askedAt = undefined;
    }
  }

  async #watch(): Promise<void> {
    for await (const { type, error } of this.#nats.status()) {
      if (type === "disconnect") this.#report(false, error ?? new Error("the connection broke"));
      // What was asked on the former connection gets no answer.
      if (type === "reconnect") this.#askedAt = undefined;
      if (type === "reconnect") await this.#measure();
    }
  }

  /** Messages get through again. */
  async #restore(): Promise<void> {
    await this.log?.open();
    await this.store?.open();
    this.#report(true);
  }

  #report(up: boolean, error?: Error): void {
    if (this.#up === up || this.#closing !== undefined) return;
    this.#up = up;
    this.#handlers.status(up, error);
  }
}

/**
 * Makes a backplane over servers of NATS. It needs the npm package `@nats-io/transport-node`; with history or leases also
 * `@nats-io/jetstream`, and servers that run with `-js`.
 *
 * @param options the servers, and limits
 * @returns the backplane
 * @throws {TypeError} for an unknown option or one of the wrong type
 * @throws {RangeError} for a value out of range
 */
export function nats(options: NatsOptions): Backplane {
  checkOptions(options, "options", [
    "servers",
    "prefix",
    "maximumQueuedBytes",
    "storage",
    "replicas",
    "connection",
  ]);
  const {
    servers,
    prefix = "enet-rooms",
    maximumQueuedBytes = 2 ** 24,
    storage = "file",
    replicas = 1,
    connection = {},
  } = options;
  const list = typeof servers === "string" ? [servers] : servers;
  if (!Array.isArray(list) || list.length === 0 || list.some((one) => typeof one !== "string")) {
    throw new TypeError(`servers must be "host:port", or several of these, not ${show(servers)}`);
  }
  if (typeof prefix !== "string" || !/^[\w-]{1,32}$/.test(prefix)) {
    throw new RangeError(
      `prefix must have 1 to 32 letters, digits, "-" and "_", not ${show(prefix)}`,
    );
  }
  integer(maximumQueuedBytes, "maximumQueuedBytes", 65_536, 2 ** 31 - 1);
  oneOf(storage, "storage", ["file", "memory"]);
  integer(replicas, "replicas", 1, 5);
  return {
    async connect(id, handlers, needs) {
      const given = { ...USUAL, name: id, ...connection, ...FIXED, servers: list };
      const nats = await connectNats(given);
      const link = new NatsLink(nats, prefix, handlers, maximumQueuedBytes);
      try {
        await openParts(link, nats, needs, { prefix, storage, replicas }, handlers);
      } catch (error) {
        await link.close();
        throw error;
      }
      return link;
    },
  };
}

async function openParts(
  link: NatsLink,
  nats: NatsConnection,
  needs: BackplaneNeeds,
  options: { prefix: string; storage: "file" | "memory"; replicas: number },
  handlers: BackplaneHandlers,
): Promise<void> {
  if (needs.log === undefined && !needs.store) return;
  const manager = await openStreams(nats);
  if (needs.log !== undefined) {
    link.log = new NatsLog(manager, needs.log, options, () => handlers.status(true));
    await link.log.open();
  }
  if (needs.store) {
    link.store = new NatsStore(manager, options);
    await link.store.open();
  }
}
