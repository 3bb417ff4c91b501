/** What hosts tell each other about who is in which room. One author for each host's members: that host. */
import { isName } from "./names.ts";

/** A change of one member in one room. */
export interface Change {
  readonly kind: "join" | "update" | "leave" | "disconnect";
  readonly room: string;
  /** `peer.id` on its host. */
  readonly peer: number;
  readonly user: string | undefined;
  readonly presence: unknown;
}

/** What is told, and by which host. */
export type PresenceMessage =
  | {
    /** Every `heartbeatMs`: the host lives, and has told so many changes. */
    readonly type: "heartbeat";
    readonly host: string;
    readonly version: number;
    readonly address: string | undefined;
    /** Whether it is new and wants to hear of the others. */
    readonly asks: boolean;
  }
  | {
    /** Changes; `version` is the number of all changes so far, these included. */
    readonly type: "delta";
    readonly host: string;
    readonly version: number;
    readonly changes: readonly Change[];
  }
  | {
    /** To one host: send me all of your members. */
    readonly type: "ask";
    readonly host: string;
  }
  | {
    /** To one host: a part of all members at a version. */
    readonly type: "snapshot";
    readonly host: string;
    readonly version: number;
    readonly part: number;
    readonly parts: number;
    readonly changes: readonly Change[];
  }
  | {
    /** The host leaves the cluster, and so do its members. */
    readonly type: "bye";
    readonly host: string;
  };

const TYPES: Readonly<Record<string, PresenceMessage["type"]>> = {
  h: "heartbeat",
  d: "delta",
  a: "ask",
  s: "snapshot",
  b: "bye",
};
const LETTERS = Object.fromEntries(Object.entries(TYPES).map(([letter, type]) => [type, letter]));

const KINDS = ["join", "update", "leave", "disconnect"] as const;

/** Characters of an address at most. */
export const LONGEST_ADDRESS = 256;

/** Parts of a snapshot at most. */
const MOST_PARTS = 65_536;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function encodeChange({ kind, room, peer, user, presence }: Change): unknown[] {
  const change: unknown[] = [KINDS.indexOf(kind), room, peer];
  if (kind === "join" || kind === "update") change.push(user ?? null, presence);
  return change;
}

/** How many characters a change takes, about. */
export const sizeOf = (change: Change): number => JSON.stringify(encodeChange(change)).length;

/** The bytes of a message, behind the header of a frame. */
export function encodePresence(message: PresenceMessage): Uint8Array {
  const { type, host, ...rest } = message as PresenceMessage & { changes?: readonly Change[] };
  const changes = rest.changes?.map(encodeChange);
  return encoder.encode(JSON.stringify({ t: LETTERS[type], h: host, ...rest, changes }));
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && value as number >= 0;

function decodeChange(value: unknown): Change | undefined {
  if (!Array.isArray(value) || value.length > 5) return undefined;
  const [code, room, peer, user = null, presence] = value;
  const kind = KINDS[code];
  if (kind === undefined || !isName(room) || !isCount(peer)) return undefined;
  if (user !== null && !isName(user)) return undefined;
  return { kind, room, peer, user: user ?? undefined, presence };
}

function decodeChanges(values: unknown): Change[] | undefined {
  if (!Array.isArray(values)) return undefined;
  const changes = values.map(decodeChange);
  return changes.every((change) => change !== undefined) ? changes : undefined;
}

/** The name of a host, as {@linkcode newHostId} makes it. */
const isHostId = (value: unknown): value is string =>
  typeof value === "string" && /^[0-9a-f]{16}$/.test(value);

/** Reads a message. Returns undefined for what is none. */
export function decodePresence(bytes: Uint8Array): PresenceMessage | undefined {
  let given: Record<string, unknown>;
  try {
    given = Object(JSON.parse(decoder.decode(bytes)));
  } catch {
    return undefined;
  }
  const { t, h: host, version, address, asks, part, parts } = given;
  const type = Object.hasOwn(TYPES, String(t)) ? TYPES[String(t)] : undefined;
  if (!isHostId(host)) return undefined;
  if (type === "ask" || type === "bye") return { type, host };
  if (type === undefined || !isCount(version)) return undefined;
  if (type === "heartbeat") {
    if (address !== undefined && !isAddress(address)) return undefined;
    return { type, host, version, address, asks: asks === true };
  }
  const changes = decodeChanges(given.changes);
  if (changes === undefined) return undefined;
  if (type === "delta") {
    return changes.length <= version ? { type, host, version, changes } : undefined;
  }
  if (!isCount(part) || !isCount(parts) || part >= parts || parts > MOST_PARTS) return undefined;
  if (changes.some(({ kind }) => kind !== "join")) return undefined;
  return { type, host, version, part, parts, changes };
}

/** Whether a value can be the address of a host: it is text that is not too long. */
export function isAddress(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= LONGEST_ADDRESS;
}
