import type { Carried, Recipients, Transport } from "./transport.ts";

/** Bytes of a number as transports take it, a double. */
const NUMBER_BYTES = Float64Array.BYTES_PER_ELEMENT;

/** Connections of one transport, as that takes them: their numbers one behind the other. */
export class RecipientList<Connection extends Carried> implements Recipients {
  readonly transport: Transport;
  readonly #connections: Connection[] = [];
  #numbers = new Float64Array(8);
  #ids = new Uint8Array(this.#numbers.buffer);

  constructor(transport: Transport) {
    this.transport = transport;
  }

  get length(): number {
    return this.#connections.length;
  }

  get ids(): Uint8Array {
    return this.#ids;
  }

  get byteLength(): number {
    return this.#connections.length * NUMBER_BYTES;
  }

  at(index: number): Connection {
    return this.#connections[index];
  }

  put(connection: Connection, index: number): void {
    this.#connections[index] = connection;
    this.#numbers[index] = connection.id;
  }

  push(connection: Connection): void {
    const { length } = this.#connections;
    if (length === this.#numbers.length) this.#grow();
    this.put(connection, length);
  }

  /** Takes the last one away. */
  pop(): void {
    this.#connections.pop();
  }

  clear(): void {
    this.#connections.length = 0;
  }

  /** The first ones alone, as long as the list stays as it is. */
  first(count: number): Recipients {
    return { transport: this.transport, ids: this.#ids, byteLength: count * NUMBER_BYTES };
  }

  #grow(): void {
    const numbers = new Float64Array(this.#numbers.length * 2);
    numbers.set(this.#numbers);
    this.#numbers = numbers;
    this.#ids = new Uint8Array(numbers.buffer);
  }
}
