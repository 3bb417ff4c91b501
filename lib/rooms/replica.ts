/**
 * Who is in which room, on all hosts, as this host knows it: a state machine without clock and network.
 *
 * Each host is the only author of its own members, and numbers their changes. So there is nothing to merge: another
 * host's replica of them is an earlier state of the author's, and the number says which. A heartbeat tells the number.
 * A replica that is behind, or that has missed a change, asks for all members of that host.
 *
 * Events come from the differences of the replica. So each joined event of a member is followed by exactly one left
 * event, whatever is lost, repeated or late on the way.
 *
 * @module
 */
import type { ClusterHost, LeaveReason, Member, RoomsEvent } from "./member.ts";
import { type Change, type PresenceMessage, sizeOf } from "./presence_message.ts";
import { Snapshot } from "./snapshot.ts";

/** Characters of the changes of one message, about. */
const MESSAGE_CHARACTERS = 32_768;

/** When hosts count as lost. */
export interface ReplicaTimes {
  /** Milliseconds between heartbeats. */
  readonly heartbeatMs: number;
  /** Silence of a host after which its members leave. */
  readonly hostTimeoutMs: number;
  /** How long the own link may be down until the members of all others leave. */
  readonly linkTimeoutMs: number;
}

/** What a replica does. */
export interface ReplicaOutput {
  /** Sends to all other hosts. */
  publish(message: PresenceMessage): void;
  /** Sends to one host. */
  tell(host: string, message: PresenceMessage): void;
  /** Something has changed. */
  event(event: RoomsEvent): void;
}

/** A member in one room. */
interface Seat {
  readonly room: string;
  readonly peer: number;
  member: Member;
}

/** Another host, or this one. */
interface HostState {
  host: ClusterHost;
  /** Changes that are in `seats`; -1 before the first snapshot. */
  version: number;
  heardAt: number;
  /** When it was asked for a snapshot; -Infinity when no answer is expected. */
  askedAt: number;
  snapshot: Snapshot | undefined;
  readonly seats: Map<string, Seat>;
}

const seatKey = (peer: number, room: string): string => `${peer} ${room}`;

const REASONS: Readonly<Partial<Record<Change["kind"], LeaveReason>>> = {
  leave: "left",
  disconnect: "disconnected",
};

/** The replica of one host. Times are of one monotonic clock, in milliseconds. */
export class Replica {
  readonly #times: ReplicaTimes;
  readonly #output: ReplicaOutput;
  readonly #self: HostState;
  readonly #others = new Map<string, HostState>();
  readonly #rooms = new Map<string, Map<string, Member>>();
  /** Own changes that were not told yet. */
  #untold: Change[] = [];
  #toldVersion = 0;
  #beatAt = -Infinity;
  #tickedAt: number;
  /** Whether the last tick was late. */
  #late = false;
  /** Since when the link is down. */
  #downAt: number | undefined;

  constructor(host: ClusterHost, times: ReplicaTimes, output: ReplicaOutput, now: number) {
    this.#times = times;
    this.#output = output;
    this.#self = newState(host, now);
    this.#self.version = 0;
    this.#tickedAt = now;
  }

