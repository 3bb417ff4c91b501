import type { Peer } from "../peer.ts";

/** Data that presence may have: what JSON can express. */
export type PresenceData = unknown;

/** A peer in a room, wherever it is connected. */
export interface Member<Presence = unknown> {
  /** Names the member among all of the cluster: the host and the peer. The same in all of its rooms. */
  readonly id: string;
  /** The host that it is connected to, as {@linkcode ClusterHost.id}. */
  readonly hostId: string;
  /** The user that the program has named by `identify`. */
  readonly user: string | undefined;
  /** What the program has told about it. Another object after each update; do not change it. */
  readonly presence: Presence;
  /** The connection, if it is one of this host. */
  readonly peer: Peer | undefined;
}

/** Why a member is no longer in a room. */
export type LeaveReason =
  /** The program has called `leave`. */
  | "left"
  /** Its connection has ended. */
  | "disconnected"
  /** Its host has closed its rooms. */
  | "host-closed"
  /** Its host has been silent for `hostTimeoutMs`: it was killed, or can't be reached. */
  | "host-lost";

/** A member has joined a room. */
export interface JoinedEvent<Presence = unknown> {
  /** Which event this is. */
  readonly type: "joined";
  /** The name of the room. */
  readonly room: string;
  /** The member. */
  readonly member: Member<Presence>;
}

/** A member has left a room; exactly one follows each joined event of a member and a room. */
export interface LeftEvent<Presence = unknown> {
  /** Which event this is. */
  readonly type: "left";
  /** The name of the room. */
  readonly room: string;
  /** The member, as it was last. */
  readonly member: Member<Presence>;
  /** Why. */
  readonly reason: LeaveReason;
}

/** The presence or the user of a member has changed. */
export interface UpdatedEvent<Presence = unknown> {
  /** Which event this is. */
  readonly type: "updated";
  /** The name of the room. */
  readonly room: string;
  /** The member, as it is now. */
  readonly member: Member<Presence>;
}

/** A host has come into view, or is gone. */
export interface ClusterHostEvent {
  /** Which event this is. */
  readonly type: "host";
  /** The host. */
  readonly host: ClusterHost;
  /** Whether it is there now. */
  readonly alive: boolean;
}

/** The link to the backplane has gone down, or is up again. Messages to and from other hosts are lost meanwhile. */
export interface LinkEvent {
  /** Which event this is. */
  readonly type: "link";
  /** Whether it is up. */
  readonly up: boolean;
  /** Why it went down, as far as known. */
  readonly error: Error | undefined;
}

/** Messages were dropped. Told at once for the first one, then once a second, with how many there were since. */
export interface DroppedEvent {
  /** Which event this is. */
  readonly type: "dropped";
  /**
   * Why: `"rate"`: a room's `limits` were exceeded, and nobody got the message. `"backplane"`: the link is down or its
   * queue is full, so members of other hosts did not get it. `"log"`: it was not added to the history. `"gap"`: the
   * history no longer has what this host has missed, so its members did not get it.
   */
  readonly reason: DropReason;
  /** How many. Of `"gap"` it is not known: each gap counts one. */
  readonly messages: number;
  /** The room of the last of them; undefined for a message to a user or to several rooms. */
  readonly room: string | undefined;
}

/** Why messages were dropped; see {@linkcode DroppedEvent.reason}. */
export type DropReason = "rate" | "backplane" | "log" | "gap";

/** What `Rooms` reports. */
export type RoomsEvent<Presence = unknown> =
  | JoinedEvent<Presence>
  | LeftEvent<Presence>
  | UpdatedEvent<Presence>
  | ClusterHostEvent
  | LinkEvent
  | DroppedEvent;

/** A host of the cluster. */
export interface ClusterHost {
  /** Its name in the cluster, another one each time it starts. */
  readonly id: string;
  /** Where clients reach it, from its option `address`. */
  readonly address: string | undefined;
  /** Whether it is this one. */
  readonly here: boolean;
}
