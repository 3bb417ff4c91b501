import type { Server, Socket } from "node:net";

/** The address of a client, which the raw socket and its TLS socket have in common. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/**
 * The sockets of a TLS server whose handshake is under way: only so many at once, because each stranger can begin
 * one. The oldest makes room for a newcomer.
 */
export class Handshakes {
  readonly #sockets = new Map<string, Socket>();

  /**
   * @param server whose sockets they are
   * @param most how many there may be at once
   */
  constructor(server: Server, most: number) {
    server.on("connection", (socket: Socket) => {
      const [oldest] = this.#sockets.values();
      if (this.#sockets.size >= most) this.#drop(oldest);
      const name = nameOf(socket);
      this.#sockets.set(name, socket);
      socket.once("close", () => {
        if (this.#sockets.get(name) === socket) this.#sockets.delete(name);
      });
    });
    // A handshake that has failed or taken too long leaves the socket open.
    server.on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());
  }

  #drop(socket: Socket): void {
    this.#sockets.delete(nameOf(socket));
    socket.destroy();
  }

  /** The handshake on a socket has succeeded. */
  over(socket: Socket): void {
    this.#sockets.delete(nameOf(socket));
  }

  /** Ends all of them. */
  drop(): void {
    for (const socket of [...this.#sockets.values()]) this.#drop(socket);
  }
}
