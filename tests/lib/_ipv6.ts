/**
 * What tests of IPv6 and of names share.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import dns from "node:dns/promises";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { Host } from "../../mod.ts";

export const LOCAL = "::1";

/** Whether this machine has the address ::1, and this process can use it. */
async function hasIPv6(): Promise<boolean> {
  const socket = createSocket("udp6");
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, LOCAL, resolve);
    });
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

export const isPossible = await hasIPv6();
if (!isPossible) console.warn("SKIPPED: this machine has no IPv6 loopback address ::1");

/** A test that needs ::1. */
export function over6(name: string, run: () => Promise<void>): void {
  test(name, { skip: !isPossible && "no ::1 on this machine" }, run);
}

/** The message of the TypeError that a call ends in. */
export async function complaint(call: () => Promise<unknown>): Promise<string> {
  const error = await call().then(() => undefined, (error) => error);
  assert.ok(error instanceof TypeError, String(error));
  return error.message;
}

/** Puts addresses in place of what the resolver says. */
export function resolving(addresses: readonly string[]): Disposable {
  const original = dns.lookup;
  const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  dns.lookup = (() => Promise.resolve(found)) as unknown as typeof dns.lookup;
  return { [Symbol.dispose]: () => void (dns.lookup = original) };
}

/** Something that never answers. */
interface Silence extends AsyncDisposable {
  readonly port: number;
}

/** Takes a port of ::1, any by default. Nothing comes back from there, not even by ICMP. */
export async function silentPort(wanted = 0): Promise<Silence> {
  const socket = createSocket("udp6");
  const opened = once(socket, "listening");
  socket.bind(wanted, LOCAL);
  await opened;
  const { port } = socket.address();
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

/** A server on 127.0.0.1, and silence on the same port of ::1. */
export async function silenceBesideServer(): Promise<AsyncDisposable & { port: number }> {
  for (;;) {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await Host.listen({ hostname: "127.0.0.1" }, {}));
    const { port } = server.address;
    try {
      stack.use(await silentPort(port));
    } catch {
      continue; // somebody has the port
    }
    const both = stack.move();
    return { port, [Symbol.asyncDispose]: () => both.disposeAsync() };
  }
}

/** A link-local address of this machine, with its zone; undefined where there is none. */
export function linkLocal(): string | undefined {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const found = addresses?.find(({ address, family }) =>
      family === "IPv6" && address.startsWith("fe80::")
    );
    if (found !== undefined) return `${found.address.split("%")[0]}%${name}`;
  }
  return undefined;
}
