import type { RateLimit, ResolvedRate } from "../limits.ts";
import { planRate } from "../limits.ts";
import { boolean, integer, options, show } from "../internal/validate.ts";
import type { Backplane } from "./backplane.ts";
import { MOST_OVERHEAD } from "./frame.ts";
import { memory } from "./memory.ts";
import { isAddress, LONGEST_ADDRESS } from "./presence_message.ts";
import type { ReplicaTimes } from "./replica.ts";

/** How much may be sent to a room, and how many rooms a peer may have. */
export interface RoomLimits {
  /** Bytes of a message to a room, 1 to 16,777,216. Default 65,536. Most backplanes take less than 1 MiB. */
  messageBytes?: number;
  /** Messages that this host sends to one room. Default no limit. */
  messages?: RateLimit;
  /** Bytes that this host sends to one room. Default no limit. */
  bytes?: RateLimit;
  /** Rooms that a peer may be in, 1 to 65,536. Default 64. */
  roomsPerPeer?: number;
  /** Characters of a member's presence as JSON, 2 to 16,384. Default 1024. */
  presenceCharacters?: number;
}

/** What is kept of each room, for members that come back. */
export interface HistoryOptions {
  /** Messages of each room at most, 1 to 10,000. */
  length: number;
  /** Milliseconds at most, 1,000 to 86,400,000. */
  ageMs: number;
}

/** Options of `Rooms`. All hosts of a cluster should have the same ones, apart from `address`. */
export interface RoomsOptions {
  /** What connects the hosts. Default `memory()`, for a host alone. */
  backplane?: Backplane;
  /** Where clients reach this host, such as `"game-3.example.com:7777"`; other hosts see it. Default none. */
  address?: string;
  /** Keeps reliable messages of each room. Default none. See `Rooms.resume`. */
  history?: HistoryOptions;
  /** Whether `claim` will be used, which needs a backplane with a store. Default `false`. */
  leases?: boolean;
  /** How much may be sent. */
  limits?: RoomLimits;
  /** Milliseconds between heartbeats of a host, 50 to 60,000. Default 500. */
  heartbeatMs?: number;
  /** Milliseconds of silence after which a host counts as lost; at least 3 heartbeats. Default 2000. */
  hostTimeoutMs?: number;
  /**
   * Milliseconds that the link to the backplane may be down until the members of other hosts leave. Default 15,000.
   */
  linkTimeoutMs?: number;
}

/** Checked {@linkcode RoomsOptions}. */
export interface RoomsPlan {
  readonly backplane: Backplane;
  readonly address: string | undefined;
  readonly history: Readonly<HistoryOptions> | undefined;
  readonly leases: boolean;
  readonly limits: {
    readonly messageBytes: number;
    readonly messages: ResolvedRate;
    readonly bytes: ResolvedRate;
    readonly roomsPerPeer: number;
    readonly presenceCharacters: number;
  };
  readonly times: ReplicaTimes;
}

const HOUR_MS = 3_600_000;
const NONE: RateLimit = { perSecond: Infinity };

/** Checks the options of `Rooms`. */
export function planRooms(given: unknown): RoomsPlan {
  options(given, "options", [
    "backplane",
    "address",
    "history",
    "leases",
    "limits",
    "heartbeatMs",
    "hostTimeoutMs",
    "linkTimeoutMs",
  ]);
  const {
    backplane = memory(),
    address,
    history,
    leases = false,
    limits = {},
    heartbeatMs = 500,
    hostTimeoutMs = Math.max(2000, 4 * heartbeatMs),
    linkTimeoutMs = Math.max(15_000, hostTimeoutMs),
  } = given as RoomsOptions;
  if (typeof Object(backplane).connect !== "function") {
    throw new TypeError(
      `backplane must be a Backplane, such as memory() or nats({ servers }), not ${
        show(backplane)
      }`,
    );
  }
  if (address !== undefined && !isAddress(address)) {
    throw new TypeError(
      `address must be text of 1 to ${LONGEST_ADDRESS} characters, such as "host:7777", not ${
        show(address)
      }`,
    );
  }
  integer(heartbeatMs, "heartbeatMs", 50, 60_000);
  integer(hostTimeoutMs, "hostTimeoutMs", 3 * heartbeatMs, HOUR_MS);
  integer(linkTimeoutMs, "linkTimeoutMs", hostTimeoutMs, HOUR_MS);
  return {
    backplane,
    address,
    history: history && planHistory(history),
    leases: boolean(leases, "leases"),
    limits: planRoomLimits(limits),
    times: { heartbeatMs, hostTimeoutMs, linkTimeoutMs },
  };
}

function planHistory(given: unknown): Readonly<HistoryOptions> {
  options(given, "history", ["length", "ageMs"]);
  const { length, ageMs } = given as HistoryOptions;
  integer(length, "history.length", 1, 10_000);
  integer(ageMs, "history.ageMs", 1000, 24 * HOUR_MS);
  return { length, ageMs };
}

function planRoomLimits(given: unknown): RoomsPlan["limits"] {
  options(given, "limits", [
    "messageBytes",
    "messages",
    "bytes",
    "roomsPerPeer",
    "presenceCharacters",
  ]);
  const {
    messageBytes = 65_536,
    messages = NONE,
    bytes = NONE,
    roomsPerPeer = 64,
    presenceCharacters = 1024,
  } = given as RoomLimits;
  integer(messageBytes, "limits.messageBytes", 1, 2 ** 24);
  return {
    messageBytes,
    messages: planRate(messages, "limits.messages", 1),
    // A smaller bucket would never let the largest message pass.
    bytes: planRate(bytes, "limits.bytes", messageBytes),
    roomsPerPeer: integer(roomsPerPeer, "limits.roomsPerPeer", 1, 65_536),
    presenceCharacters: integer(presenceCharacters, "limits.presenceCharacters", 2, 16_384),
  };
}

/** The smallest limit for messages that a backplane must have. */
export const smallestMessage = ({ limits }: RoomsPlan): number =>
  limits.messageBytes + MOST_OVERHEAD;
