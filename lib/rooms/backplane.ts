/**
 * What carries messages among the hosts of a cluster. `docs/rooms.md` has a backplane in fifty lines;
 * {@linkcode backplaneChecks} tests one.
 *
 * @module
 */

/** Connects hosts with each other. One backplane may serve several `Rooms` of a process. */
export interface Backplane {
  /**
   * Joins the cluster. Called once for each `Rooms`.
   *
   * @param id the name of the host in the cluster, unique among all hosts
   * @param handlers what the connection calls, never within a call of its own methods
   * @param needs which optional parts will be used
   * @returns the connection, once messages get through
   * @throws {Error} when the cluster can't be reached, or the backplane lacks a part that is needed
   */
  connect(
    id: string,
    handlers: BackplaneHandlers,
    needs: BackplaneNeeds,
  ): Promise<BackplaneConnection>;
}

/** What a connection of a backplane calls. */
export interface BackplaneHandlers {
  /**
   * A message of another host has come.
   *
   * @param topic the topic, to which this connection has subscribed
   * @param bytes the message, valid until the function returns; it is not changed
   */
  message(topic: string, bytes: Uint8Array): void;
  /**
   * A message has come from the log: those of other hosts, and also this host's own.
   *
   * @param topic the topic, to which this connection has subscribed
   * @param entry the message, in the order of the log
   */
  entry(topic: string, entry: LogEntry): void;
  /**
   * The link has gone down, or is up again. Messages of the time between are lost. After `connect` it is up.
   *
   * @param up whether messages get through
   * @param error why it went down, as far as known
   */
  status(up: boolean, error?: Error): void;
}

/** Which optional parts of a backplane a host needs. */
export interface BackplaneNeeds {
  /** Needed for history. */
  readonly log?: LogLimits;
  /** Needed for leases. */
  readonly store?: boolean;
}

/** What a log keeps of each topic. */
export interface LogLimits {
  /** Messages at most, from 1. */
  readonly length: number;
  /** Milliseconds at most. */
  readonly ageMs: number;
}

/**
 * A host's connection to the cluster.
 *
 * A topic consists of letters, digits, `_`, `-`, `=` and `.`; it has 640 characters at most. Messages of one connection
 * arrive in the order in which they were published, across all topics. Each arrives at most once.
 */
export interface BackplaneConnection {
  /** Gets messages of a topic from now on. What is published once the returned promise has resolved arrives. */
  subscribe(topic: string): Promise<void>;
  /** Gets no more messages of a topic. */
  unsubscribe(topic: string): void;
  /**
   * Sends a message to the other hosts that have subscribed to a topic, not to this one.
   *
   * @param bytes the message; the caller does not change it later
   * @returns false when it is dropped, because the link is down or too much is queued
   */
  publish(topic: string, bytes: Uint8Array): boolean;
  /** Bytes that were published and may not have left this process yet. It never exceeds the limit of the backplane. */
  readonly queuedBytes: number;
  /** How long messages take to the backplane and back, in milliseconds; 0 where they never leave the process. */
  readonly lagMs: number;
  /** The largest message, in bytes. */
  readonly maximumMessageSize: number;
  /** Messages in order, some of which are kept. Present if it was needed. */
  readonly log?: BackplaneLog;
  /** Values with revisions. Present if it was needed. */
  readonly store?: BackplaneStore;
  /** Leaves the cluster, once what was published has been sent. Safe to call twice. */
  close(): Promise<void>;
}

/** A message of a log. */
export interface LogEntry {
  /** Its place, a positive integer. Offsets of a topic grow; they need not be dense. */
  readonly offset: number;
  /** The offset of the message before it in its topic; 0 for the first one. */
  readonly previous: number;
  /** The message, valid until the handler returns. */
  readonly bytes: Uint8Array;
}

/** What a log has behind an offset. */
export interface LogPart {
  /** The messages, in order; the first ones where there are many. Their bytes stay valid. */
  readonly entries: readonly Omit<LogEntry, "previous">[];
  /** Whether no message between the offset and the first of these is missing. False where that is not known. */
  readonly complete: boolean;
}

/** Messages in one order for all hosts. Each topic has its own. */
export interface BackplaneLog {
  /**
   * Names this log: offsets of another one mean nothing here. A positive safe integer. It changes when the log was lost
   * and is a new one, which `status` then tells by `true`, also where the link was not down.
   */
  readonly epoch: number;
  /**
   * Adds a message. It comes back by {@linkcode BackplaneHandlers.entry}.
   *
   * @returns a promise of its offset. It rejects when it is not known whether the message has been added
   */
  append(topic: string, bytes: Uint8Array): Promise<number>;
  /**
   * Reads what is behind an offset: all of it, or at least its beginning.
   *
   * @param after the offset of a message; 0 for everything that is kept
   */
  read(topic: string, after: number): Promise<LogPart>;
}

/** A value of a store. */
export interface StoredValue {
  /** Grows with each change of any value of the store. */
  readonly revision: number;
  /** The value. */
  readonly bytes: Uint8Array;
}

/** Values that all hosts see, and that change only from a revision that the writer names. */
export interface BackplaneStore {
  /** The value of a key now, not an earlier one; undefined if there is none. */
  get(key: string): Promise<StoredValue | undefined>;
  /**
   * Writes a value, if its revision still is the expected one.
   *
   * @param key made of the same characters as topics
   * @param expected the revision that it replaces; 0 where there is no value
   * @returns a promise of the new revision, or of undefined when the value has another revision. It rejects when it is
   *   not known whether the value was written
   */
  put(key: string, bytes: Uint8Array, expected: number): Promise<number | undefined>;
}
