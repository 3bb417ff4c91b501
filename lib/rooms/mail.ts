/**
 * Messages between rooms and peers. A message is encoded once on each host, and goes to all of its members there by one
 * native call.
 *
 * @module
 */
import { encoder } from "../../ffi/utf8.ts";
import { validateFlags } from "../internal/flags.ts";
import { integer } from "../internal/validate.ts";
import type { Endpoint } from "../internal/endpoint.ts";
import type { Host } from "../host.ts";
import { type Data, PacketFlag, viewOf } from "../packet.ts";
import type { Peer } from "../peer.ts";
import type { LogEntry } from "./backplane.ts";
import type { Drops } from "./drops.ts";
import { Follower } from "./follower.ts";
import {
  decodeFenced,
  decodeLogged,
  decodeMessage,
  decodeSeveral,
  encodeFenced,
  encodeLogged,
  encodeMessage,
  encodeSeveral,
  FRAME,
  type FrameMessage,
  MOST_EXCEPTED,
  typeOf,
} from "./frame.ts";
import type { Link } from "./link.ts";
import type { LocalRoom, LocalRooms, Traffic } from "./local_rooms.ts";
import { EVERY_HOST, isRoom } from "./names.ts";
import type { RoomsPlan } from "./options.ts";
import { encodeLoggedMessage } from "./position.ts";
import { Rates } from "./rates.ts";

/** Messages that may be on their way into the log. */
const MOST_APPENDING = 4096;

/** What mail needs of its `Rooms`. */
export interface MailOwner {
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly plan: RoomsPlan;
  readonly link: Link;
  readonly local: LocalRooms;
  readonly drops: Drops;
  refused: number;
}

/** Whom a message is for. */
export interface Recipients {
  /** Topics of rooms and users. */
  readonly to: readonly string[];
  /** Topics of rooms whose members do not get it. */
  readonly exceptTopics: readonly string[];
  /** Peers of this host that do not get it. */
  readonly exceptPeers: ReadonlySet<Peer>;
  /** The name of the room, if it is one. */
  readonly room: string | undefined;
}

