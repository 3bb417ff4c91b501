/**
 * What the tests of handlers and loops share.
 *
 * @module
 */
import type { Peer } from "../../mod.ts";
import { currentRuntime } from "../_helpers.ts";

export const runtime = currentRuntime();
export const ms = 30_000;

/** The numbers first … last as messages of one byte each. */
export function sendNumbers(peer: Peer, first: number, last: number, channelId = 0): void {
  for (let i = first; i <= last; i++) peer.send(channelId, new Uint8Array([i]));
}

export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
