import { makeInspectable } from "../internal/inspect.ts";
import { memberOf } from "../internal/recipients.ts";
import { options as checkOptions, show } from "../internal/validate.ts";
import { Host } from "../host.ts";
import type { Peer } from "../peer.ts";
import { Cluster } from "./cluster.ts";
import type { RoomsHandlers } from "./event_queue.ts";
import { claimLease, type ClaimOptions, type Lease } from "./lease.ts";
import type { ClusterHost, Member, RoomsEvent } from "./member.ts";
import { checkName, topicOf } from "./names.ts";
import type { RoomsOptions } from "./options.ts";
import { checkPosition, type Position } from "./position.ts";
import { chooseHost } from "./rendezvous.ts";
import { resume, type Resumed } from "./resume.ts";
import { readRoomStats, readStats, type RoomsStats, type RoomStats } from "./stats.ts";
import { recipientsOf, type Target, targets } from "./target.ts";

/** Options of `rooms.join`. */
export interface JoinOptions<Presence = unknown> {
  /** What others see of the member: a value that JSON can express. Default `null`. */
  presence?: Presence;
}

/** Options of `rooms.resume`. */
export interface ResumeOptions<Presence = unknown> extends JoinOptions<Presence> {
  /** The position of the last message of the room that the client has read, by `readLogged`. */
  position: Position;
}

/**
 * Rooms for the peers of a host, and of all hosts that share its backplane.
 *
 * A peer leaves its rooms when its connection ends. Peers that came through a gateway are peers like others.
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 * import { Rooms } from "@enetjs/enet/rooms";
 *
 * await using server = await Host.listen({ hostname: "127.0.0.1" }, {
 *   connect: (peer) => void rooms.join(peer, "lobby", { presence: { name: "Ada" } }),
 *   receive: (peer, channelId, packet) =>
 *     void rooms.to("lobby").except(peer).send(channelId, packet),
 * });
 * await using rooms = new Rooms<{ name: string }>(server, {}, {
 *   joined({ room, member }) {
 *     console.log(member.presence.name, "is in", room); // Ada is in lobby
 *     console.log(rooms.members(room).length); // 1
 *   },
 * });
 * await rooms.ready;
 *
 * await using client = await Host.create();
 * await client.connect(server.address);
 * ```
 */
