import { LAYOUT } from "../../ffi/layout.ts";
import { peers } from "../peer.ts";
import type { Connection } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";

// Compilers take it for a constant, but not the property of an object that is imported.
const { PEER_SLOTS } = LAYOUT;

/** The connections of a host, from the attempt to connect until the end has been reported. */
export class Roster implements Iterable<Connection> {
  readonly #endpoint: Endpoint;
  readonly #connections = new Set<Connection>();
  /** Those of native code, by their ids. */
  readonly #byId = new Map<number, Connection>();
  /** By peer index, the latest of each; finds most without the map. */
  readonly #slots: (Connection | undefined)[] = [];

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#connections[Symbol.iterator]();
  }

  /** Every connection that has not ended, established or not. */
  get live(): Connection[] {
    return [...this.#connections].filter((c) => !c.ending);
  }

  /** Established connections. */
  get connected(): Connection[] {
    return this.live.filter((c) => c.established && !c.abandoned);
  }

  /** Live connections that another transport than the native one carries. */
  get others(): Connection[] {
    const { transport, transports } = this.#endpoint;
    return transports.length === 1 ? [] : this.live.filter((c) => c.transport !== transport);
  }

  /** Takes note of a connection, and gives it its public face. */
  add(connection: Connection): void {
    peers.create(connection);
    this.#connections.add(connection);
    if (!this.#isNative(connection)) return;
    this.#byId.set(connection.id, connection);
    this.#slots[connection.id % PEER_SLOTS] = connection;
  }

  /** Takes note of the end of a connection. There is no message for its readers any more. */
  forget(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#isNative(connection)) this.#forgetId(connection.id);
    connection.endReaders();
    connection.forgotten();
  }

  #isNative(connection: Connection): boolean {
    return connection.transport === this.#endpoint.transport;
  }

  #forgetId(id: number): void {
    this.#byId.delete(id);
    const slot = id % PEER_SLOTS;
    if (this.#slots[slot]?.id === id) this.#slots[slot] = undefined;
  }

  /** The connection of native code's peer index and generation. */
  find(slot: number, generation: number): Connection | undefined {
    const id = generation * PEER_SLOTS + slot;
    const latest = this.#slots[slot];
    return latest !== undefined && latest.id === id ? latest : this.#byId.get(id);
  }
}
