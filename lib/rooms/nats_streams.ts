/**
 * A log and a store on JetStream.
 *
 * The log is a stream with a subject for each topic. The server publishes each message again once it is stored, with its
 * sequence number and that of the message before it on the same subject.
 *
 * @module
 */
import { ENetError } from "../errors.ts";
import type {
  BackplaneLog,
  BackplaneStore,
  LogEntry,
  LogLimits,
  LogPart,
  StoredValue,
} from "./backplane.ts";
import type { NatsConnection, NatsMessage, StreamConfig, StreamManager } from "./_nats_library.ts";
import { streamsOf } from "./_nats_library.ts";

/** Where streams are kept. */
export interface StreamOptions {
  readonly prefix: string;
  readonly storage: "file" | "memory";
  readonly replicas: number;
}

const NANOSECONDS = 1e6;
const DAY_MS = 86_400_000;

/** Messages that one call of `read` reads at most. Each takes a question to the server. */
const PART = 64;

/** JetStream's codes: another stream of that name exists; the value has another revision. */
const EXISTS = 10058;
const WRONG_REVISION = 10071;

const codeOf = (error: unknown): number => Number(Object(error).code);

async function ensure(manager: StreamManager, config: StreamConfig): Promise<number> {
  try {
    const { created } = await manager.streams.add(config);
    return Date.parse(created);
  } catch (error) {
    if (codeOf(error) !== EXISTS) throw error;
    const { created } = await manager.streams.update(config.name, config);
    return Date.parse(created);
  }
}

/**
 * Access to JetStream.
 *
 * @throws {ENetError} `ENETJS_ERR_BACKPLANE` when the server has none
 */
export async function openStreams(connection: NatsConnection): Promise<StreamManager> {
  try {
    return await streamsOf(connection);
  } catch (error) {
    if (error instanceof ENetError) throw error;
    throw new ENetError(
      "ENETJS_ERR_BACKPLANE",
      "nats(): history and leases need JetStream, which the server does not give; run nats-server with -js: " +
        Object(error).message,
      { cause: error },
    );
  }
}

/** The log of `nats()`. */
export class NatsLog implements BackplaneLog {
  epoch = 0;
  readonly #manager: StreamManager;
  readonly #config: StreamConfig;
  readonly #prefix: string;
  readonly #renewed: () => void;
  #opening: Promise<void> | undefined;

  /** @param renewed called when the log was lost and is a new one */
  constructor(
    manager: StreamManager,
    limits: LogLimits,
    { prefix, storage, replicas }: StreamOptions,
    renewed: () => void,
  ) {
    this.#manager = manager;
    this.#prefix = prefix;
    this.#renewed = renewed;
    this.#config = {
      name: `${prefix}-log`,
      subjects: [`${prefix}.log.>`],
      // One more, so that who has the first one that is missing can tell that nothing else is.
      max_msgs_per_subject: limits.length + 1,
      max_age: limits.ageMs * NANOSECONDS,
      storage,
      num_replicas: replicas,
      duplicate_window: Math.min(limits.ageMs, 120_000) * NANOSECONDS,
      republish: { src: `${prefix}.log.>`, dest: `${prefix}.logged.>` },
    };
  }

  /** The subject on which the messages of a topic come back. */
  comesOn(topic: string): string {
    return `${this.#prefix}.logged.${topic}`;
  }

  /** Makes the stream if it is not there. */
  async open(): Promise<void> {
    const before = this.epoch;
    this.epoch = await ensure(this.#manager, this.#config);
    if (before !== 0 && before !== this.epoch) this.#renewed();
  }

  /** A message that has come back. */
  entryOf({ headers, data }: NatsMessage): LogEntry | undefined {
    const offset = Number(headers?.get("Nats-Sequence"));
    const previous = Number(headers?.get("Nats-Last-Sequence"));
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(previous)) return undefined;
    return { offset, previous, bytes: data };
  }

  async append(topic: string, bytes: Uint8Array): Promise<number> {
    try {
      const { seq } = await this.#manager.jetstream().publish(
        `${this.#prefix}.log.${topic}`,
        bytes,
      );
      return seq;
    } catch (error) {
      // The server may have lost the stream.
      this.#opening ??= this.open().catch(() => {}).finally(() => this.#opening = undefined);
      throw error;
    }
  }

  async read(topic: string, after: number): Promise<LogPart> {
    const { streams } = this.#manager;
    const { name } = this.#config;
    const subject = `${this.#prefix}.log.${topic}`;
    const last = after === 0 ? null : await streams.getMessage(name, { seq: after });
    const entries: LogPart["entries"][number][] = [];
    for (let seq = after + 1; entries.length < PART;) {
      const message = await streams.getMessage(name, { seq, next_by_subj: subject });
      if (message === null) break;
      entries.push({ offset: message.seq, bytes: message.data });
      seq = message.seq + 1;
    }
    return { entries, complete: last?.subject === subject };
  }
}

/** The store of `nats()`. */
export class NatsStore implements BackplaneStore {
  readonly #manager: StreamManager;
  readonly #config: StreamConfig;
  readonly #prefix: string;

  constructor(manager: StreamManager, { prefix, storage, replicas }: StreamOptions) {
    this.#manager = manager;
    this.#prefix = prefix;
    this.#config = {
      name: `${prefix}-store`,
      subjects: [`${prefix}.store.>`],
      max_msgs_per_subject: 1,
      max_age: DAY_MS * NANOSECONDS,
      storage,
      num_replicas: replicas,
      duplicate_window: 120_000 * NANOSECONDS,
    };
  }

  /** Makes the stream if it is not there. */
  async open(): Promise<void> {
    await ensure(this.#manager, this.#config);
  }

  async get(key: string): Promise<StoredValue | undefined> {
    const query = { last_by_subj: `${this.#prefix}.store.${key}` };
    const message = await this.#manager.streams.getMessage(this.#config.name, query);
    return message === null ? undefined : { revision: message.seq, bytes: message.data };
  }

  async put(key: string, bytes: Uint8Array, expected: number): Promise<number | undefined> {
    const options = { expect: { lastSubjectSequence: expected } };
    const subject = `${this.#prefix}.store.${key}`;
    try {
      return (await this.#manager.jetstream().publish(subject, bytes, options)).seq;
    } catch (error) {
      if (codeOf(error) === WRONG_REVISION) return undefined;
      throw error;
    }
  }
}
