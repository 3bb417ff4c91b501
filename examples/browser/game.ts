/**
 * The rules of the game, and what the players say to each other. Everybody chases one star; whoever touches it gets a
 * point, and it jumps elsewhere. A round lasts a minute.
 */
import { Host, PacketFlag, type Peer } from "@enetjs/enet";

export const CHANNELS = 2;
/** The sides of the field. */
export const FIELD = 1000;
/** States a second. */
export const RATE = 30;
const SPEED = 420; // a second
const REACH = 55;
const ROUND_MS = 60_000;
/** How long the place of a player is kept who has lost the connection. */
const ABSENT_MS = 30_000;
const COLORS = ["#ff5d73", "#4cc9f0", "#ffd166", "#80ed99", "#c77dff", "#ff9f1c"];

/** Where a player steers, from -1 to 1 each: what players send. */
export interface Steering {
  readonly x: number;
  readonly y: number;
}

/** A player as all see it. */
export interface PlayerView {
  readonly id: number;
  readonly kind: "browser" | "native";
  readonly color: string;
  readonly x: number;
  readonly y: number;
  readonly score: number;
  /** Milliseconds, as the server measures it. */
  readonly roundTrip: number;
  /** Share of lost packets, or of states that a browser's slow network has replaced. */
  readonly loss: number;
  readonly here: boolean;
}

/** What the server sends. */
export interface State {
  readonly you: number;
  readonly star: { readonly x: number; readonly y: number };
  readonly secondsLeft: number;
  /** The winner of the last round, for some seconds. */
  readonly winner: number;
  readonly players: readonly PlayerView[];
}

interface Player {
  readonly id: number;
  readonly color: string;
  x: number;
  y: number;
  score: number;
  steering: Steering;
  peer: Peer<Player> | undefined;
  goneAt: number;
  sent: number;
}

const clamp = (value: number, least: number, most: number) =>
  Math.min(most, Math.max(least, value));

/** The game on a server. */
export class Game {
  readonly host: Host<Player>;
  /** By the number that each player connects with. */
  readonly #players = new Map<number, Player>();
  #star = { x: FIELD / 2, y: FIELD / 3 };
  #ends = performance.now() + ROUND_MS;
  #winner = 0;
  #last = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;

  private constructor(host: Host<Player>) {
    this.host = host;
    this.#timer = setInterval(() => this.#tick(), 1000 / RATE);
  }

  static async open(hostname: string, port: number): Promise<Game> {
    const host = await Host.listen<Player>({
      hostname,
      port,
      channels: CHANNELS,
      // A client may have fewer: to send on a channel that it lacks is an error, which would end the game.
      accept: ({ channels }) => channels === CHANNELS,
    });
    const game = new Game(host);
    host.limits = { peer: { messages: { perSecond: 120 }, bytes: { perSecond: 20_000 } } };
    host.handlers = {
      connect: (peer, data) => game.#join(peer, data),
      receive: (peer, _channelId, packet) => game.#steer(peer.data, packet.text()),
      disconnect: (peer) => game.#leave(peer),
    };
    return game;
  }

  #join(peer: Peer<Player>, token: number): void {
    let player = this.#players.get(token);
    if (player === undefined) {
      const used = [...this.#players.values()].map(({ color }) => color);
      const color = COLORS.find((color) => !used.includes(color)) ?? COLORS[0];
      const [x, y] = [0, 0].map(() => FIELD * (0.2 + 0.6 * Math.random()));
      const steering = { x: 0, y: 0 };
      player = {
        id: peer.id,
        color,
        x,
        y,
        score: 0,
        steering,
        peer: undefined,
        goneAt: 0,
        sent: 0,
      };
      this.#players.set(token, player);
    }
    player.peer?.disconnect(); // the same player in another window
    player.peer = peer;
    player.sent = 0;
    peer.data = player;
  }

  #steer(player: Player, text: string): void {
    try {
      const { x, y } = JSON.parse(text) as Steering;
      if (!Number.isFinite(x) || !Number.isFinite(y)) return;
      const length = Math.max(1, Math.hypot(x, y));
      player.steering = { x: x / length, y: y / length };
    } catch {
      // Somebody plays with our protocol.
    }
  }

  #leave(peer: Peer<Player>): void {
    const player = peer.data;
    if (player?.peer !== peer) return;
    player.peer = undefined;
    player.steering = { x: 0, y: 0 };
    player.goneAt = performance.now();
  }

  #tick(): void {
    const now = performance.now();
    const seconds = Math.min(0.1, (now - this.#last) / 1000);
    this.#last = now;
    for (const [token, player] of this.#players) {
      if (player.peer === undefined && now - player.goneAt > ABSENT_MS) this.#players.delete(token);
      player.x = clamp(player.x + player.steering.x * SPEED * seconds, 0, FIELD);
      player.y = clamp(player.y + player.steering.y * SPEED * seconds, 0, FIELD);
      if (Math.hypot(player.x - this.#star.x, player.y - this.#star.y) > REACH) continue;
      player.score++;
      this.#star = {
        x: FIELD * (0.1 + 0.8 * Math.random()),
        y: FIELD * (0.1 + 0.8 * Math.random()),
      };
    }
    if (now > this.#ends) this.#nextRound(now);
    this.#send(now);
  }

  #nextRound(now: number): void {
    const [first] = [...this.#players.values()].sort((a, b) => b.score - a.score);
    this.#winner = first?.id ?? 0;
    for (const player of this.#players.values()) player.score = 0;
    this.#ends = now + ROUND_MS;
  }

  #send(now: number): void {
    const players = [...this.#players.values()].map((player) => this.#view(player));
    const secondsLeft = Math.ceil((this.#ends - now) / 1000);
    const winner = secondsLeft > 55 ? this.#winner : 0;
    for (const { id, peer } of this.#players.values()) {
      const state: State = { you: id, star: this.#star, secondsLeft, winner, players };
      peer?.send(1, JSON.stringify(state), PacketFlag.UNRELIABLE_FRAGMENT);
      if (peer !== undefined) peer.data.sent++;
    }
  }

  #view({ id, color, x, y, score, peer, sent }: Player): PlayerView {
    const stats = peer?.stats;
    // Only ENet has an MTU: that tells the two kinds apart.
    const kind = stats?.mtu === 0 ? "browser" : "native";
    const replaced = stats === undefined ? 0 : stats.throttledMessages / Math.max(1, sent);
    return {
      id,
      kind,
      color,
      x: Math.round(x),
      y: Math.round(y),
      score,
      roundTrip: Math.round(stats?.roundTripTimeMs ?? 0),
      loss: kind === "browser" ? replaced : stats?.packetLoss ?? 0,
      here: peer !== undefined,
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.host.close();
  }
}