  /** The hosts that live, as far as this one knows; itself first. */
  get hosts(): ClusterHost[] {
    return [this.#self.host, ...Array.from(this.#others.values(), ({ host }) => host)];
  }

  /** The names of the rooms that have members. */
  get rooms(): IterableIterator<string> {
    return this.#rooms.keys();
  }

  /** How many rooms have members. */
  get roomCount(): number {
    return this.#rooms.size;
  }

  /** How many members there are: a peer counts once for each of its rooms. */
  get memberCount(): number {
    let count = this.#self.seats.size;
    for (const { seats } of this.#others.values()) count += seats.size;
    return count;
  }

  /** The members of a room. */
  members(room: string): ReadonlyMap<string, Member> | undefined {
    return this.#rooms.get(room);
  }

  // The own members.

  /** A peer of this host joins a room, or its presence or its user changes. */
  set(room: string, peer: Member["peer"] & object, user: string | undefined, presence: unknown) {
    const kind = this.#self.seats.has(seatKey(peer.id, room)) ? "update" : "join";
    this.#change({ kind, room, peer: peer.id, user, presence }, peer);
  }

  /** A peer of this host leaves a room. */
  remove(room: string, peer: number, kind: "leave" | "disconnect"): void {
    if (!this.#self.seats.has(seatKey(peer, room))) return;
    this.#change({ kind, room, peer, user: undefined, presence: undefined }, undefined);
  }

  #change(change: Change, peer: Member["peer"]): void {
    this.#apply(this.#self, change, peer);
    this.#self.version++;
    this.#untold.push(change);
  }

  /** Tells the other hosts what has changed since the last time. */
  flush(): void {
    const changes = this.#untold;
    this.#untold = [];
    for (const part of parts(changes)) {
      this.#toldVersion += part.length;
      const { id: host } = this.#self.host;
      this.#output.publish({ type: "delta", host, version: this.#toldVersion, changes: part });
    }
  }

  /** This host leaves the cluster. */
  close(): void {
    this.#output.publish({ type: "bye", host: this.#self.host.id });
  }

  // Time, and the link.

  /** To be called several times in each `heartbeatMs`. */
  tick(now: number): void {
    const { heartbeatMs, hostTimeoutMs, linkTimeoutMs } = this.#times;
    // This process was stopped or busy, so it has yet to read what the others have sent. A process that is always
    // late has no such excuse.
    const late = now - this.#tickedAt > heartbeatMs;
    if (late && !this.#late) this.#forgive(now - hostTimeoutMs / 2);
    this.#late = late;
    this.#tickedAt = now;
    if (this.#downAt === undefined) {
      for (const state of this.#others.values()) {
        if (now - state.heardAt > hostTimeoutMs) this.#drop(state, "host-lost");
        // A snapshot that was asked for has not come.
        else if (now - state.askedAt > hostTimeoutMs / 2 && state.askedAt > -Infinity) {
          this.#ask(state, now);
        }
      }
    } else if (now - this.#downAt > linkTimeoutMs) {
      for (const state of this.#others.values()) this.#drop(state, "host-lost");
    }
    if (now - this.#beatAt >= heartbeatMs && this.#downAt === undefined) this.#beat(now, false);
  }

  /** The link is up: for the first time, or again. */
  up(now: number): void {
    this.#downAt = undefined;
    this.#tickedAt = now;
    // The links of the others may need longer.
    this.#forgive(now + this.#times.hostTimeoutMs);
    this.#beat(now, true);
  }

  /** The link is down: nobody can be heard, which says nothing about the other hosts. */
  down(now: number): void {
    this.#downAt ??= now;
  }

  #forgive(now: number): void {
    for (const state of this.#others.values()) state.heardAt = Math.max(state.heardAt, now);
  }

  #beat(now: number, asks: boolean): void {
    this.#beatAt = now;
    const { id: host, address } = this.#self.host;
    const version = this.#toldVersion;
    this.#output.publish({ type: "heartbeat", host, version, address, asks });
  }

  #ask(state: HostState, now: number): void {
    state.askedAt = now;
    state.snapshot = undefined;
    this.#output.tell(state.host.id, { type: "ask", host: this.#self.host.id });
  }

  // What other hosts tell.

  /** Takes a message of another host. */
  receive(message: PresenceMessage, now: number): void {
    if (message.host === this.#self.host.id) return;
    if (message.type === "bye") {
      const state = this.#others.get(message.host);
      if (state !== undefined) this.#drop(state, "host-closed");
      return;
    }
    if (message.type === "ask") return this.#answer(message.host);
    const address = message.type === "heartbeat" ? message.address : undefined;
    const state = this.#hear(message.host, address, now);
    if (message.type === "heartbeat") {
      if (message.asks) this.#beat(now, false);
      if (message.version === 0 && state.version < 0) state.version = 0;
      if (message.version > state.version) this.#behind(state, now);
    } else if (message.type === "delta") {
      this.#follow(state, message.changes, message.version, now);
    } else {
      this.#collect(state, message);
    }
  }

  /** Notes that a host lives, which may be new. */
  #hear(id: string, address: string | undefined, now: number): HostState {
    let state = this.#others.get(id);
    const isNew = state === undefined;
    if (state === undefined) {
      state = newState({ id, address, here: false }, now);
      this.#others.set(id, state);
    }
    state.heardAt = Math.max(state.heardAt, now);
    const moved = address !== undefined && address !== state.host.address;
    if (moved) state.host = { id, address, here: false };
    if (isNew || moved) this.#output.event({ type: "host", host: state.host, alive: true });
    return state;
  }

  /** Asks for a snapshot, unless one is on its way. */
  #behind(state: HostState, now: number): void {
    if (state.askedAt === -Infinity) this.#ask(state, now);
  }

  #follow(state: HostState, changes: readonly Change[], version: number, now: number): void {
    const missed = version - changes.length - state.version;
    if (state.version < 0 || missed > 0) return this.#behind(state, now);
    // Those at the beginning may be known from a snapshot.
    for (const change of changes.slice(-missed)) this.#apply(state, change, undefined);
    state.version = Math.max(state.version, version);
  }

  #answer(asker: string): void {
    this.flush(); // so that the version covers all members
    const { host, seats } = this.#self;
    const changes = Array.from(seats.values(), ({ room, peer, member }): Change => {
      return { kind: "join", room, peer, user: member.user, presence: member.presence };
    });
    const all = [...parts(changes)];
    if (all.length === 0) all.push([]);
    for (const [part, changes] of all.entries()) {
      const version = this.#toldVersion;
      const place = { part, parts: all.length };
      this.#output.tell(asker, { type: "snapshot", host: host.id, version, ...place, changes });
    }
  }

