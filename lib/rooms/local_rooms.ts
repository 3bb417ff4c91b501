/**
 * What peers of this host are in: rooms, and the rooms of one user each to which `toUser` sends. The link is subscribed
 * to the topics of these, and of no others.
 *
 * @module
 */
import type { Connection } from "../internal/connection.ts";
import type { Endpoint } from "../internal/endpoint.ts";
import { type Group, groups } from "../group.ts";
import { type Peer, peers } from "../peer.ts";
import type { Link } from "./link.ts";
import { topicOf } from "./names.ts";

/** The messages of a room that this host has seen. */
export interface Traffic {
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  bytesOut: number;
}

/** A room that has members here. */
export interface LocalRoom {
  /** The name of the room; undefined for that of a user. */
  readonly name: string | undefined;
  readonly topic: string;
  readonly group: Group;
  readonly traffic: Traffic;
  /** While it is above 0 the room stays without members. */
  holds: number;
  /** Messages with a lower fence come from a holder that has lost its lease. */
  fence: number;
}

/** What a peer of this host is in. */
interface Presence {
  readonly rooms: Map<string, LocalRoom>;
  user: string | undefined;
  userRoom: LocalRoom | undefined;
  /** Called when its connection ends. */
  readonly membership: { delete(connection: Connection): void };
}

/** Where peers of one host are. */
export class LocalRooms {
  readonly #endpoint: Endpoint;
  readonly #link: Link;
  readonly #left: (peer: Peer, room: string) => void;
  readonly #byTopic = new Map<string, LocalRoom>();
  readonly #byPeer = new Map<Peer, Presence>();

  /** @param left called for each room of a peer whose connection has ended */
  constructor(endpoint: Endpoint, link: Link, left: (peer: Peer, room: string) => void) {
    this.#endpoint = endpoint;
    this.#link = link;
    this.#left = left;
  }

  /** The room of a topic, if peers of this host are in it. */
  get(topic: string): LocalRoom | undefined {
    return this.#byTopic.get(topic);
  }

  /** All of them, also those of users. */
  get all(): IterableIterator<LocalRoom> {
    return this.#byTopic.values();
  }

  /** The names of the rooms of a peer. */
  roomsOf(peer: Peer): string[] {
    return [...this.#byPeer.get(peer)?.rooms.keys() ?? []];
  }

  /** How many rooms a peer is in. */
  count(peer: Peer): number {
    return this.#byPeer.get(peer)?.rooms.size ?? 0;
  }

  /** Whether a peer is in a room. */
  isIn(peer: Peer, name: string): boolean {
    return this.#byPeer.get(peer)?.rooms.has(name) ?? false;
  }

  /** The user of a peer. */
  userOf(peer: Peer): string | undefined {
    return this.#byPeer.get(peer)?.user;
  }

  /** A room, which stays open until it is released. */
  hold(name: string): LocalRoom {
    const room = this.#open("room", name, name);
    room.holds++;
    return room;
  }

  /** Undoes one `hold`. */
  release(room: LocalRoom): void {
    room.holds--;
    this.#closeIfEmpty(room);
  }

  /** Puts a peer into a room. */
  join(peer: Peer, name: string): LocalRoom {
    const room = this.#open("room", name, name);
    room.group.add(peer);
    this.#presenceOf(peer).rooms.set(name, room);
    return room;
  }

  /** Takes a peer out of a room. */
  leave(peer: Peer, name: string): void {
    const presence = this.#byPeer.get(peer);
    const room = presence?.rooms.get(name);
    if (presence === undefined || room === undefined) return;
    presence.rooms.delete(name);
    this.#remove(peer, room);
    this.#forgetIfNowhere(peer, presence);
  }

  /** Says which user a peer is. */
  identify(peer: Peer, user: string | undefined): void {
    const presence = this.#presenceOf(peer);
    const before = presence.userRoom;
    presence.user = user;
    presence.userRoom = user === undefined ? undefined : this.#open("user", user, undefined);
    presence.userRoom?.group.add(peer);
    if (before !== undefined && before !== presence.userRoom) this.#remove(peer, before);
    this.#forgetIfNowhere(peer, presence);
  }

  /** Takes all peers out of all rooms, without a word. */
  clear(): void {
    for (const [peer, { membership }] of this.#byPeer) {
      peers.connectionOf(peer).memberships.delete(membership);
    }
    for (const room of this.#byTopic.values()) room.group.clear();
    this.#byPeer.clear();
    this.#byTopic.clear();
  }

  #open(kind: "room" | "user", name: string, roomName: string | undefined): LocalRoom {
    const topic = topicOf(kind, name);
    const known = this.#byTopic.get(topic);
    if (known !== undefined) return known;
    const traffic = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 };
    const group = groups.create(this.#endpoint);
    const room: LocalRoom = { name: roomName, topic, group, traffic, holds: 0, fence: 0 };
    this.#byTopic.set(topic, room);
    this.#link.subscribe(topic);
    return room;
  }

  #remove(peer: Peer, room: LocalRoom): void {
    room.group.delete(peer);
    this.#closeIfEmpty(room);
  }

  #closeIfEmpty(room: LocalRoom): void {
    if (room.group.size > 0 || room.holds > 0 || !this.#byTopic.delete(room.topic)) return;
    this.#link.unsubscribe(room.topic);
  }

  #presenceOf(peer: Peer): Presence {
    const known = this.#byPeer.get(peer);
    if (known !== undefined) return known;
    const membership = { delete: () => this.#end(peer) };
    const presence = { rooms: new Map(), user: undefined, userRoom: undefined, membership };
    this.#byPeer.set(peer, presence);
    peers.connectionOf(peer).memberships.add(membership);
    return presence;
  }

  #forgetIfNowhere(peer: Peer, { rooms, user, membership }: Presence): void {
    if (rooms.size > 0 || user !== undefined) return;
    this.#byPeer.delete(peer);
    peers.connectionOf(peer).memberships.delete(membership);
  }

  /** Its connection has ended, or is being ended by this side. */
  #end(peer: Peer): void {
    const presence = this.#byPeer.get(peer);
    if (presence === undefined) return;
    this.#byPeer.delete(peer);
    peers.connectionOf(peer).memberships.delete(presence.membership);
    if (presence.userRoom !== undefined) this.#remove(peer, presence.userRoom);
    for (const [name, room] of presence.rooms) {
      this.#remove(peer, room);
      this.#left(peer, name);
    }
  }
}
