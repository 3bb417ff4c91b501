/**
 * One round trip to a server, in three ways.
 *
 * @module
 */
import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import { PacketFlag } from "../../packet_flag.ts";
import type { Peer } from "../../peer.ts";
import type { Client } from "../net/connecting.ts";

/** Makes a round trip. @returns milliseconds; undefined when there was no answer in time, or the signal has aborted */
export type Probe = (
  sequence: number,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<number | undefined>;

/** How long ENet has been without an acknowledgement when a ping leaves, so that the next one is the ping's. */
const QUIET_MS = 3;
/** How long before and after the shortest round trip every turn of the event loop looks for the answer. */
const NEAR_MS = 3;

/**
 * ENet's own ping, of which the server's program hears nothing. ENet acknowledges it, and tells nobody: only the time
 * since the last acknowledgement tells. It is in whole milliseconds, so a ping leaves only after a quiet moment.
 */
export function enetPing({ host, peer }: Client): Probe {
  peer.pingInterval(2 ** 31); // ENet's pings would be acknowledged, too.
  let shortestMs = 0;
  return async (_sequence, timeoutMs, signal) => {
    while (peer.stats.sinceLastReceiveMs < QUIET_MS && !signal.aborted) await wait(1);
    const start = performance.now();
    peer.ping();
    host.flush();
    for (;;) {
      const elapsed = performance.now() - start;
      if (peer.stats.sinceLastReceiveMs < elapsed + QUIET_MS / 2) {
        shortestMs = shortestMs === 0 ? elapsed : Math.min(shortestMs, elapsed);
        return elapsed;
      }
      if (elapsed > timeoutMs || signal.aborted || peer.state !== "connected") return undefined;
      await (Math.abs(elapsed - shortestMs) < NEAR_MS ? turn() : wait(1));
    }
  };
}

/** Waits for a promise, but no longer than a time and a signal allow. @returns whether it has resolved */
async function within(
  promise: Promise<unknown>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const end = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const ended = Promise.withResolvers<boolean>();
  const onAbort = () => ended.resolve(false);
  if (end.aborted) onAbort();
  end.addEventListener("abort", onAbort);
  // A timer of AbortSignal does not keep Node's process alive.
  const alive = setInterval(() => {}, timeoutMs);
  try {
    return await Promise.race([promise.then(() => true, () => false), ended.promise]);
  } finally {
    clearInterval(alive);
    end.removeEventListener("abort", onAbort);
  }
}

/** A reliable message, until ENet has acknowledged it. The server's program gets it. */
export function reliableMessage(peer: Peer, size: number): Probe {
  const bytes = new Uint8Array(size);
  return async (_sequence, timeoutMs, signal) => {
    const start = performance.now();
    const isDelivered = await within(peer.deliver(0, bytes), timeoutMs, signal);
    return isDelivered ? performance.now() - start : undefined;
  };
}

/** Bytes in front of a message that tell which it is. */
export const HEAD_BYTES = 8;
const MAGIC = 0x70696E67; // "ping"

/** An unreliable message that the server sends back. */
export function unreliableEcho(peer: Peer, size: number): Probe {
  const waiting = new Map<number, () => void>();
  const read = async () => {
    for await (const { packet: { view } } of peer) {
      if (view.length < HEAD_BYTES) continue;
      const data = new DataView(view.buffer, view.byteOffset);
      if (data.getUint32(0) === MAGIC) waiting.get(data.getUint32(4))?.();
    }
  };
  void read();
  const bytes = new Uint8Array(size);
  const head = new DataView(bytes.buffer);
  head.setUint32(0, MAGIC);
  return async (sequence, timeoutMs, signal) => {
    const answered = Promise.withResolvers<void>();
    waiting.set(sequence, answered.resolve);
    head.setUint32(4, sequence);
    const start = performance.now();
    peer.send(0, bytes, PacketFlag.UNRELIABLE_FRAGMENT);
    const isAnswered = await within(answered.promise, timeoutMs, signal);
    waiting.delete(sequence);
    return isAnswered ? performance.now() - start : undefined;
  };
}
