import type { Connection } from "./connection.ts";
import type { Membership } from "./connection_contract.ts";
import { RecipientList } from "./recipient_list.ts";
import type { Recipients, Transport } from "./transport.ts";

/**
 * Connections as transports take them: one call sends to all that a transport carries. A connection leaves by
 * itself when either side ends it.
 *
 * Native code knows no groups. It finds a peer by its id in 3 ns, and queues a message in about 50. So a list in
 * native code would save little, and would have to be freed.
 *
 * Each list is in no order. `#indices` tells where each connection is in its list, and keeps the order of joining.
 */
export class Members implements Membership<Connection> {
  readonly #indices = new Map<Connection, number>();
  readonly #lists: RecipientList<Connection>[];

  /** @param transport the host's own */
  constructor(transport: Transport) {
    this.#lists = [new RecipientList(transport)];
  }

  /** How many there are. */
  get size(): number {
    return this.#indices.size;
  }

  /** All of them, by what carries them. */
  get recipients(): readonly Recipients[] {
    return this.#lists;
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
    const list = this.#listOf(connection);
    this.#indices.set(connection, list.length);
    list.push(connection);
    connection.memberships.add(this);
  }

  delete(connection: Connection): boolean {
    if (!this.#indices.has(connection)) return false;
    const list = this.#listOf(connection);
    this.#moveTo(list, connection, list.length - 1);
    list.pop();
    this.#indices.delete(connection);
    connection.memberships.delete(this);
    return true;
  }

  clear(): void {
    for (const connection of this.#indices.keys()) connection.memberships.delete(this);
    for (const list of this.#lists) list.clear();
    this.#indices.clear();
  }

  /** All but some, as long as nobody joins or leaves. */
  without(some: Iterable<Connection>): Recipients[] {
    const counts = this.#lists.map(({ length }) => length);
    for (const connection of some) {
      const index = this.#indices.get(connection);
      if (index === undefined) continue;
      const list = this.#listOf(connection);
      const which = this.#lists.indexOf(list);
      if (index < counts[which]) this.#moveTo(list, connection, --counts[which]);
    }
    return this.#lists.map((list, which) => list.first(counts[which]));
  }

  #listOf({ transport }: Connection): RecipientList<Connection> {
    for (const list of this.#lists) if (list.transport === transport) return list;
    const list = new RecipientList<Connection>(transport);
    this.#lists.push(list);
    return list;
  }

  /** Exchanges a connection with the one at an index. */
  #moveTo(list: RecipientList<Connection>, connection: Connection, index: number): void {
    const other = list.at(index);
    const from = this.#indices.get(connection) as number;
    list.put(other, from);
    this.#indices.set(other, from);
    list.put(connection, index);
    this.#indices.set(connection, index);
  }
}
