import type { Endpoint } from "./internal/endpoint.ts";
import { count, makeInspectable } from "./internal/inspect.ts";
import { Members } from "./internal/members.ts";
import { connectionsOf, memberOf } from "./internal/recipients.ts";
import { refuseUnknown } from "./internal/strict.ts";
import { options as checkOptions } from "./internal/validate.ts";
import { LAYOUT } from "../ffi/layout.ts";
import { type Data, PacketFlag } from "./packet.ts";
import type { Peer } from "./peer.ts";

/** Options of {@linkcode Group.send}. */
export interface GroupSendOptions {
  /** A member, or several, that do not get the message; other peers are ignored. Default none. */
  except?: Peer | Iterable<Peer>;
}

/**
 * A peer that lives on leaves the groups that nothing refers to any more. The members are held weakly: they
 * refer to the host, which may refer to the group, for example by the data of a peer.
 */
const registry = new FinalizationRegistry<WeakRef<Members>>((members) => members.deref()?.clear());

/** What the rest of the library may do with groups, and users may not. */
interface GroupInside {
  /** An empty group of a host's peers. */
  create<PeerData>(endpoint: Endpoint): Group<PeerData>;
}

let inside: GroupInside;

/**
 * Some of a host's peers, such as those in a room: a message to all of them is one native call. Made by
 * `host.group()`.
 *
 * A peer leaves its groups before its disconnect event, or earlier: when this side begins to end its
 * connection. Iteration is in the order of joining. Members may join and leave meanwhile.
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 *
 * await using server = await Host.listen({ hostname: "127.0.0.1" }, {
 *   connect: (peer) => void room.add(peer),
 *   disconnect: () => void room.send(0, `${room.size} are left`),
 * });
 * const room = server.group();
 * ```
 */
export class Group<PeerData = unknown> implements Iterable<Peer<PeerData>> {
  readonly #endpoint: Endpoint;
  readonly #members: Members;

  private constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#members = new Members(endpoint.transport);
    registry.register(this, new WeakRef(this.#members));
    Object.preventExtensions(this); // a misspelt property is a TypeError
  }

  /** How many peers are in the group. */
  get size(): number {
    return this.#members.size;
  }

  /**
   * Puts a peer into the group.
   *
   * @param peer a peer of the group's host
   * @returns whether it is a member now; false when its connection has ended or this side is ending it
   * @throws {TypeError} if `peer` is no peer, or one of another host
   */
  add(peer: Peer<PeerData>): boolean {
    const connection = memberOf(peer, this.#endpoint, "peer");
    if (connection.sendable) this.#members.add(connection);
    return this.#members.has(connection);
  }

  /**
   * Takes a peer out of the group.
   *
   * @param peer a peer
   * @returns whether it was a member
   * @throws {TypeError} if `peer` is no peer, or one of another host
   */
  delete(peer: Peer): boolean {
    return this.#members.delete(memberOf(peer, this.#endpoint, "peer"));
  }

  /**
   * Tells whether a peer is in the group.
   *
   * @param peer a peer
   * @throws {TypeError} if `peer` is no peer, or one of another host
   */
  has(peer: Peer): boolean {
    return this.#members.has(memberOf(peer, this.#endpoint, "peer"));
  }

  /** Takes all peers out of the group. */
  clear(): void {
    this.#members.clear();
  }

  /**
   * Queues a message to every member. For each peer its order is that of the calls, with
   * {@linkcode Peer.send} and `host.broadcast`.
   *
   * @param channelId the channel, 0–254; members with fewer channels are left out
   * @param data as for {@linkcode Peer.send}
   * @param flags how it is sent. Default reliable
   * @param options which members are left out
   * @returns how many members it was queued to; 0 once the host is closed
   * @throws {TypeError} if `data` is nothing that can be sent, or `options.except` has a peer of another
   *   host
   * @throws {RangeError} if the channel, the flags or the size are out of range
   * @throws {ENetError} `ENETJS_ERR_MEMORY`
   */
  send(
    channelId: number,
    data: Data,
    flags: PacketFlag = PacketFlag.RELIABLE,
    options?: GroupSendOptions,
  ): number {
    const members = this.#members;
    let to = members.recipients;
    if (options !== undefined) {
      checkOptions(options, "options", ["except"]);
      const { except } = options;
      if (except !== undefined) {
        to = members.without(connectionsOf(except, this.#endpoint, "except"));
      }
    }
    return this.#endpoint.broadcast(channelId, flags, data, to, LAYOUT.BROADCAST_TO);
  }

  /** The members, in the order of joining. */
  *[Symbol.iterator](): IterableIterator<Peer<PeerData>> {
    for (const { peer } of this.#members.values()) yield peer as Peer<PeerData>;
  }

  static {
    makeInspectable(this.prototype, "Group", ({ size }) => count(size, "peer"));
    refuseUnknown(this.prototype, "The group");
    inside = { create: (endpoint) => new Group(endpoint) };
  }
}

export const groups: GroupInside = inside;
