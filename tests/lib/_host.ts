/**
 * What the tests of hosts share.
 *
 * @module
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Address, Host } from "../../mod.ts";
import { type Entry, until } from "../_helpers.ts";

/** Every interface, with IPv6 and without. */
export const EVERYWHERE: readonly string[] = ["::", "0.0.0.0"];

export const LOOPBACK = "127.0.0.1";

/** A UDP address where nobody answers, and nobody is refused either. */
export async function silence(): Promise<Address & AsyncDisposable> {
  const socket = createSocket("udp4");
  socket.bind(0, LOOPBACK);
  await once(socket, "listening");
  return {
    hostname: LOOPBACK,
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** The same address without the means to close it. */
export const bare = ({ hostname, port }: Address): Address => ({ hostname, port });

/** The texts of messages, in their order. */
export const texts = (entries: Entry[]) =>
  entries.map((entry) => "bytes" in entry ? new TextDecoder().decode(entry.bytes) : "");

/** Calls both hosts' `service` until a promise has settled. */
export async function serviceUntil<T>(promise: Promise<T>, ...hosts: Host[]): Promise<T> {
  let settled = false;
  const done = () => void (settled = true);
  promise.then(done, done);
  await until(
    () => {
      for (const host of hosts) host.service(1);
      return settled;
    },
    30_000,
    "the promise",
  );
  return promise;
}
