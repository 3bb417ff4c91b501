/**
 * A client that plays by itself: it logs in, walks about, chats, and measures how long the server takes to show it
 * what it has done. When its connection ends, it comes back, unless the server has told it to go.
 *
 * @module
 */
import { type AddressLike, type Host, PacketFlag, type Peer } from "@enetjs/enet";
import {
  CHANNEL,
  CHANNELS,
  decodeSnapshot,
  decodeWelcome,
  encodeInput,
  type Snapshot,
  SPEED,
  VERSION,
} from "./protocol.ts";

const INPUTS_PER_SECOND = 20;

/** Inputs after which a bot does what it is there for. */
const QUIET_INPUTS = 20;

/** What a bot is there for. */
export type Behaviour = "play" | "cheat" | "sleep" | "reconnect";

export class Bot {
  readonly name: string;
  readonly behaviour: Behaviour;
  /** The room of its latest login. */
  room = 0;
  connections = 0;
  snapshots = 0;
  /** Snapshots that never came. */
  missed = 0;
  /** Lines of others. */
  lines = 0;
  /** Milliseconds from each input to the first snapshot that shows it. */
  readonly roundTripsMs: number[] = [];
  /** The code with which the server has ended the connection. */
  kicked: number | undefined;

  readonly #loggedIn = Promise.withResolvers<void>();
  #id = 0;
  #tick = 0;
  #sequence = 0;
  #sentAt = new Map<number, number>();

  constructor(name: string, behaviour: Behaviour) {
    this.name = name;
    this.behaviour = behaviour;
  }

  /** Resolves when the server has let it in for the first time. */
  get loggedIn(): Promise<void> {
    return this.#loggedIn.promise;
  }

  /** Plays until the signal aborts or the server tells it to go. */
  async play(host: Host, address: AddressLike, signal: AbortSignal): Promise<void> {
    const retry = { minimumMs: 100, maximumMs: 5000 };
    const options = { channels: CHANNELS, data: VERSION, retry, signal };
    for await (const server of host.sessions(address, options)) {
      await this.#session(server);
      const { reason, data } = await server.closed;
      if (reason !== "remote" || data === 0) continue;
      this.kicked = data;
      break;
    }
  }

  async #session(server: Peer): Promise<void> {
    this.connections++;
    this.#id = this.#tick = this.#sequence = 0;
    this.#sentAt.clear();
    server.send(CHANNEL.LOGIN, this.name);
    const inputs = setInterval(() => this.#act(server), 1000 / INPUTS_PER_SECOND);
    for await (const { channelId, packet } of server) {
      if (channelId === CHANNEL.LOGIN) this.#enter(server, packet.bytes);
      if (channelId === CHANNEL.CHAT) this.lines++;
      if (channelId === CHANNEL.PLAY) this.#see(decodeSnapshot(packet.bytes));
    }
    clearInterval(inputs);
  }

  #enter(server: Peer, bytes: Uint8Array<ArrayBuffer>): void {
    const { id, room } = decodeWelcome(bytes);
    this.#id = id;
    this.room = room;
    this.#loggedIn.resolve();
    server.send(CHANNEL.CHAT, "Hello everybody");
  }

  /** Sends what a player's hands would do. */
  #act(server: Peer): void {
    if (this.#id === 0 || this.behaviour === "sleep") return;
    const sequence = ++this.#sequence;
    if (sequence === QUIET_INPUTS && this.behaviour === "reconnect" && this.connections === 1) {
      server.disconnect();
    }
    const speed = sequence >= QUIET_INPUTS && this.behaviour === "cheat" ? 10 * SPEED : SPEED / 2;
    const angle = Math.random() * 2 * Math.PI;
    const [dx, dy] = [speed * Math.cos(angle), speed * Math.sin(angle)];
    this.#sentAt.set(sequence, performance.now());
    server.send(CHANNEL.PLAY, encodeInput({ sequence, dx, dy }), PacketFlag.UNRELIABLE);
  }

  #see({ tick, players }: Snapshot): void {
    this.snapshots++;
    if (this.#tick > 0) this.missed += tick - this.#tick - 1;
    this.#tick = tick;
    const sequence = players.find(({ id }) => id === this.#id)?.sequence ?? 0;
    const sentAt = this.#sentAt.get(sequence);
    if (sentAt === undefined) return;
    this.roundTripsMs.push(performance.now() - sentAt);
    for (const key of this.#sentAt.keys()) {
      if (key <= sequence) this.#sentAt.delete(key);
    }
  }
}
