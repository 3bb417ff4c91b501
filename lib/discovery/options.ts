import { encoder } from "../../ffi/utf8.ts";
import { parseIp } from "../internal/ip.ts";
import { dataBytes } from "../internal/payload.ts";
import { abortSignal, boolean, integer, options, show, U32 } from "../internal/validate.ts";
import type { Data } from "../packet.ts";
import { validateHostname } from "../address.ts";
import { isOfNoMachine } from "./networks.ts";
import { DATA_BYTES, encodeGame, GAME_BYTES, isLine, NAME_BYTES } from "./wire.ts";

/** Where servers and those who look for them meet, unless they say otherwise. */
export const DISCOVERY_PORT = 13638;
/** The multicast groups. */
export const GROUP_IPV4 = "239.255.36.38";
export const GROUP_IPV6 = "ff12::3638";

/** The address of all machines of an IPv4 network. */
export const BROADCAST = "255.255.255.255";

/** What both sides have to agree on, and which networks they use. */
export interface DiscoveryOptions {
  /** Which game it is, 1–64 bytes of UTF-8 in one line. Only servers of the same game are found. */
  game: string;
  /** The version of the game's own protocol, 0–4,294,967,295. Only servers of the same version are found. Default 0. */
  version?: number;
  /** The UDP port that all servers of a network share, 1–65535. Default 13638. */
  discoveryPort?: number;
  /** The names of the network interfaces to use, such as `["eth0"]`. Default all. */
  interfaces?: readonly string[];
}

/** Options of {@linkcode announce}. */
export interface AnnounceOptions extends DiscoveryOptions {
  /** What the server is called, 1–64 bytes of UTF-8 in one line. */
  name: string;
  /** What else is to be known before one connects, at most 512 bytes; a string is UTF-8. Default none. */
  data?: Data;
  /**
   * Whether to answer everybody, instead of only machines on the same networks. The server then also answers what is
   * sent to its own address. Default false.
   */
  offLink?: boolean;
}

/** Options of {@linkcode discover}. */
export interface DiscoverOptions extends DiscoveryOptions {
  /** Milliseconds until the search ends, 1–2,147,483,647, or `Infinity`. Default 3000. */
  timeoutMs?: number;
  /** Ends the search when it aborts. */
  signal?: AbortSignal;
  /**
   * Ask these IP addresses, at most 32, in place of the networks. The servers need {@linkcode AnnounceOptions.offLink}.
   * Where several servers run on one machine, one of them answers.
   */
  addresses?: readonly string[];
}

/** What is the same for both. */
export interface DiscoveryPlan {
  /** The game and its version, as queries have them. */
  readonly game: Uint8Array;
  readonly discoveryPort: number;
  readonly interfaces: readonly string[] | undefined;
}

/** Checked options of {@linkcode announce}. */
export interface AnnouncePlan extends DiscoveryPlan {
  readonly name: string;
  readonly data: Uint8Array;
  readonly offLink: boolean;
}

/** Checked options of {@linkcode discover}. */
export interface DiscoverPlan extends DiscoveryPlan {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly addresses: readonly string[] | undefined;
}

const SHARED = ["game", "version", "discoveryPort", "interfaces"] as const;
/** Most addresses that are asked: each takes a socket. */
const MOST_ADDRESSES = 32;

/** Refuses everything but a text that can stand in a line. */
function line(value: unknown, name: string, most: number): string {
  if (typeof value !== "string") {
    throw new TypeError(`${name} must be a string, not ${show(value)}`);
  }
  const length = encoder.encode(value).length;
  if (length > most) {
    throw new RangeError(
      `${name} must be at most ${most} bytes of UTF-8, not ${length}: ${show(value)}`,
    );
  }
  if (!isLine(value, most)) {
    throw new TypeError(
      `${name} must be a text in one line, without control characters, not ${show(value)}`,
    );
  }
  return value;
}

/** Checks the name of a server. */
export const checkName = (value: unknown): string => line(value, "name", NAME_BYTES);

/** Checks the data of a server. @returns a copy */
export function checkData(value: unknown): Uint8Array {
  const bytes = dataBytes(value as Data);
  if (bytes.length > DATA_BYTES) {
    throw new RangeError(`data must be at most ${DATA_BYTES} bytes, not ${bytes.length}`);
  }
  return new Uint8Array(bytes);
}

/** Refuses everything but an array of a few strings. */
function strings(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new TypeError(`${name} must be an array of at least one string, not ${show(value)}`);
  }
  value.forEach((item, index) => {
    if (typeof item === "string") return;
    throw new TypeError(`${name}[${index}] must be a string, not ${show(item)}`);
  });
  return [...value];
}

function checkAddresses(value: unknown): readonly string[] {
  const addresses = strings(value, "addresses");
  if (addresses.length > MOST_ADDRESSES) {
    throw new RangeError(
      `addresses must be at most ${MOST_ADDRESSES}, not ${addresses.length}`,
    );
  }
  addresses.forEach((address, index) => {
    const name = `addresses[${index}]`;
    const ip = parseIp(validateHostname(address, name));
    if (ip !== undefined && !isOfNoMachine(ip)) return;
    throw new TypeError(
      `${name} must be the IP address of one machine, not ${show(address)}` +
        (ip === undefined ? ": resolve it first" : ""),
    );
  });
  return addresses;
}

function planShared(
  { game, version = 0, discoveryPort = DISCOVERY_PORT, interfaces }: DiscoveryOptions,
): DiscoveryPlan {
  return {
    game: encodeGame(line(game, "game", GAME_BYTES), integer(version, "version", 0, U32)),
    discoveryPort: integer(discoveryPort, "discoveryPort", 1, 65535),
    interfaces: interfaces === undefined ? undefined : strings(interfaces, "interfaces"),
  };
}

/** Checks {@linkcode AnnounceOptions}. */
export function planAnnounce(given: unknown): AnnouncePlan {
  options(given, "options", [...SHARED, "name", "data", "offLink"]);
  const { name, data = "", offLink = false, ...shared } = given as AnnounceOptions;
  return {
    ...planShared(shared),
    name: checkName(name),
    data: checkData(data),
    offLink: boolean(offLink, "offLink"),
  };
}

/** Checks {@linkcode DiscoverOptions}. */
export function planDiscover(given: unknown): DiscoverPlan {
  options(given, "options", [...SHARED, "timeoutMs", "signal", "addresses"]);
  const { timeoutMs = 3000, signal, addresses, ...shared } = given as DiscoverOptions;
  if (addresses !== undefined && shared.interfaces !== undefined) {
    throw new TypeError("addresses and interfaces exclude each other: leave out one of them");
  }
  return {
    ...planShared(shared),
    timeoutMs: timeoutMs === Infinity ? timeoutMs : integer(timeoutMs, "timeoutMs", 1, 2 ** 31 - 1),
    signal: abortSignal(signal),
    addresses: addresses === undefined ? undefined : checkAddresses(addresses),
  };
}
