/**
 * A room: some players who see each other, and the rules that hold there.
 *
 * @module
 */
import { type Group, PacketFlag, type Peer } from "@enetjs/enet";
import { CHANNEL, CODE, encodeSnapshot, type Input, type PlayerState, SPEED } from "./protocol.ts";

/** Ticks without an input after which a player has to go: two seconds, so that the example shows it. */
const IDLE_TICKS = 60;

/** What the server knows of a client: `peer.data`. */
export class Player {
  /** The room, once the client has logged in. */
  room: Room | undefined;
  name = "";
  x = 0.5;
  y = 0.5;
  input: Input = { sequence: 0, dx: 0, dy: 0 };
  idleTicks = 0;

  /** Goes a step, and stays inside. */
  move(): void {
    this.x = Math.min(1, Math.max(0, this.x + this.input.dx));
    this.y = Math.min(1, Math.max(0, this.y + this.input.dy));
  }
}

export class Room {
  readonly number: number;
  readonly #members: Group<Player>;
  #tick = 0;

  /** @param members an empty group of the host */
  constructor(number: number, members: Group<Player>) {
    this.number = number;
    this.#members = members;
  }

  /** How many players are in the room. Those who disconnect leave it by themselves. */
  get size(): number {
    return this.#members.size;
  }

  add(peer: Peer<Player>): void {
    peer.data.room = this;
    this.#members.add(peer);
  }

  /** Passes a line on to all others. */
  say(from: Peer<Player>, text: string): void {
    const line = `${from.data.name}: ${text}`;
    this.#members.send(CHANNEL.CHAT, line, PacketFlag.RELIABLE, { except: from });
  }

  /** Takes the input of a player; an older one that comes late changes nothing. */
  steer(peer: Peer<Player>, input: Input): void {
    const player = peer.data;
    if (!(Math.hypot(input.dx, input.dy) <= SPEED)) return void peer.disconnect(CODE.CHEATING);
    if (input.sequence <= player.input.sequence) return;
    player.input = input;
    player.idleTicks = 0;
  }

  /** Moves everybody, and shows it to everybody. */
  tick(): void {
    const players: PlayerState[] = [];
    for (const peer of this.#members) {
      const player = peer.data;
      if (++player.idleTicks > IDLE_TICKS) {
        peer.disconnect(CODE.IDLE);
        continue;
      }
      player.move();
      players.push({ id: peer.id, sequence: player.input.sequence, x: player.x, y: player.y });
    }
    const snapshot = encodeSnapshot({ tick: ++this.#tick, players });
    this.#members.send(CHANNEL.PLAY, snapshot, PacketFlag.UNRELIABLE);
  }
}
