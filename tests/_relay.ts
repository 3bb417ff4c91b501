/**
 * A relay between two hosts that loses datagrams, for programs that give no way to the `conditions` of their host:
 * messengers, whose conditions do not change, and the API of npm's `enet`, which has none.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";

/** Numbers from 0 to below 1 that only depend on the seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6D2B79F5) >>> 0;
    let x = Math.imul(state ^ state >>> 15, 1 | state);
    x = x + Math.imul(x ^ x >>> 7, 61 | x) ^ x;
    return ((x ^ x >>> 14) >>> 0) / 2 ** 32;
  };
}

/** A running relay; disposing of it closes it. */
export interface Relay extends AsyncDisposable {
  /** Where a client connects instead of to the server. */
  readonly port: number;
  /** Datagrams passed on and lost, both ways. */
  readonly counts: { passed: number; lost: number };
  /** From now on everything is lost. */
  cut(): void;
}

function open(): Promise<Socket> {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.bind(0, "127.0.0.1", () => resolve(socket));
  });
}

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.close(() => resolve()));

/**
 * Starts a relay for one client.
 *
 * @param port the server's, on the loopback address
 * @param loss the share of datagrams to lose, 0–1
 * @param seed what decides which
 */
export async function startRelay(port: number, loss: number, seed: number): Promise<Relay> {
  const [front, back] = await Promise.all([open(), open()]);
  const random = randomOf(seed);
  const counts = { passed: 0, lost: 0 };
  let client = 0;
  let over = false;
  const pass = (socket: Socket, data: Uint8Array, to: number) => {
    if (over || random() < loss) return void counts.lost++;
    counts.passed++;
    socket.send(data, 0, data.length, to, "127.0.0.1");
  };
  front.on("message", (data, from) => {
    client = from.port;
    pass(back, data, port);
  });
  back.on("message", (data) => pass(front, data, client));
  return {
    port: front.address().port,
    counts,
    cut: () => void (over = true),
    async [Symbol.asyncDispose]() {
      await Promise.all([closed(front), closed(back)]);
    },
  };
}
