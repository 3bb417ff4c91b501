/**
 * What wan.ts asks of that which carries its messages.
 *
 * @module
 */

/** The channels of ENet; without channels, the first byte of a message. */
export const CHANNEL = { BULK: 0, REQUESTS: 1, STATE: 2 } as const;
/** How many there are. */
export const CHANNELS = 3;

/** Bytes that can be sent. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Takes a message and the way to answer it. */
export type OnMessage = (
  channel: number,
  bytes: Uint8Array,
  reply: (bytes: Bytes) => void,
) => void;

/** The way to the receiver. */
export interface Way {
  send(channel: number, bytes: Bytes): void;
  /** Sends bulk, and resolves when more may follow. */
  pour(bytes: Bytes): Promise<void>;
}

/** How messages get from here to there. */
export interface Carrier {
  /** Listens on any port and gives every message to a function. @returns the port */
  listen(address: string, onMessage: OnMessage): Promise<number>;
  /** Connects, and gives the answers to a function. */
  open(hostname: string, port: number, onAnswer: (bytes: Uint8Array) => void): Promise<Way>;
}