/** The mail of one `Rooms`. */
export class Mail {
  /** Counts of all rooms and users. */
  readonly total: Traffic = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 };
  readonly #owner: MailOwner;
  readonly #rates: Rates;
  readonly #followers = new WeakMap<LocalRoom, Follower>();
  #appending = 0;

  constructor(owner: MailOwner) {
    this.#owner = owner;
    const { messages, bytes } = owner.plan.limits;
    this.#rates = new Rates(messages, bytes);
  }

  // Out.

  /** Sends a message of the program. @returns how many members of this host it was queued to */
  send(recipients: Recipients, channelId: number, data: Data, flags: PacketFlag): number {
    const bytes = this.#check(channelId, data, flags);
    if (!this.#rates.take(recipients.to, bytes.length, performance.now())) {
      this.#drop("rate", recipients.room);
      return 0;
    }
    if (this.#owner.plan.history !== undefined && flags === PacketFlag.RELIABLE) {
      return this.#sendKept(recipients, channelId, bytes);
    }
    return this.#sendNow(recipients, channelId, data, bytes, flags);
  }

  /** With history: to the logs of rooms; users have none. */
  #sendKept(recipients: Recipients, channelId: number, bytes: Uint8Array): number {
    const users = recipients.to.filter((topic) => !isRoom(topic));
    const rooms = recipients.to.filter(isRoom);
    let queued = 0;
    if (rooms.length > 0) queued += this.#log({ ...recipients, to: rooms }, channelId, bytes);
    if (users.length > 0) {
      const { RELIABLE } = PacketFlag;
      queued += this.#sendNow({ ...recipients, to: users }, channelId, bytes, bytes, RELIABLE);
    }
    return queued;
  }

  #sendNow(
    recipients: Recipients,
    channelId: number,
    data: Data,
    bytes: Uint8Array,
    flags: PacketFlag,
  ): number {
    const { to, room, exceptPeers, exceptTopics } = recipients;
    const local = to.length === 1 ? this.#owner.local.get(to[0]) : undefined;
    this.#count(this.total, local, bytes.length, "Out");
    if (to.length > 1 || exceptTopics.length > 0) {
      const audience = { to, except: exceptTopics };
      const frame = encodeSeveral(audience, channelId, flags, bytes);
      if (!this.#owner.link.publish(EVERY_HOST, frame)) this.#drop("backplane", room);
      return this.#toSeveral(recipients, channelId, data, flags);
    }
    if (!this.#owner.link.publish(to[0], encodeMessage(channelId, flags, bytes))) {
      this.#drop("backplane", room);
    }
    const options = exceptPeers.size === 0 ? undefined : { except: exceptPeers };
    return local?.group.send(channelId, data, flags, options) ?? 0;
  }

  /** Sends a message of a lease's holder. */
  sendFenced(
    topic: string,
    room: string,
    fence: number,
    channelId: number,
    data: Data,
    flags: PacketFlag,
  ): number {
    const bytes = this.#check(channelId, data, flags);
    const local = this.#owner.local.get(topic);
    this.#count(this.total, local, bytes.length, "Out");
    const frame = encodeFenced(fence, channelId, flags, bytes);
    if (!this.#owner.link.publish(topic, frame)) this.#drop("backplane", room);
    if (local === undefined || fence < local.fence) return 0;
    local.fence = fence;
    return local.group.send(channelId, data, flags);
  }

  /** The bytes of a message of the program. */
  #check(channelId: number, data: Data, flags: PacketFlag): Uint8Array {
    validateFlags(flags);
    integer(channelId, "channelId", 0, 254);
    const bytes = typeof data === "string" ? encoder.encode(data) : viewOf(data);
    const { messageBytes } = this.#owner.plan.limits;
    if (bytes.length > messageBytes) {
      throw new RangeError(
        `data of ${bytes.length} bytes is larger than limits.messageBytes, ${messageBytes}`,
      );
    }
    return bytes;
  }

  #toSeveral(
    { to, exceptTopics, exceptPeers }: Recipients,
    channelId: number,
    data: Data,
    flags: PacketFlag,
  ): number {
    const { local, endpoint } = this.#owner;
    const peers = new Set<Peer>();
    for (const topic of to) for (const peer of local.get(topic)?.group ?? []) peers.add(peer);
    for (const topic of exceptTopics) {
      for (const peer of local.get(topic)?.group ?? []) peers.delete(peer);
    }
    for (const peer of exceptPeers) peers.delete(peer);
    if (peers.size === 0) return 0;
    return (endpoint.host as Host).broadcast(channelId, data, flags, { to: peers });
  }

  /** Adds a message to the log of each room. It comes back by `entry`, also for the members of this host. */
  #log(recipients: Recipients, channelId: number, bytes: Uint8Array): number {
    const { link, id, local } = this.#owner;
    const { exceptPeers, exceptTopics, to, room } = recipients;
    if (exceptTopics.length > 0 || exceptPeers.size > MOST_EXCEPTED) {
      throw new TypeError(
        `with history, except takes at most ${MOST_EXCEPTED} peers and no rooms: the log keeps who is left out`,
      );
    }
    const except = Array.from(exceptPeers, (peer) => `${id}-${peer.id}`);
    const frame = encodeLogged(except, channelId, PacketFlag.RELIABLE, bytes);
    let queued = 0;
    for (const topic of to) {
      const members = local.get(topic);
      this.#count(this.total, members, bytes.length, "Out");
      if (link.log === undefined || !link.up || this.#appending >= MOST_APPENDING) {
        this.#drop("log", room);
        continue;
      }
      queued += members?.group.size ?? 0;
      this.#appending++;
      link.log.append(topic, frame).catch(() => this.#drop("log", room)).finally(() =>
        this.#appending--
      );
    }
    return queued;
  }

  #drop(reason: "rate" | "backplane" | "log" | "gap", room: string | undefined): void {
    this.#owner.drops.add(reason, room, performance.now());
  }

  // In.

  /** A message of another host has come on the topic of a room or a user. */
  message(topic: string, type: number, bytes: Uint8Array): void {
    const room = this.#owner.local.get(topic);
    if (room === undefined) return; // it has just been left
    if (type === FRAME.MESSAGE) return this.#deliver(room, decodeMessage(bytes));
    const fenced = type === FRAME.FENCED ? decodeFenced(bytes) : undefined;
    if (fenced === undefined || fenced.fence < room.fence) return void this.#owner.refused++;
    room.fence = fenced.fence;
    this.#deliver(room, fenced);
  }

  /** A message for several rooms has come. */
  several(bytes: Uint8Array): void {
    const message = decodeSeveral(bytes);
    if (message === undefined || !this.#fits(message.data)) return void this.#owner.refused++;
    const { to, except: exceptTopics, channelId, data, flags } = message;
    const recipients = { to, exceptTopics, exceptPeers: new Set<Peer>(), room: undefined };
    this.#guarded(() => {
      const queued = this.#toSeveral(recipients, channelId, data, flags);
      if (queued > 0) this.#count(this.total, undefined, data.length, "In");
    });
  }

  #deliver(room: LocalRoom, { channelId, data, flags }: FrameMessage): void {
    if (!this.#fits(data)) return void this.#owner.refused++;
    this.#count(this.total, room, data.length, "In");
    this.#guarded(() => room.group.send(channelId, data, flags));
  }

  /** A host whose limits are lower than those of the sender refuses the message, which is no fault of its program. */
  #guarded(send: () => void): void {
    try {
      send();
    } catch {
      this.#owner.refused++;
    }
  }

  #fits(data: Uint8Array): boolean {
    return data.length <= this.#owner.plan.limits.messageBytes;
  }

  #count(total: Traffic, room: LocalRoom | undefined, bytes: number, way: "In" | "Out"): void {
    total[`messages${way}`]++;
    total[`bytes${way}`] += bytes;
    if (room === undefined) return;
    room.traffic[`messages${way}`]++;
    room.traffic[`bytes${way}`] += bytes;
  }

  // The log.

  /** A message of the log has come. */
  readonly entry = (topic: string, entry: LogEntry): void => {
    const room = this.#owner.local.get(topic);
    if (room !== undefined) this.followerOf(room).entry(entry);
  };

  /** The link is up again. */
  catchUp(): void {
    for (const room of this.#owner.local.all) this.#followers.get(room)?.catchUp();
  }

  /** What follows the log of a room. */
  followerOf(room: LocalRoom): Follower {
    const known = this.#followers.get(room);
    if (known !== undefined) return known;
    const follower = new Follower(room.topic, {
      log: () => this.#owner.link.log,
      deliver: ({ offset, bytes }, epoch) => this.#deliverLogged(room, { epoch, offset }, bytes),
      gap: () => this.#drop("gap", room.name),
    });
    this.#followers.set(room, follower);
    return follower;
  }

  #deliverLogged(room: LocalRoom, position: { epoch: number; offset: number }, bytes: Uint8Array) {
    const message = typeOf(bytes) === FRAME.LOGGED ? decodeLogged(bytes) : undefined;
    if (message === undefined || !this.#fits(message.data)) return void this.#owner.refused++;
    const { channelId, data, flags, except } = message;
    this.#count(this.total, room, data.length, "In");
    const { id } = this.#owner;
    const left = except.length === 0
      ? []
      : [...room.group].filter((peer) => except.includes(`${id}-${peer.id}`));
    this.#guarded(() =>
      room.group.send(channelId, encodeLoggedMessage(position, data), flags, { except: left })
    );
  }
}
