/**
 * The server: who may come in, and which room gets which message.
 *
 * @module
 */
import { type Address, type DisconnectReason, Host, type Packet, type Peer } from "@enetjs/enet";
import {
  CHANNEL,
  CHANNELS,
  CODE,
  decodeInput,
  encodeWelcome,
  TICKS_PER_SECOND,
  VERSION,
} from "./protocol.ts";
import { Player, Room } from "./room.ts";

const LOGIN_MS = 3000;
const ROOM_SIZE = 20;
const MAXIMUM_LINE_BYTES = 200;

export class Arena implements AsyncDisposable {
  readonly #host: Host<Player>;
  readonly #rooms = new Set<Room>();
  readonly #timer: ReturnType<typeof setInterval>;
  /** Logins so far. */
  logins = 0;
  /** How many connections were ended with each code. */
  readonly kicked: Map<number, number> = new Map();
  /** Connections that ended without a word. */
  lost = 0;

  private constructor(host: Host<Player>) {
    this.#host = host;
    this.#timer = setInterval(() => this.#tick(), 1000 / TICKS_PER_SECOND);
    host.handlers = {
      connect: (peer) => void this.#login(peer),
      receive: (peer, channelId, packet) => this.#receive(peer, channelId, packet),
      disconnect: (peer, reason, code) => this.#leave(peer, reason, code),
    };
  }

  static async open(hostname: string, port: number): Promise<Arena> {
    const host = await Host.listen<Player>({
      hostname,
      port,
      peers: 1000,
      channels: CHANNELS,
      maximumPacketSize: 4096,
      limits: { peer: { messages: { perSecond: 100, burst: 300 }, excess: "disconnect" } },
      accept: ({ data }) => data === VERSION || CODE.WRONG_VERSION,
    });
    return new Arena(host);
  }

  get address(): Address {
    return this.#host.address;
  }

  get rooms(): number {
    return this.#rooms.size;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#host.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #login(peer: Peer<Player>): Promise<void> {
    peer.data = new Player();
    const name = await readName(peer);
    if (name === undefined) return void peer.disconnect(CODE.BAD_LOGIN);
    peer.data.name = name;
    const room = this.#roomWithSpace();
    room.add(peer);
    peer.send(CHANNEL.LOGIN, encodeWelcome({ id: peer.id, room: room.number }));
    this.logins++;
  }

  #roomWithSpace(): Room {
    const open = [...this.#rooms].find(({ size }) => size < ROOM_SIZE);
    if (open !== undefined) return open;
    const number = Math.max(0, ...[...this.#rooms].map(({ number }) => number)) + 1;
    const room = new Room(number, this.#host.group());
    this.#rooms.add(room);
    return room;
  }

  #receive(peer: Peer<Player>, channelId: number, packet: Packet): void {
    const { room } = peer.data;
    if (channelId === CHANNEL.CHAT && packet.length <= MAXIMUM_LINE_BYTES) {
      return room?.say(peer, packet.text());
    }
    const input = channelId === CHANNEL.PLAY ? decodeInput(packet.bytes) : undefined;
    if (input === undefined) return void peer.disconnect(CODE.BAD_MESSAGE);
    room?.steer(peer, input);
  }

  #leave(peer: Peer<Player>, reason: DisconnectReason, code: number): void {
    if (reason === "timeout") this.lost++;
    if (reason === "local" && code !== 0) {
      this.kicked.set(code, (this.kicked.get(code) ?? 0) + 1);
    }
    const { room } = peer.data;
    // Players who leave at once are out of the room before the first of them is reported.
    if (room?.size === 0) this.#rooms.delete(room);
  }

  #tick(): void {
    for (const room of this.#rooms) room.tick();
  }
}

/** The name that a client gives, or undefined where it gives none in time. */
async function readName(peer: Peer): Promise<string | undefined> {
  try {
    const { channelId, packet } = await peer.receive({ timeoutMs: LOGIN_MS });
    const name = packet.text();
    return channelId === CHANNEL.LOGIN && /^[\w ]{1,20}$/.test(name) ? name : undefined;
  } catch {
    return undefined;
  }
}
