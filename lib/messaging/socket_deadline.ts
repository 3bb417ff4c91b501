import type { Socket } from "node:net";
import { deadlines } from "./clock.ts";
import { Deadline } from "./deadlines.ts";

/** Destroys a socket that does not end in time. */
export class SocketDeadline extends Deadline {
  readonly #socket: Socket;

  constructor(socket: Socket, graceMs: number) {
    super();
    this.#socket = socket;
    deadlines.add(this, performance.now() + graceMs);
    socket.once("close", () => deadlines.remove(this));
  }

  override expire(): void {
    this.#socket.destroy();
  }
}
