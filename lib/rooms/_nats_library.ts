/**
 * The npm packages `@nats-io/transport-node` and `@nats-io/jetstream`: as much of them as is used here.
 *
 * They are optional peer dependencies, which only programs need that use `nats()`. They are loaded when that connects.
 *
 * @module
 */
import { ENetError } from "../errors.ts";
import { whyNotLoaded } from "../internal/optional_package.ts";

/** A message of NATS. */
export interface NatsMessage {
  readonly data: Uint8Array;
  readonly headers?: { get(name: string): string };
}

/** A subscription. */
export interface NatsSubscription {
  unsubscribe(): void;
}

/** What happens to a connection. */
export interface NatsStatus {
  readonly type: string;
  readonly error?: Error;
}

/** A connection to a server of NATS, which is replaced by one to another server when it breaks. */
export interface NatsConnection {
  readonly info?: { readonly max_payload: number };
  publish(subject: string, bytes: Uint8Array): void;
  subscribe(
    subject: string,
    options: { callback(error: Error | null, message: NatsMessage): void },
  ): NatsSubscription;
  flush(): Promise<void>;
  status(): AsyncIterable<NatsStatus>;
  isClosed(): boolean;
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** How a stream is made. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly max_msgs_per_subject: number;
  readonly max_age: number;
  readonly storage: "file" | "memory";
  readonly num_replicas: number;
  readonly duplicate_window: number;
  readonly republish?: { readonly src: string; readonly dest: string };
}

/** A message that a stream keeps. */
export interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  readonly data: Uint8Array;
}

/** Makes and reads streams. */
export interface StreamManager {
  readonly streams: {
    add(config: StreamConfig): Promise<{ readonly created: string }>;
    update(name: string, config: StreamConfig): Promise<{ readonly created: string }>;
    getMessage(
      stream: string,
      query: { seq?: number; next_by_subj?: string; last_by_subj?: string },
    ): Promise<StoredMessage | null>;
  };
  jetstream(): {
    publish(
      subject: string,
      bytes: Uint8Array,
      options?: { expect?: { lastSubjectSequence: number }; timeout?: number },
    ): Promise<{ readonly seq: number }>;
  };
}

async function load<Library>(name: string, load: () => Promise<unknown>): Promise<Library> {
  try {
    return await load() as Library;
  } catch (error) {
    const what = `nats(): ${whyNotLoaded(name, error)}`;
    throw new ENetError("ENETJS_ERR_LIBRARY", what, { cause: error });
  }
}

// In variables, so that nothing looks for the packages before they are needed.
const TRANSPORT = "@nats-io/transport-node";
const JETSTREAM = "@nats-io/jetstream";

/**
 * Connects.
 *
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` when the package is not installed, or can't be loaded
 */
export async function connectNats(options: Record<string, unknown>): Promise<NatsConnection> {
  const { connect } = await load<{
    connect(options: Record<string, unknown>): Promise<NatsConnection>;
  }>(TRANSPORT, () => import(TRANSPORT));
  return await connect(options);
}

/**
 * Gives access to the streams of a connection.
 *
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` when the package is not installed, or can't be loaded
 */
export async function streamsOf(connection: NatsConnection): Promise<StreamManager> {
  const { jetstreamManager } = await load<{
    jetstreamManager(connection: NatsConnection): Promise<StreamManager>;
  }>(JETSTREAM, () => import(JETSTREAM));
  return await jetstreamManager(connection);
}
