/**
 * What plays on a connection of `enet load`: a function of a module of the user, or the one here.
 *
 * @module
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Data, Packet } from "../../packet.ts";
import type { PacketFlag } from "../../packet_flag.ts";
import type { Peer } from "../../peer.ts";

/** One connection of `enet load`, as its player sees it. */
export interface LoadPeer {
  /** Which one it is, from 0. */
  readonly index: number;
  /** The connection. Send with {@linkcode LoadPeer.send}, so that messages are counted. */
  readonly peer: Peer;
  /** How many messages a second it is to send: `--rate`. */
  readonly rate: number;
  /** How many bytes a message is to have: `--size`. */
  readonly size: number;
  /** Aborts when the load ends, and when the connection does. */
  readonly signal: AbortSignal;
  /**
   * Called for each message of the server; assign a function. The packet is borrowed until it returns. What it throws
   * counts as an error of the script.
   */
  receive: (channelId: number, packet: Packet) => void;
  /** Sends a message as `peer.send` does, and counts it. @returns false when the queue is full */
  send(channelId: number, data: Data, flags?: PacketFlag): boolean;
  /** Waits for the next time to send. @returns false when the load or the connection has ended */
  tick(): Promise<boolean>;
  /** Adds to a counter of the report. */
  count(name: string, by?: number): void;
  /** Adds a round trip, in milliseconds, to those of the report. */
  measure(roundTripMs: number): void;
}

/**
 * Plays on one connection. When it returns, the connection is ended; what it throws counts as an error of the
 * script. It is the default export of the module of `--script`.
 */
export type Player = (load: LoadPeer) => void | Promise<void>;

/** Loads the player of a module. */
export async function loadPlayer(path: string): Promise<Player> {
  const { default: player } = await import(pathToFileURL(resolve(path)).href);
  if (typeof player === "function") return player;
  throw new TypeError(
    `${path} must have a function as its default export: export default async function play(load) { … }`,
  );
}

/** Bytes in front of a message that tell when it was sent. */
const HEAD_BYTES = 16;
const MAGIC = 0x6C6F6164; // "load"

/** The player that sends messages of one size, and measures those that the server sends back. */
export function plainPlayer(flags: PacketFlag): Player {
  return async (load) => {
    const bytes = new Uint8Array(load.size);
    const head = load.size >= HEAD_BYTES ? new DataView(bytes.buffer) : undefined;
    head?.setUint32(0, MAGIC);
    head?.setUint32(4, load.index);
    load.receive = (_channelId, { view }) => {
      if (view.length < HEAD_BYTES) return;
      const data = new DataView(view.buffer, view.byteOffset);
      if (data.getUint32(0) !== MAGIC || data.getUint32(4) !== load.index) return;
      load.measure(performance.now() - data.getFloat64(8));
    };
    while (await load.tick()) {
      head?.setFloat64(8, performance.now());
      if (!load.send(0, bytes, flags)) load.count("queue full");
    }
  };
}
