/**
 * A flooding client, the ways to receive from it, and what becomes of timers and sockets meanwhile.
 *
 * @module
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Host, type ListenOptions, type Peer } from "../mod.ts";
import { currentRuntime, spawnRuntime } from "./_helpers.ts";

/** What a program does with each message. */
export const WORK_MS = 0.03;

/** Keeps the thread busy. */
export function burn(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

type Take = (bytes: Uint8Array) => void;

/** Waits for the first connect event. */
async function firstPeer(server: Host): Promise<Peer> {
  for await (const event of server) if (event.type === "connect") return event.peer;
  throw new Error("The host is closed");
}

/** Each gives messages to `take`, which throws when it has enough. */
const consumers = {
  async "host iteration"(server: Host, take: Take) {
    for await (const event of server) if (event.type === "receive") take(event.packet.view);
  },
  async "peer iteration"(server: Host, take: Take) {
    for await (const { packet } of await firstPeer(server)) take(packet.view);
  },
  async "a readable stream"(server: Host, take: Take) {
    const reader = (await firstPeer(server)).readable(0).getReader();
    for (;;) take((await reader.read()).value as Uint8Array);
  },
};

/** The ways to receive. */
export const WAYS = ["handlers", ...Object.keys(consumers)] as Way[];
/** One of them. */
export type Way = "handlers" | keyof typeof consumers;

/** Receives a number of messages from a client that floods, and checks their order. */
export async function receiveFlood(
  way: Way,
  count: number,
  onMessage: () => void,
  options: ListenOptions = {},
): Promise<void> {
  const over = Promise.withResolvers<void>();
  const enough = new Error("Enough");
  let next = 0;
  const take = (bytes: Uint8Array) => {
    if (next === count) return;
    const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    if (number !== next++) over.reject(new Error(`${number} came in place of ${next - 1}`));
    onMessage();
    if (next < count) return;
    over.resolve();
    if (way !== "handlers") throw enough;
  };
  await using server = await Host.listen(
    { hostname: "127.0.0.1", ...options },
    way === "handlers" ? { receive: (_peer, _channelId, packet) => take(packet.view) } : undefined,
  );
  await using _client = spawnRuntime(currentRuntime(), "flood.ts", [
    `${server.address.port}`,
    `${count}`,
  ]);
  if (way !== "handlers") {
    consumers[way](server, take).catch((error) => {
      if (error !== enough) over.reject(error);
    });
  }
  await over.promise;
}

/** Looks, from the first message to the last, at how a timer of 1 ms and a TCP connection fare. */
export class Bystanders implements Disposable {
  /** How late the timer was each time, in milliseconds. */
  readonly lateMs: number[] = [];
  /** Most messages between two calls of the timer. */
  longest = 0;
  /** Segments that have come over the TCP connection. */
  segments = 0;
  #sinceTimer = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #sockets: readonly Socket[];

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets;
    for (const socket of sockets) {
      socket.on("data", (data) => {
        this.segments++;
        socket.write(data);
      }).on("error", () => {});
    }
  }

  /** Connects the two ends. */
  static async create(): Promise<Bystanders> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [[far]] = await Promise.all([once(server, "connection"), once(near, "connect")]);
    server.close();
    return new Bystanders([near, far]);
  }

  /** To be called with each message. */
  message(): void {
    if (this.#timer === undefined) {
      this.#sockets[0].write("ping");
      this.#arm();
    }
    this.longest = Math.max(this.longest, ++this.#sinceTimer);
  }

  #arm(): void {
    const due = performance.now() + 1;
    this.#timer = setTimeout(() => {
      this.lateMs.push(performance.now() - due);
      this.#sinceTimer = 0;
      this.#arm();
    }, 1);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
  }
}