export class Rooms<Presence = unknown>
  implements AsyncIterable<RoomsEvent<Presence>>, AsyncDisposable {
  readonly #cluster: Cluster;

  /**
   * Makes rooms for a host, and begins to connect to the backplane. Members of this host get messages at once, those of
   * others once {@linkcode Rooms.ready} has resolved.
   *
   * @param host the host whose peers join; the rooms close when it does
   * @param options the backplane, history, limits and times
   * @param handlers functions to call as things happen; without them the rooms can be iterated over
   * @throws {TypeError} for an unknown option or one of the wrong type
   * @throws {RangeError} for a value out of range
   */
  constructor(
    host: Host,
    options: RoomsOptions = {},
    handlers: RoomsHandlers<Presence> = {},
  ) {
    if (!(host instanceof Host)) throw new TypeError(`host must be a Host, not ${show(host)}`);
    this.#cluster = new Cluster(host, options, handlers as RoomsHandlers);
    Object.preventExtensions(this); // a misspelt property is a TypeError
  }

  /** The name of this host in the cluster: 16 hexadecimal digits, others each time. */
  get id(): string {
    return this.#cluster.id;
  }

  /**
   * Resolves when this host is part of the cluster. It rejects with `ENETJS_ERR_BACKPLANE` when the backplane can't be
   * reached or lacks what the options ask for, and with `ENETJS_ERR_LIBRARY` when its npm package is missing. Nobody
   * tries again then: close these rooms. A link that breaks later is restored; see the event `link`.
   */
  get ready(): Promise<void> {
    return this.#cluster.ready;
  }

  /** Whether messages to and from other hosts get through, as far as known. */
  get linked(): boolean {
    return this.#cluster.link.up;
  }

  /**
   * Puts a peer into a room. If it is in the room already, its presence is replaced.
   *
   * @param peer a peer of this host
   * @param room the name: 1 to 64 characters; see `isName` for names that clients send
   * @param options what others see of it
   * @returns whether it is a member now; false when its connection or these rooms have ended, or
   *   `limits.roomsPerPeer` is reached
   * @throws {TypeError} if `peer` is no peer of this host, or the presence is nothing that JSON can express
   * @throws {RangeError} if `room` is no name, or the presence is too large
   */
  join(peer: Peer, room: string, options: JoinOptions<Presence> = {}): boolean {
    checkOptions(options, "options", ["presence"]);
    return this.#join(peer, checkName(room, "room"), this.#presenceOf(options));
  }

  #join(peer: Peer, room: string, presence: unknown): boolean {
    const { endpoint, local, closed, plan } = this.#cluster;
    const connection = memberOf(peer, endpoint, "peer");
    if (closed || !connection.sendable) return false;
    const isFull = local.count(peer) >= plan.limits.roomsPerPeer;
    if (isFull && !local.isIn(peer, room)) return false;
    local.join(peer, room);
    this.#cluster.show(peer, room, presence);
    return true;
  }

  /** A copy of the presence, as other hosts will read it. */
  #presenceOf({ presence = null as Presence }: JoinOptions<Presence>): unknown {
    const { presenceCharacters } = this.#cluster.plan.limits;
    let text: string | undefined;
    try {
      text = JSON.stringify(presence);
    } catch (error) {
      throw new TypeError(`presence can't be expressed by JSON: ${(error as Error).message}`);
    }
    if (text === undefined) {
      throw new TypeError(`presence must be a value that JSON can express, not ${show(presence)}`);
    }
    if (text.length > presenceCharacters) {
      throw new RangeError(
        `presence has ${text.length} characters as JSON, more than limits.presenceCharacters, ` +
          `${presenceCharacters}: send what is large as a message`,
      );
    }
    return JSON.parse(text);
  }

  /**
   * Puts a peer into a room after it has got the messages that it missed. Needs `history`.
   *
   * @param peer a peer of this host
   * @param room the name
   * @param options where its client is, and what others see of it
   * @returns a promise of how it went. The peer joins in any case, if it can: when `recovered` is false, without all of
   *   the messages
   * @throws {TypeError} if the rooms have no history, or for a wrong argument
   * @throws {RangeError} for a value out of range
   */
  async resume(peer: Peer, room: string, options: ResumeOptions<Presence>): Promise<Resumed> {
    checkOptions(options, "options", ["position", "presence"]);
    checkName(room, "room");
    const position = checkPosition(options.position, "position");
    if (this.#cluster.plan.history === undefined) {
      throw new TypeError("resume needs the option history: { length, ageMs } of the rooms");
    }
    memberOf(peer, this.#cluster.endpoint, "peer");
    const presence = this.#presenceOf(options);
    return await resume(
      this.#cluster,
      peer,
      room,
      position,
      () => this.#join(peer, room, presence),
    );
  }

  /**
   * Takes a peer out of a room.
   *
   * @param peer a peer of this host
   * @param room the name
   * @returns whether it was a member
   * @throws {TypeError} if `peer` is no peer of this host
   * @throws {RangeError} if `room` is no name
   */
  leave(peer: Peer, room: string): boolean {
    memberOf(peer, this.#cluster.endpoint, "peer");
    if (!this.#cluster.local.isIn(peer, checkName(room, "room"))) return false;
    this.#cluster.local.leave(peer, room);
    this.#cluster.replica.remove(room, peer.id, "leave");
    this.#cluster.gather();
    return true;
  }

  /** The names of the rooms that a peer of this host is in. */
  roomsOf(peer: Peer): string[] {
    return this.#cluster.local.roomsOf(peer);
  }

  /**
   * Says which user a peer is, for {@linkcode Rooms.toUser} and {@linkcode Member.user}. A user may have several peers, on
   * several hosts. Call it after a login, not with what a client claims.
   *
   * @param peer a peer of this host
   * @param user the user, 1 to 64 characters; undefined takes it back
   * @returns false when the connection or these rooms have ended
   * @throws {TypeError} if `peer` is no peer of this host, or `user` no string
   * @throws {RangeError} if `user` is no name
   */
  identify(peer: Peer, user: string | undefined): boolean {
    if (user !== undefined) checkName(user, "user");
    const { endpoint, local, closed, replica } = this.#cluster;
    const connection = memberOf(peer, endpoint, "peer");
    if (closed || !connection.sendable) return false;
    local.identify(peer, user);
    for (const room of local.roomsOf(peer)) {
      const member = replica.members(room)?.get(`${this.id}-${peer.id}`);
      this.#cluster.show(peer, room, member?.presence ?? null);
    }
    return true;
  }

  /**
   * The members of a room on all hosts, from this host's replica: no question goes over the network. It lags behind by
   * the way to the backplane and 10 ms; after lost messages or a lost host by up to 3 s.
   *
   * @param room the name
   * @returns the members, in no order
   * @throws {RangeError} if `room` is no name
   */
  members(room: string): Member<Presence>[] {
    const members = this.#cluster.replica.members(checkName(room, "room"))?.values() ?? [];
    return [...members] as Member<Presence>[];
  }

  /** The names of the rooms that have members on any host. */
  names(): string[] {
    return [...this.#cluster.replica.rooms];
  }

  /** The hosts of the cluster that live, as far as this one knows; this one first. */
  hosts(): ClusterHost[] {
    return this.#cluster.replica.hosts;
  }

  /**
   * The host that a room belongs to, if it should live in one place: all hosts that see the same hosts name the same one.
   * When a host comes or goes, only its share of the rooms moves. To be sure that only one host acts for a room, also
   * use {@linkcode Rooms.claim}.
   *
   * @param room the name
   * @throws {RangeError} if `room` is no name
   */
  host(room: string): ClusterHost {
    return chooseHost(this.hosts(), checkName(room, "room"));
  }

  /**
   * Takes the lease of a room, which one host has at a time. Needs `leases: true`.
   *
   * @param room the name
   * @param options how long it lasts, and how long to wait for it
   * @returns the lease, which renews itself until it is released or lost
   * @throws {TypeError} if the rooms have no leases, or for a wrong argument
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_LEASE` when another holder keeps it for `timeoutMs`, `ENETJS_ERR_BACKPLANE` when
   *   the link is down for as long, `ENETJS_ERR_CLOSED`; or the reason of the signal
   */
  async claim(room: string, options: ClaimOptions = {}): Promise<Lease> {
    return await claimLease(this.#cluster, checkName(room, "room"), options);
  }

  /**
   * The members of a room, on all hosts.
   *
   * @param room the name
   * @returns what sends to them
   * @throws {RangeError} if `room` is no name
   */
  to(room: string): Target {
    return this.#target(topicOf("room", checkName(room, "room")), room);
  }

  /**
   * The peers of a user, on all hosts; see {@linkcode Rooms.identify}.
   *
   * @param user the user
   * @returns what sends to them
   * @throws {RangeError} if `user` is no name
   */
  toUser(user: string): Target {
    return this.#target(topicOf("user", checkName(user, "user")), undefined);
  }

  #target(topic: string, room: string | undefined): Target {
    return targets.create(this.#cluster.endpoint, this.#cluster.mail, recipientsOf(topic, room));
  }

  /** Counters, and values of now. */
  get stats(): RoomsStats {
    return readStats(this.#cluster);
  }

  /**
   * Counters of one room.
   *
   * @param room the name
   * @throws {RangeError} if `room` is no name
   */
  statsOf(room: string): RoomStats {
    return readRoomStats(this.#cluster, room, topicOf("room", checkName(room, "room")));
  }

  /**
   * The events from now on, until these rooms are closed. A loop that is too slow throws `ENETJS_ERR_OVERFLOW` when 65,536
   * events wait.
   *
   * @throws {TypeError} if there are handlers or another loop
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoomsEvent<Presence>> {
    return this.#cluster.events.iterate() as AsyncIterableIterator<RoomsEvent<Presence>>;
  }

  /**
   * Leaves the cluster: the members of this host leave all rooms on the other hosts. The host and its peers stay. Closing
   * the host does the same.
   *
   * @returns a promise that resolves when the backplane has been left
   */
  close(): Promise<void> {
    return this.#cluster.close();
  }

  /** Does the same. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  static {
    makeInspectable(this.prototype, "Rooms", (rooms) => {
      const { rooms: count, members, hosts } = readStats(rooms.#cluster);
      return `${rooms.id}, ${count} rooms, ${members} members, ${hosts} hosts`;
    });
  }
}
