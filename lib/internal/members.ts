import type { Connection, Membership } from "./connection.ts";

/** Bytes of a peer id as native code takes it, a double. */
const ID_BYTES = Float64Array.BYTES_PER_ELEMENT;

/**
 * Connections as native code takes them: their ids one behind the other, so that one call sends to all of
 * them. A connection leaves by itself when either side ends it.
 *
 * Native code knows no groups. To find a peer by its id takes it 3 ns, and to queue a message about 50, so
 * a list of its own would save little, and would have to be freed.
 *
 * The ids are in no order. `#indices` tells where each is, and keeps the order of joining.
 */
export class Members implements Membership {
  /** Where the id of each member stands. */
  readonly #indices = new Map<Connection, number>();
  readonly #connections: Connection[] = [];
  #ids = new Float64Array(8);
  #bytes = new Uint8Array(this.#ids.buffer);

  /** How many there are. */
  get size(): number {
    return this.#connections.length;
  }

  /** The ids, and room for more behind them. Never empty. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** How many bytes of {@linkcode Members.bytes} are ids. */
  get byteLength(): number {
    return this.#connections.length * ID_BYTES;
  }

  has(connection: Connection): boolean {
    return this.#indices.has(connection);
  }

  /** In the order of joining. Members may join and leave meanwhile. */
  values(): IterableIterator<Connection> {
    return this.#indices.keys();
  }

  add(connection: Connection): void {
    if (this.#indices.has(connection)) return;
    const index = this.#connections.length;
    if (index === this.#ids.length) this.#grow();
    this.#connections.push(connection);
    this.#put(connection, index);
    connection.memberships.add(this);
  }

  delete(connection: Connection): boolean {
    if (!this.#indices.has(connection)) return false;
    this.#moveTo(connection, this.#connections.length - 1);
    this.#connections.pop();
    this.#indices.delete(connection);
    connection.memberships.delete(this);
    return true;
  }

  clear(): void {
    for (const connection of this.#connections) connection.memberships.delete(this);
    this.#connections.length = 0;
    this.#indices.clear();
  }

  /**
   * Moves some connections behind the others.
   *
   * @returns bytes of the ids before them
   */
  without(some: Iterable<Connection>): number {
    let end = this.#connections.length;
    for (const connection of some) {
      const index = this.#indices.get(connection);
      if (index !== undefined && index < end) this.#moveTo(connection, --end);
    }
    return end * ID_BYTES;
  }

  #moveTo(connection: Connection, index: number): void {
    this.#put(this.#connections[index], this.#indices.get(connection) as number);
    this.#put(connection, index);
  }

  #put(connection: Connection, index: number): void {
    this.#connections[index] = connection;
    this.#ids[index] = connection.id;
    this.#indices.set(connection, index);
  }

  #grow(): void {
    const ids = new Float64Array(this.#ids.length * 2);
    ids.set(this.#ids);
    this.#ids = ids;
    this.#bytes = new Uint8Array(ids.buffer);
  }
}
