/**
 * What carries the connections of a host to the other side. The native border is one transport, in
 * `native_transport.ts`. A host may have others beside it: its peers, groups, broadcasts, limits and `accept`
 * know this contract only.
 *
 * A transport numbers its connections itself; no number is used twice. Results are 0 or more, or a negative
 * code of `NATIVE_ERROR` in `errors.ts`. Only a wrong argument throws. What the native border learns is in the
 * rings, where the inlet finds it. Another transport reports it to the inlet: see `Reports` in `connection_contract.ts`.
 * What becomes of a message goes to the host's deliveries, and that a queue has drained, to the connection.
 *
 * @module
 */
import type { PeerOption } from "../../ffi/layout.ts";
import type { AddressFilter } from "../address_filter.ts";
import type { ResolvedLimits } from "../limits.ts";
import type { Data } from "../packet.ts";

/** A connection as its transport sees it. */
export interface Carried {
  /** The transport's number for it. */
  readonly id: number;
  readonly channels: number;
  /** Whether messages can be queued, as far as JavaScript knows. */
  readonly sendable: boolean;
  /** An upper bound of the bytes queued to it, those of broadcasts aside; the transport keeps it. */
  queuedAtMost: number;
  /** The transport has said that its queue is above the high-water mark, and not yet that it has drained. */
  full: boolean;
}

/** Some connections of one transport. */
export interface Recipients {
  readonly transport: Transport;
  /** Their numbers, one behind the other, each a double; and room for more. Never empty. */
  readonly ids: Uint8Array;
  /** How many bytes of `ids` are numbers. */
  readonly byteLength: number;
}

/** Carries connections. */
export interface Transport {
  /**
   * Takes a small message, if that can't take the queue above the high-water mark. The fast way: a message that it
   * leaves goes through `send`, which also says what is wrong.
   *
   * @returns whether it has been taken
   */
  post(to: Carried, channelId: number, flags: number, data: Data): boolean;

  /**
   * Queues a message.
   *
   * @param token when not 0, the host's deliveries are told by it what becomes of the message
   * @returns 1 when the queue is above the high-water mark, else 0
   */
  send(to: Carried, channelId: number, flags: number, data: Data, token: number): number;

  /**
   * Queues a message to many connections, of which it makes one copy.
   *
   * @param to those that get it, or those that do not
   * @param mode which of the two: `LAYOUT.BROADCAST_TO` or `LAYOUT.BROADCAST_EXCEPT`
   * @returns how many connections it was queued to
   */
  broadcast(
    channelId: number,
    flags: number,
    data: Data,
    to: Recipients,
    mode: number,
  ): number;

  /** Ends a connection, in a way of `DISCONNECT`. The other side reads the data. */
  disconnect(of: Carried, data: number, mode: number): number;

  /** Forgets a connection without a notice. */
  reset(of: Carried): number;

  /** Asks the other side for a sign of life. */
  ping(of: Carried): number;

  /** Changes an option of `PEER_OPTION`. */
  set(of: Carried, option: PeerOption, a: number, b: number, c: number): number;

  /** Where a connection is in its life: an index of `PEER_STATES`, or negative when it has ended. */
  state(of: Carried): number;

  /** The values of `PEER_STAT` now, to be read at once; undefined when the connection has ended. */
  stats(of: Carried): Float64Array | undefined;

  /** Takes the verdict about a client that it has asked about: `LAYOUT.ACCEPT`, or the data of a refusal. */
  answer(question: number, verdict: number): void;

  /** Puts limits in force, for what comes from now on. */
  limit(limits: ResolvedLimits): void;

  /** Puts an address filter in force. */
  filter(filter: Readonly<Required<AddressFilter>>): void;
}
