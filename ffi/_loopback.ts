/**
 * Waking without descriptors: this thread listens for TCP on the loopback interface while libenetjs connects. The
 * port takes connections of every program on this machine, so libenetjs sends a secret first.
 *
 * @module
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Wake } from "./contract.ts";

/** Length of the secret. */
const SECRET_BYTES = 16;

/** When `start` returns, libenetjs has sent the secret. A process without a free descriptor does not accept it. */
const DEADLINE_MS = 5000;

/**
 * Has libenetjs start a thread.
 *
 * @param port where that wakes us, on 127.0.0.1; 0 where it is to return a descriptor
 * @param secret what it sends first
 * @returns the descriptor, if there is one
 */
export type StartWaker = (port: number, secret: Uint8Array) => number;

/** Calls `known` once a connection has begun with the secret, and `onWake` for all that comes behind it. */
function readSecret(
  socket: Socket,
  secret: Uint8Array,
  known: () => void,
  onWake: () => void,
): void {
  let seen: Uint8Array | undefined = new Uint8Array(0);
  // The other end is ours: an error can only mean that the thread has ended.
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes: Uint8Array) => {
    if (seen === undefined) return onWake();
    seen = new Uint8Array([...seen, ...bytes.subarray(0, SECRET_BYTES + 1)]);
    if (seen.length < SECRET_BYTES) return;
    const isMore = seen.length > SECRET_BYTES;
    if (!timingSafeEqual(seen.subarray(0, SECRET_BYTES), secret)) return void socket.destroy();
    seen = undefined;
    known();
    if (isMore) onWake();
  });
}

/**
 * Listens until libenetjs has connected.
 *
 * @throws What `start` throws, and an error when this program may not listen
 */
export async function listenForWake(start: StartWaker, onWake: () => void): Promise<Wake> {
  const secret = new Uint8Array(randomBytes(SECRET_BYTES));
  const server = createServer();
  const strangers = new Set<Socket>();
  const found = Promise.withResolvers<Socket>();
  server.on("connection", (socket) => {
    strangers.add(socket);
    const known = () => {
      strangers.delete(socket);
      found.resolve(socket);
    };
    readSecret(socket, secret, known, onWake);
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    // A worker of node:cluster would otherwise share the port with others.
    server.listen({ host: "127.0.0.1", port: 0, exclusive: true });
    await once(server, "listening");
    start((server.address() as AddressInfo).port, secret);
    const late = new Error(`libenetjs could not be accepted within ${DEADLINE_MS} ms`);
    timer = setTimeout(found.reject, DEADLINE_MS, late);
    const socket = await found.promise;
    return {
      ref: () => void socket.ref(),
      unref: () => void socket.unref(),
      close: () => void socket.destroy(),
    };
  } finally {
    clearTimeout(timer);
    server.close();
    for (const socket of strangers) socket.destroy();
  }
}
