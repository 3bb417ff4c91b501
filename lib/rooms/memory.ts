/**
 * The backplane within a process, which needs nothing installed.
 *
 * @module
 */
import type {
  Backplane,
  BackplaneConnection,
  BackplaneHandlers,
  BackplaneLog,
  BackplaneNeeds,
  BackplaneStore,
  LogEntry,
  LogLimits,
  StoredValue,
} from "./backplane.ts";

/** A message of a log, and when it came. */
interface Kept extends LogEntry {
  readonly at: number;
}

/** After as many messages of logs, topics are looked for that nobody needs. */
const SWEEP_EVERY = 1024;

/** What the connections of one `memory()` share. */
class Hub {
  readonly connections = new Set<MemoryConnection>();
  readonly logs = new Map<string, Kept[]>();
  /** The offset of the last message of each topic, which may not be kept any more. */
  readonly ends = new Map<string, number>();
  readonly values = new Map<string, StoredValue>();
  readonly epoch = crypto.getRandomValues(new Uint32Array(1))[0] + 1;
  revision = 0;
  #offset = 0;
  /** The last offset of all topics that were forgotten. */
  #forgotten = 0;

  append(topic: string, bytes: Uint8Array, limits: LogLimits): LogEntry {
    const entry = { offset: ++this.#offset, previous: this.endOf(topic), bytes };
    if (entry.offset % SWEEP_EVERY === 0) this.#sweep(limits);
    this.ends.set(topic, entry.offset);
    const kept = this.kept(topic, limits);
    kept.push({ ...entry, at: performance.now() });
    if (kept.length > limits.length) kept.shift();
    return entry;
  }

  /** The offset of the last message of a topic, or a later one where that is not known any more. */
  endOf(topic: string): number {
    return this.ends.get(topic) ?? this.#forgotten;
  }

  /** Forgets topics of which nothing is kept, and that nobody follows. */
  #sweep(limits: LogLimits): void {
    for (const [topic, end] of this.ends) {
      const isFollowed = [...this.connections].some((connection) => connection.hears(topic));
      if (isFollowed || this.kept(topic, limits).length > 0) continue;
      this.#forgotten = Math.max(this.#forgotten, end);
      this.ends.delete(topic);
      this.logs.delete(topic);
    }
  }

  /** What is kept of a topic. */
  kept(topic: string, { ageMs }: LogLimits): Kept[] {
    const log = this.logs.get(topic) ?? [];
    const since = performance.now() - ageMs;
    const young = log.filter(({ at }) => at >= since);
    this.logs.set(topic, young);
    return young;
  }
}

class MemoryConnection implements BackplaneConnection, BackplaneLog, BackplaneStore {
  readonly queuedBytes = 0;
  readonly lagMs = 0;
  readonly maximumMessageSize = 2 ** 30;
  readonly log: BackplaneLog = this;
  readonly store: BackplaneStore = this;
  readonly #hub: Hub;
  readonly #limits: LogLimits;
  readonly #topics = new Set<string>();
  /** Called with what others have sent. */
  readonly handlers: BackplaneHandlers;

  constructor(hub: Hub, handlers: BackplaneHandlers, { log }: BackplaneNeeds) {
    this.#hub = hub;
    this.handlers = handlers;
    this.#limits = log ?? { length: 1, ageMs: 1 };
    hub.connections.add(this);
  }

  get epoch(): number {
    return this.#hub.epoch;
  }

  subscribe(topic: string): Promise<void> {
    this.#topics.add(topic);
    return Promise.resolve();
  }

  unsubscribe(topic: string): void {
    this.#topics.delete(topic);
  }

  publish(topic: string, bytes: Uint8Array): boolean {
    if (!this.#hub.connections.has(this)) return false;
    for (const other of this.#hub.connections) {
      if (other !== this && other.#topics.has(topic)) {
        queueMicrotask(() => other.hears(topic) && other.handlers.message(topic, bytes));
      }
    }
    return true;
  }

  append(topic: string, bytes: Uint8Array): Promise<number> {
    const entry = this.#hub.append(topic, bytes, this.#limits);
    for (const other of this.#hub.connections) {
      if (!other.#topics.has(topic)) continue;
      queueMicrotask(() => other.hears(topic) && other.handlers.entry(topic, entry));
    }
    return Promise.resolve(entry.offset);
  }

  read(topic: string, after: number): ReturnType<BackplaneLog["read"]> {
    const kept = this.#hub.kept(topic, this.#limits);
    const entries = kept.filter(({ offset }) => offset > after);
    const complete = entries.length > 0
      ? entries[0].previous <= after
      : this.#hub.endOf(topic) <= after;
    return Promise.resolve({ entries, complete });
  }

  get(key: string): Promise<StoredValue | undefined> {
    return Promise.resolve(this.#hub.values.get(key));
  }

  put(key: string, bytes: Uint8Array, expected: number): Promise<number | undefined> {
    const hub = this.#hub;
    if ((hub.values.get(key)?.revision ?? 0) !== expected) return Promise.resolve(undefined);
    const revision = ++hub.revision;
    hub.values.set(key, { revision, bytes });
    return Promise.resolve(revision);
  }

  close(): Promise<void> {
    this.#hub.connections.delete(this);
    return Promise.resolve();
  }

  /** Whether it gets messages of a topic. */
  hears(topic: string): boolean {
    return this.#hub.connections.has(this) && this.#topics.has(topic);
  }
}

/**
 * Makes a backplane within this process. Pass the same one to several `Rooms` to connect their hosts.
 *
 * @returns the backplane
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 * import { memory, Rooms } from "@enetjs/enet/rooms";
 *
 * const backplane = memory();
 * await using north = await Host.listen({ hostname: "127.0.0.1" });
 * await using south = await Host.listen({ hostname: "127.0.0.1" });
 * await using northRooms = new Rooms(north, { backplane });
 * await using southRooms = new Rooms(south, { backplane });
 * await Promise.all([northRooms.ready, southRooms.ready]);
 * console.log(northRooms.id === southRooms.id); // false
 * ```
 */
export function memory(): Backplane {
  const hub = new Hub();
  return {
    connect: (_id, handlers, needs) => Promise.resolve(new MemoryConnection(hub, handlers, needs)),
  };
}
