/**
 * What the tests of peers share.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Host } from "../../mod.ts";
import { connectedPair, journal } from "../_helpers.ts";

export const LOOPBACK = "127.0.0.1";

export const U32 = 0xFFFFFFFF;

export const encode = (text: string) => new TextEncoder().encode(text);
export const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
export const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A pair with a journal on each side. */
export async function observedPair(options: Parameters<typeof connectedPair>[0] = {}) {
  const own = journal();
  const seen = journal();
  const pair = await connectedPair({
    clientHandlers: own.handlers,
    serverHandlers: seen.handlers,
    ...options,
  });
  return { ...pair, own, seen, [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose]() };
}

/** Lets a host hear nothing any more, not even that something has arrived. */
export const deafen = (host: Host) => host.filter = { deny: ["0.0.0.0/0"] };

/** Undoes that. */
export const undeafen = (host: Host) => host.filter = {};
