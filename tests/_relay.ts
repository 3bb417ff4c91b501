/**
 * A relay between two hosts that loses datagrams, for programs that give no way to the `conditions` of their host:
 * messengers, whose conditions do not change, and the API of npm's `enet`, which has none. It also passes datagrams on
 * as they are between IPv6 and IPv4, for programs that have only one of them.
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
  /** Is given every datagram that passes, both ways. */
  tap: ((data: Uint8Array) => void) | undefined;
  /** Sends to the server from another port from now on, and loses what comes to the old one, as a NAT may. */
  move(): Promise<void>;
  /** From now on everything is lost. */
  cut(): void;
}

function open(loopback: string): Promise<Socket> {
  const socket = createSocket(loopback === "::1" ? "udp6" : "udp4");
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.bind(0, loopback, () => resolve(socket));
  });
}

const closed = (socket: Socket) => new Promise<void>((resolve) => socket.close(() => resolve()));

/**
 * Starts a relay for one client.
 *
 * @param port the server's, on the loopback address
 * @param loss the share of datagrams to lose, 0–1
 * @param seed what decides which
 * @param addresses the loopback addresses of the client's side and of the server's side
 */
export async function startRelay(
  port: number,
  loss: number,
  seed: number,
  [here, there] = ["127.0.0.1", "127.0.0.1"],
): Promise<Relay> {
  const [front, first] = await Promise.all([open(here), open(there)]);
  let back = first;
  const random = randomOf(seed);
  const counts = { passed: 0, lost: 0 };
  let client = 0;
  let over = false;
  const pass = (socket: Socket, data: Uint8Array, to: number, address: string) => {
    if (over || random() < loss) return void counts.lost++;
    counts.passed++;
    relay.tap?.(data);
    socket.send(data, 0, data.length, to, address);
  };
  front.on("message", (data, from) => {
    client = from.port;
    pass(back, data, port, there);
  });
  const serve = (socket: Socket) => socket.on("message", (data) => pass(front, data, client, here));
  serve(back);
  const relay: Relay = {
    tap: undefined,
    async move() {
      const [old, next] = [back, await open(there)];
      serve(next);
      back = next;
      await closed(old);
    },
    port: front.address().port,
    counts,
    cut: () => void (over = true),
    async [Symbol.asyncDispose]() {
      await Promise.all([closed(front), closed(back)]);
    },
  };
  return relay;
}
