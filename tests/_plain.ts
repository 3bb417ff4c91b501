/**
 * Plain UDP, for tests of what a host does with datagrams that are not ENet's.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Address } from "../mod.ts";

/** A plain UDP socket on the loopback address, and what it has received. */
export class Plain implements AsyncDisposable {
  readonly received: { bytes: Uint8Array; port: number }[] = [];
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (message, { port }) => {
      this.received.push({ bytes: new Uint8Array(message), port });
    });
  }

  static async open(hostname = "127.0.0.1"): Promise<Plain> {
    const socket = createSocket("udp4");
    socket.bind(0, hostname);
    await once(socket, "listening");
    return new Plain(socket);
  }

  get address(): Address {
    const { address, port } = this.#socket.address();
    return { hostname: address, port };
  }

  /** Resolves when the system has the datagram. */
  send(bytes: Uint8Array, { hostname, port }: Address): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(bytes, port, hostname, (error) => error ? reject(error) : resolve());
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}
