import { LAYOUT, LIMIT } from "../ffi/layout.ts";
import { readOnly } from "./internal/strict.ts";
import { integer, oneOf, options, show, U32 } from "./internal/validate.ts";

/**
 * A rate and a burst: a token bucket. It holds `burst` units at first. Each unit that passes takes one out.
 * `perSecond` of them come back every second, up to `burst`. A unit that finds the bucket empty exceeds the limit,
 * and takes nothing out.
 */
export interface RateLimit {
  /**
   * Units a second, 0.01 to 4,294,967,295; `Infinity` is no limit. It is not 0, which could be read as
   * "nothing may pass".
   */
  perSecond: number;
  /**
   * Units that may come at once, an integer up to 4,294,967,295; for bytes at least 4096, the largest
   * datagram, which a smaller bucket would never let pass. Default the units of one second, or the smallest
   * allowed value where that is more.
   */
  burst?: number;
}

/**
 * Limits for each source address: an IPv4 address, or the /64 of an IPv6 address, with all ports. The excess is
 * dropped and counted. It ends no connection, but a connection that loses too much may time out.
 *
 * An address has two accounts with the same limits. The connected peers of the address share one. Everything
 * else that comes from the address takes from the other: requests to connect, datagrams that are not ENet's,
 * late datagrams of earlier connections. An attacker can forge these and so use up the second account, which
 * the connected peers do not notice. With a limit for datagrams or bytes, new connections from the address
 * then come later. Connects are charged to the first account, when the client has completed the handshake. So
 * forged requests do not use them up.
 *
 * Accounts are kept for 16,384 addresses of each kind. A new address replaces one that has long been silent,
 * which starts again with a full burst. So an attacker with many addresses, real or forged, is held to the
 * limits at each of them. No other address exceeds its limits because of that.
 */
export interface AddressLimits {
  /**
   * Handshakes completed, also of clients that `accept` refuses. Above the limit a request is dropped, and the
   * client repeats it after 0.5, 1.5 and 3.5 s. The last step of a handshake that is under way is dropped, too. The
   * host asks for it again while the client sends. Default 1024 a second with a burst of 4096, as many as the
   * largest host has peers. So after a restart all of them can come back at once from behind one router, such as
   * that of a school. A program that tests how fast connections open can reach it.
   */
  connects?: RateLimit;
  /**
   * Datagrams. Default no limit: a peer on a fast network sends hundreds of thousands a second. A program may also
   * use many datagrams that are not ENet's.
   */
  datagrams?: RateLimit;
  /** Bytes of datagrams, without the headers of UDP and IP. Default no limit, for the same reason. */
  bytes?: RateLimit;
}

/**
 * Limits for each connection. There is none by default: only the program knows how much a peer may send.
 */
export interface PeerLimits {
  /**
   * Messages of a peer. One in fragments counts once, with its first fragment; a message that is
   * retransmitted because its acknowledgement was lost counts again. Default no limit.
   */
  messages?: RateLimit;
  /**
   * Bytes of the messages of a peer, after decompression. ENet's header of 6 to 24 bytes counts for each message
   * and each fragment. Default no limit.
   */
  bytes?: RateLimit;
  /**
   * What happens to a peer that exceeds one of the two. At least one of them must be given beside this.
   *
   * `"drop"`: unreliable messages of the excess are lost. Reliable ones are not acknowledged: the sender
   * retransmits them, after longer and longer waits, and the messages behind them on the channel wait. A peer
   * that keeps sending more than its rate fills its own queue, and its messages arrive later and later. The
   * connection does not end while some of its messages pass.
   *
   * `"disconnect"`: the connection ends at once. The peer gets one notice, which may be lost, with the data
   * `DisconnectCode.LIMIT`. The program gets the disconnect event with the reason `"limit"`. Only datagrams
   * of the connection itself count: they have its address, port, peer id and session, and with `checksum:
   * "crc32"` its connect id.
   *
   * Default `"drop"`.
   */
  excess?: "drop" | "disconnect";
}

/**
 * How much may come from an address and from a peer. Native code keeps the limits, before ENet or JavaScript
 * spends anything on what exceeds them. `host.stats` counts what was refused.
 */
export interface Limits {
  /** For each source address. */
  address?: AddressLimits;
  /** For each connection. */
  peer?: PeerLimits;
}

/** A {@linkcode RateLimit} in force. */
export type ResolvedRate = Readonly<Required<RateLimit>>;

/**
 * {@linkcode Limits} in force, with the defaults where nothing was given. It is frozen: to change a limit, assign
 * a whole new object to `host.limits`.
 */