  #collect(state: HostState, message: PresenceMessage & { type: "snapshot" }): void {
    if (message.version <= state.version) return void (state.askedAt = -Infinity);
    if (state.snapshot?.version !== message.version) {
      if (message.version < (state.snapshot?.version ?? 0)) return;
      state.snapshot = new Snapshot(message.version, message.parts);
    }
    const changes = state.snapshot.add(message.part, message.parts, message.changes);
    if (changes === undefined) return;
    state.snapshot = undefined;
    state.askedAt = -Infinity;
    state.version = message.version;
    const now = new Set(changes.map(({ peer, room }) => seatKey(peer, room)));
    for (const [key, seat] of state.seats) if (!now.has(key)) this.#vacate(state, seat, "left");
    for (const change of changes) this.#apply(state, change, undefined);
  }

  /** A host is gone, and its members with it. */
  #drop(state: HostState, reason: LeaveReason): void {
    this.#others.delete(state.host.id);
    for (const seat of state.seats.values()) this.#vacate(state, seat, reason);
    this.#output.event({ type: "host", host: state.host, alive: false });
  }

  // The rooms.

  #apply(state: HostState, change: Change, peer: Member["peer"]): void {
    const { kind, room, user, presence } = change;
    const key = seatKey(change.peer, room);
    const seat = state.seats.get(key);
    const reason = REASONS[kind];
    if (reason !== undefined) {
      if (seat !== undefined) this.#vacate(state, seat, reason);
      return;
    }
    const { id: hostId } = state.host;
    const id = `${hostId}-${change.peer}`;
    const member: Member = { id, hostId, user, presence, peer: seat?.member.peer ?? peer };
    if (seat === undefined) state.seats.set(key, { room, peer: change.peer, member });
    else if (isSame(seat.member, member)) return;
    else seat.member = member;
    let members = this.#rooms.get(room);
    if (members === undefined) this.#rooms.set(room, members = new Map());
    members.set(id, member);
    this.#output.event({ type: seat === undefined ? "joined" : "updated", room, member });
  }

  #vacate(state: HostState, { room, peer, member }: Seat, reason: LeaveReason): void {
    state.seats.delete(seatKey(peer, room));
    const members = this.#rooms.get(room) as Map<string, Member>;
    members.delete(member.id);
    if (members.size === 0) this.#rooms.delete(room);
    this.#output.event({ type: "left", room, member, reason });
  }
}

function newState(host: ClusterHost, now: number): HostState {
  return {
    host,
    version: -1,
    heardAt: now,
    askedAt: -Infinity,
    snapshot: undefined,
    seats: new Map(),
  };
}

/** Whether nothing has changed. Presence is compared as JSON: it comes from the same text. */
function isSame(a: Member, b: Member): boolean {
  return a.user === b.user &&
    (a.presence === b.presence || JSON.stringify(a.presence) === JSON.stringify(b.presence));
}

/** Cuts changes into parts that fit into messages. */
function* parts(changes: readonly Change[]): Generator<Change[]> {
  let part: Change[] = [];
  let characters = 0;
  for (const change of changes) {
    const size = sizeOf(change);
    if (part.length > 0 && characters + size > MESSAGE_CHARACTERS) {
      yield part;
      part = [];
      characters = 0;
    }
    part.push(change);
    characters += size;
  }
  if (part.length > 0) yield part;
}
