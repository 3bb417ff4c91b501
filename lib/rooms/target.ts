import type { Endpoint } from "../internal/endpoint.ts";
import { connectionsOf } from "../internal/recipients.ts";
import { type Data, PacketFlag } from "../packet.ts";
import { type Peer, peers } from "../peer.ts";
import type { Mail, Recipients } from "./mail.ts";
import { checkName, topicOf } from "./names.ts";

/** What the rest of the library may do with targets, and users may not. */
interface TargetInside {
  create(endpoint: Endpoint, mail: Mail, recipients: Recipients): Target;
}

let inside: TargetInside;

const NOBODY: ReadonlySet<Peer> = new Set();

/** What a target without exceptions has, for one topic. */
export function recipientsOf(topic: string, room: string | undefined): Recipients {
  return { to: [topic], exceptTopics: [], exceptPeers: NOBODY, room };
}

/**
 * Whom a message is for: the members of rooms, on all hosts. Made by `rooms.to` and `rooms.toUser`. It never changes, so
 * it can be kept and used again.
 */
export class Target {
  readonly #endpoint: Endpoint;
  readonly #mail: Mail;
  readonly #recipients: Recipients;

  private constructor(endpoint: Endpoint, mail: Mail, recipients: Recipients) {
    this.#endpoint = endpoint;
    this.#mail = mail;
    this.#recipients = recipients;
  }

  /**
   * Also the members of another room. A peer that is in several of them gets the message once; with history, once for
   * each.
   *
   * @param room the name of the room
   * @throws {TypeError} if `room` is no string
   * @throws {RangeError} if it is no name, see `isName`
   */
  to(room: string): Target {
    const topic = topicOf("room", checkName(room, "room"));
    const { to } = this.#recipients;
    return to.includes(topic) ? this : this.#with({ to: [...to, topic], room: undefined });
  }

  /**
   * Not some of them.
   *
   * @param who a peer of this host, several, or the name of a room, whose members on all hosts are left out
   * @throws {TypeError} if `who` is none of these, or a peer of another host
   * @throws {RangeError} if it is no name, see `isName`
   */
  except(who: Peer | Iterable<Peer> | string): Target {
    const { exceptPeers, exceptTopics } = this.#recipients;
    if (typeof who === "string") {
      const topic = topicOf("room", checkName(who, "who"));
      return this.#with({ exceptTopics: [...exceptTopics, topic] });
    }
    const connections = connectionsOf(who, this.#endpoint, "who");
    return this.#with({
      exceptPeers: new Set([...exceptPeers, ...[...connections].map(peers.of)]),
    });
  }

  /**
   * Sends a message. Members of this host have it queued as by `peer.send`, when this returns. It is passed on to other
   * hosts at most once; see docs/rooms.md for what is guaranteed.
   *
   * With history, a reliable message first goes to the log, and then to the members of all hosts.
   *
   * @param channelId the channel, 0–254; members with fewer channels are left out
   * @param data as for `peer.send`
   * @param flags how it is sent. Default reliable
   * @returns how many members of this host it was queued to, or with history how many there were; 0 when `limits` were
   *   exceeded, which the event `dropped` tells
   * @throws {TypeError} if `data` is nothing that can be sent
   * @throws {RangeError} if the channel, the flags or the size are out of range
   * @throws {ENetError} `ENETJS_ERR_MEMORY`
   */
  send(channelId: number, data: Data, flags: PacketFlag = PacketFlag.RELIABLE): number {
    return this.#mail.send(this.#recipients, channelId, data, flags);
  }

  #with(change: Partial<Recipients>): Target {
    return new Target(this.#endpoint, this.#mail, { ...this.#recipients, ...change });
  }

  static {
    inside = {
      create: (endpoint, mail, recipients) => new Target(endpoint, mail, recipients),
    };
  }
}

export const targets: TargetInside = inside;
