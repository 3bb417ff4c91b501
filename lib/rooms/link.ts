/**
 * A host's link to its backplane, which may not be there yet, or be down for a while.
 *
 * @module
 */
import { ENetError } from "../errors.ts";
import type {
  Backplane,
  BackplaneConnection,
  BackplaneHandlers,
  BackplaneLog,
  BackplaneNeeds,
  BackplaneStore,
} from "./backplane.ts";

/** The link of one `Rooms`. */
export class Link {
  readonly #topics = new Set<string>();
  #connection: BackplaneConnection | undefined;
  #up = false;
  #closed = false;
  /** Resolves when all topics so far are subscribed to. */
  #subscribed: Promise<unknown> = Promise.resolve();

  /** Whether messages get through, as far as known. */
  get up(): boolean {
    return this.#up;
  }

  /** Bytes that wait. */
  get queuedBytes(): number {
    return this.#connection?.queuedBytes ?? 0;
  }

  /** The way to the backplane and back, in milliseconds. */
  get lagMs(): number {
    return this.#connection?.lagMs ?? 0;
  }

  /** Messages in order, if the backplane has them and is there. */
  get log(): BackplaneLog | undefined {
    return this.#connection?.log;
  }

  /** Values with revisions, if the backplane has them and is there. */
  get store(): BackplaneStore | undefined {
    return this.#connection?.store;
  }

  /**
   * Joins the cluster.
   *
   * @param smallest the smallest limit for messages that will do, in bytes
   * @returns false when it was closed meanwhile
   */
  async connect(
    backplane: Backplane,
    id: string,
    handlers: BackplaneHandlers,
    needs: BackplaneNeeds,
    smallest: number,
  ): Promise<boolean> {
    const connection = await connectTo(backplane, id, needs, {
      ...handlers,
      status: (up, error) => {
        if (this.#closed || this.#connection === undefined || up === this.#up) return;
        this.#up = up;
        handlers.status(up, error);
      },
    });
    if (this.#closed) {
      await connection.close();
      return false;
    }
    if (connection.maximumMessageSize < smallest) {
      await connection.close();
      throw new ENetError(
        "ENETJS_ERR_BACKPLANE",
        `the backplane takes messages of ${connection.maximumMessageSize} bytes, and limits.messageBytes ` +
          `needs ${smallest}: set limits.messageBytes lower, or the limit of the backplane higher`,
      );
    }
    this.#connection = connection;
    try {
      await Promise.all(Array.from(this.#topics, (topic) => connection.subscribe(topic)));
    } catch (error) {
      await connection.close();
      throw unreachable(error);
    }
    if (this.#closed) return false;
    this.#up = true;
    return true;
  }

  /** Gets messages of a topic. */
  subscribe(topic: string): void {
    this.#topics.add(topic);
    if (this.#connection === undefined) return;
    const subscribed = this.#connection.subscribe(topic).catch(() => {}); // the link is down, or closed
    this.#subscribed = Promise.all([this.#subscribed, subscribed]);
  }

  /** Gets no more messages of a topic. */
  unsubscribe(topic: string): void {
    this.#topics.delete(topic);
    this.#connection?.unsubscribe(topic);
  }

  /** Resolves when messages of all topics so far arrive. */
  get subscribed(): Promise<unknown> {
    return this.#subscribed;
  }

  /** Sends a message to the other hosts. @returns false when it is dropped */
  publish(topic: string, bytes: Uint8Array): boolean {
    return this.#up && (this.#connection as BackplaneConnection).publish(topic, bytes);
  }

  /** Leaves the cluster. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#up = false;
    await this.#connection?.close();
  }
}

function unreachable(error: unknown): ENetError {
  if (error instanceof ENetError) return error;
  const what = `the backplane can't be reached: ${Object(error).message}`;
  return new ENetError("ENETJS_ERR_BACKPLANE", what, { cause: error });
}

async function connectTo(
  backplane: Backplane,
  id: string,
  needs: BackplaneNeeds,
  handlers: BackplaneHandlers,
): Promise<BackplaneConnection> {
  let connection: BackplaneConnection;
  try {
    connection = await backplane.connect(id, handlers, needs);
  } catch (error) {
    throw unreachable(error);
  }
  const lacks = (["log", "store"] as const).filter((part) => needs[part] && !connection[part]);
  if (lacks.length === 0) return connection;
  await connection.close();
  throw new ENetError(
    "ENETJS_ERR_BACKPLANE",
    `the backplane has no ${lacks.join(" and no ")}: history needs a log, leases need a store`,
  );
}
