import { Socket } from "node:net";
import type { Wake } from "./contract.ts";

/** Wakes by `node:net`, on the runtimes whose sockets take a descriptor. */
export function attachSocket(fd: number, onWake: () => void): Wake {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on("data", onWake);
  // The other end is ours: an error or end can only mean that the host has been closed.
  socket.on("error", () => socket.destroy());
  return {
    ref: () => void socket.ref(),
    unref: () => void socket.unref(),
    close: () => void socket.destroy(),
  };
}