export interface ResolvedLimits {
  /** For each source address. */
  readonly address: Readonly<Record<"connects" | "datagrams" | "bytes", ResolvedRate>>;
  /** For each connection. */
  readonly peer:
    & Readonly<Record<"messages" | "bytes", ResolvedRate>>
    & { readonly excess: "drop" | "disconnect" };
}

/** What to do in place of changing limits that were read. */
const REMEDY = "assign whole limits, host.limits = { ...host.limits, … }";

const NONE: RateLimit = { perSecond: Infinity };
const CONNECTS: RateLimit = { perSecond: 1024, burst: 4096 };
const EXCESS = ["drop", "disconnect"] as const;
const MINIMUM_RATE = 1 / LAYOUT.SLOWEST_SECONDS;

function validateRate(given: unknown, name: string, minimumBurst: number): ResolvedRate {
  return readOnly(planRate(given, name, minimumBurst), `host.${name}`, REMEDY);
}

/** Checks a rate and puts the default burst where there is none. */
export function planRate(given: unknown, name: string, minimumBurst: number): ResolvedRate {
  options(given, name, ["perSecond", "burst"]);
  const { perSecond, burst: burstGiven } = given as RateLimit;
  if (perSecond === undefined) {
    throw new TypeError(
      `${name}.perSecond must be given, a number of units a second, or Infinity for no limit`,
    );
  }
  if (typeof perSecond !== "number") {
    throw new TypeError(`${name}.perSecond must be a number, not ${show(perSecond)}`);
  }
  if (perSecond !== Infinity && !(perSecond >= MINIMUM_RATE && perSecond <= U32)) {
    throw new RangeError(
      `${name}.perSecond must be from ${MINIMUM_RATE} to ${U32}, or Infinity for no limit, not ${perSecond}`,
    );
  }
  const burst = burstGiven === undefined
    ? Math.max(Math.ceil(perSecond), minimumBurst)
    : burstGiven;
  const unlimited = perSecond === Infinity && burst === Infinity;
  if (!unlimited) integer(burst, `${name}.burst`, minimumBurst, U32);
  return { perSecond, burst };
}

/** Checks limits and puts the defaults where there is nothing. The result is frozen. */
export function planLimits(given: unknown): ResolvedLimits {
  options(given, "limits", ["address", "peer"]);
  const { address = {}, peer = {} } = given as Limits;
  options(address, "limits.address", ["connects", "datagrams", "bytes"]);
  options(peer, "limits.peer", ["messages", "bytes", "excess"]);
  const { connects = CONNECTS, datagrams = NONE, bytes = NONE } = address;
  const { messages = NONE, bytes: messageBytes = NONE, excess = EXCESS[0] } = peer;
  oneOf(excess, "limits.peer.excess", EXCESS);
  if (peer.excess !== undefined && peer.messages === undefined && peer.bytes === undefined) {
    throw new TypeError(
      `limits.peer.excess ${show(excess)} needs a limit that can be exceeded: ` +
        "give limits.peer.messages or limits.peer.bytes a rate",
    );
  }
  const ofAddress = {
    connects: validateRate(connects, "limits.address.connects", 1),
    datagrams: validateRate(datagrams, "limits.address.datagrams", 1),
    bytes: validateRate(bytes, "limits.address.bytes", LAYOUT.MAXIMUM_MTU),
  };
  const ofPeer = {
    messages: validateRate(messages, "limits.peer.messages", 1),
    bytes: validateRate(messageBytes, "limits.peer.bytes", LAYOUT.MAXIMUM_MTU),
    excess,
  };
  const plan = {
    address: readOnly(ofAddress, "host.limits.address", REMEDY),
    peer: readOnly(ofPeer, "host.limits.peer", REMEDY),
  };
  return readOnly(plan, "host.limits", REMEDY);
}

/** Limits as `enetjs_host_set_limits` takes them. */
export function encodeLimits({ address, peer }: ResolvedLimits): Uint8Array {
  const values = new Float64Array(2 * LAYOUT.LIMIT_COUNT);
  const put = (limit: number, { perSecond, burst }: ResolvedRate) => {
    if (perSecond !== Infinity) values.set([perSecond, burst], 2 * limit);
  };
  put(LIMIT.CONNECTS, address.connects);
  put(LIMIT.DATAGRAMS, address.datagrams);
  put(LIMIT.BYTES, address.bytes);
  put(LIMIT.MESSAGES, peer.messages);
  put(LIMIT.MESSAGE_BYTES, peer.bytes);
  return new Uint8Array(values.buffer);
}
