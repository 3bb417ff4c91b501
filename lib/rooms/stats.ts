import type { Cluster } from "./cluster.ts";
import type { DropReason } from "./member.ts";

/** Counters of the rooms of a host since they were made, and values of now. */
export interface RoomsStats {
  /** Hosts of the cluster that this one sees, itself included. */
  readonly hosts: number;
  /** Rooms that have members, on any host. */
  readonly rooms: number;
  /** Members of all rooms on all hosts: a peer counts once for each of its rooms. */
  readonly members: number;
  /** Rooms that have members on this host. */
  readonly localRooms: number;
  /** Messages that this host's program has sent to rooms and users. */
  readonly messagesOut: number;
  /** Bytes of these. */
  readonly bytesOut: number;
  /** Messages from the backplane that this host has passed on to its members; with history also its own. */
  readonly messagesIn: number;
  /** Bytes of these. */
  readonly bytesIn: number;
  /** Messages that were dropped, by reason; see the event `dropped`. */
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Messages from the backplane that were damaged, too large, of another version, or of a lost lease. */
  readonly refused: number;
  /** Whether the link to the backplane is up. */
  readonly linked: boolean;
  /** Bytes that wait to be sent to the backplane. */
  readonly queuedBytes: number;
  /** How long a message takes to the backplane and back, in milliseconds, when this was last measured. */
  readonly lagMs: number;
}

/** What of a room passes through this host. The counters begin when its first member here joins. */
export interface RoomStats {
  /** Its members on all hosts. */
  readonly members: number;
  /** Its members on this host. */
  readonly localMembers: number;
  /** Messages that this host's program has sent to it alone. */
  readonly messagesOut: number;
  /** Bytes of these. */
  readonly bytesOut: number;
  /** Messages to it alone that have come from the backplane. */
  readonly messagesIn: number;
  /** Bytes of these. */
  readonly bytesIn: number;
}

/** Counts now. */
export function readStats(cluster: Cluster): RoomsStats {
  const { replica, local, link, mail, drops, refused } = cluster;
  let localRooms = 0;
  for (const { name, group } of local.all) {
    localRooms += Number(name !== undefined && group.size > 0);
  }
  return {
    hosts: replica.hosts.length,
    rooms: replica.roomCount,
    members: replica.memberCount,
    localRooms,
    ...mail.total,
    dropped: { ...drops.total },
    refused,
    linked: link.up,
    queuedBytes: link.queuedBytes,
    lagMs: link.lagMs,
  };
}

/** Counts of one room. */
export function readRoomStats(cluster: Cluster, name: string, topic: string): RoomStats {
  const room = cluster.local.get(topic);
  return {
    members: cluster.replica.members(name)?.size ?? 0,
    localMembers: room?.group.size ?? 0,
    messagesOut: 0,
    bytesOut: 0,
    messagesIn: 0,
    bytesIn: 0,
    ...room?.traffic,
  };
}
