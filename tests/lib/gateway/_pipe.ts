/**
 * Two sides of a connection of `enet.1` with a line between them, on which frames wait until the test lets them pass.
 *
 * @module
 */
import { Link, type LinkOptions } from "../../../lib/gateway/link/link.ts";
import { encodeMessage } from "../../../lib/gateway/link/wire.ts";

/** One side. */
export interface Side {
  readonly link: Link;
  /** Frames that it has sent and that have not passed. */
  readonly line: Uint8Array[];
  /** Messages as `channel flags text`. */
  readonly got: string[];
  /** Messages as bytes. */
  readonly bytes: Uint8Array[];
  /** What has been told: deliveries, drains and faults. */
  readonly told: string[];
  /** Bytes of incomplete messages. */
  held: number;
  /** What the socket says waits in it. */
  buffered: number;
  /** Called with each message. */
  onMessage?: () => void;
  send(channelId: number, data: string | Uint8Array, flags?: number, token?: number): boolean;
}

const text = new TextDecoder();

/** Makes a side. */
export function side(options: Partial<LinkOptions> = {}, highWaterMark = 262_144): Side {
  const line: Uint8Array[] = [];
  const got: string[] = [];
  const bytes: Uint8Array[] = [];
  const told: string[] = [];
  const link = new Link(
    {
      transmit: (frame) => void line.push(frame),
      buffered: () => made.buffered,
      message(channelId, flags, data) {
        bytes.push(data);
        made.onMessage?.();
        got.push(`${channelId} ${flags} ${text.decode(data.subarray(0, 32))}`);
      },
      delivered: (token) => void told.push(`delivered ${token}`),
      drained: () => void told.push("drained"),
      touched() {},
      signal: () => false,
      hold(change) {
        made.held += change;
        return true;
      },
      fault: (code, what) => void told.push(`fault ${code} ${what}`),
    },
    { channels: 2, sendWindow: 65_536, receiveWindow: 65_536, largest: 2 ** 20, ...options },
    highWaterMark,
  );
  const made: Side = {
    link,
    line,
    got,
    bytes,
    told,
    held: 0,
    buffered: 0,
    send(channelId, data, flags = 1, token = 0) {
      const given = typeof data === "string" ? new TextEncoder().encode(data) : data;
      return !link.send(
        channelId,
        flags,
        encodeMessage(channelId, flags, given),
        given.length,
        token,
      );
    },
  };
  return made;
}

/** Lets everything pass, in both directions, until nothing is left. */
export function pass(a: Side, b: Side): void {
  for (;;) {
    a.link.flush();
    b.link.flush();
    if (a.line.length === 0 && b.line.length === 0) return;
    for (const frame of a.line.splice(0)) b.link.receive(frame);
    for (const frame of b.line.splice(0)) a.link.receive(frame);
  }
}
