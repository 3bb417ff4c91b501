/**
 * What the server and its clients agree on: channels, codes, and the contents of each message.
 *
 * | channel | client to server               | server to client                        |
 * | ------- | ------------------------------ | --------------------------------------- |
 * | `LOGIN` | a name, once                   | {@linkcode Welcome}, once               |
 * | `CHAT`  | a line of text                 | `name: line`, of others in the room     |
 * | `PLAY`  | {@linkcode Input}, unreliable  | {@linkcode Snapshot}, unreliable        |
 *
 * Numbers travel as arrays of 64-bit floats.
 *
 * @module
 */

/** The data of every connect, which the server checks. */
export const VERSION = 1;

/** A channel for each kind of message, so that none waits for another kind. */
export const CHANNEL = { LOGIN: 0, CHAT: 1, PLAY: 2 } as const;

/** How many channels that is. */
export const CHANNELS = 3;

/** How far a player may go in one tick. The arena is 1 wide and 1 high. */
export const SPEED = 0.01;

/** Snapshots of a room in a second. */
export const TICKS_PER_SECOND = 30;

/** Why the server ends a connection, or refuses it: the data of the disconnect. */
export const CODE = {
  WRONG_VERSION: 1,
  BAD_LOGIN: 2,
  BAD_MESSAGE: 3,
  IDLE: 4,
  CHEATING: 5,
} as const;

/** The name of a code. */
export function codeName(code: number): string {
  return Object.entries(CODE).find(([, number]) => number === code)?.[0] ?? `code ${code}`;
}

/** The answer to a login. */
export interface Welcome {
  /** Which player of the snapshots it is. */
  readonly id: number;
  /** The number of the room. */
  readonly room: number;
}

/** What a player wants to do from now on. */
export interface Input {
  /** Counts the inputs of a connection, from 1. */
  readonly sequence: number;
  /** The step of each tick, of at most `SPEED`. */
  readonly dx: number;
  readonly dy: number;
}

/** A player in a snapshot. */
export interface PlayerState {
  readonly id: number;
  /** The latest input that the server has taken, 0 before the first. */
  readonly sequence: number;
  readonly x: number;
  readonly y: number;
}

/** A room at one moment. */
export interface Snapshot {
  /** Counts the snapshots of the room. */
  readonly tick: number;
  readonly players: readonly PlayerState[];
}

type Bytes = Uint8Array<ArrayBuffer>;

export function encodeWelcome({ id, room }: Welcome): Float64Array {
  return new Float64Array([id, room]);
}

export function decodeWelcome(bytes: Bytes): Welcome {
  const [id, room] = new Float64Array(bytes.buffer);
  return { id, room };
}

export function encodeInput({ sequence, dx, dy }: Input): Float64Array {
  return new Float64Array([sequence, dx, dy]);
}

/** An input, or undefined where a client has sent something else. */
export function decodeInput(bytes: Bytes): Input | undefined {
  if (bytes.length !== 3 * Float64Array.BYTES_PER_ELEMENT) return undefined;
  const [sequence, dx, dy] = new Float64Array(bytes.buffer);
  if (!Number.isSafeInteger(sequence)) return undefined;
  return { sequence, dx, dy };
}

export function encodeSnapshot({ tick, players }: Snapshot): Float64Array {
  return new Float64Array([
    tick,
    ...players.flatMap(({ id, sequence, x, y }) => [id, sequence, x, y]),
  ]);
}

export function decodeSnapshot(bytes: Bytes): Snapshot {
  const [tick, ...values] = new Float64Array(bytes.buffer);
  const players: PlayerState[] = [];
  for (let i = 0; i < values.length; i += 4) {
    const [id, sequence, x, y] = values.slice(i, i + 4);
    players.push({ id, sequence, x, y });
  }
  return { tick, players };
}
