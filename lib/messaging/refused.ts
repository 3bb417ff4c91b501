import type { Socket } from "node:net";
import { encodeHeader } from "./encode.ts";
import { SocketDeadline } from "./socket_deadline.ts";
import { CLOSE_CODE, LENGTH_BYTES, TYPE } from "./wire.ts";

/**
 * The sockets of clients for which a listener has no room. They are told so and get some time to end; only so many
 * at once, because each stranger can begin one. The oldest makes room for a newcomer.
 */
export class Refused {
  readonly #sockets = new Set<Socket>();
  readonly #most: number;
  readonly #graceMs: number;

  /**
   * @param most how many there may be at once
   * @param graceMs how long each may take to end
   */
  constructor(most: number, graceMs: number) {
    this.#most = most;
    this.#graceMs = graceMs;
  }

  /** Tells a client that there is no room. */
  add(socket: Socket): void {
    const [oldest] = this.#sockets;
    if (this.#sockets.size >= this.#most) this.#drop(oldest);
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
    socket.resume();
    const header = encodeHeader(TYPE.CLOSE, CLOSE_CODE.FULL);
    const frame = new Uint8Array(LENGTH_BYTES + header.length);
    frame[3] = header.length;
    frame.set(header, LENGTH_BYTES);
    socket.end(frame);
    new SocketDeadline(socket, this.#graceMs);
  }

  #drop(socket: Socket): void {
    this.#sockets.delete(socket);
    socket.destroy();
  }

  /** Ends all of them. */
  drop(): void {
    for (const socket of [...this.#sockets]) this.#drop(socket);
  }
}
