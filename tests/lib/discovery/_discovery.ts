/**
 * What tests of discovery share. Each test has a discovery port of its own, and uses the loopback interface alone.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";
import { readdirSync, readlinkSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { GROUP_IPV4 } from "../../../lib/discovery/options.ts";

/** The name of the loopback interface. */
export const LOOPBACK = Object.entries(networkInterfaces()).find(([, addresses]) =>
  addresses?.some(({ address }) => address === "127.0.0.1")
)?.[0] as string;

/** A game that only tests have, on the loopback interface. */
export interface Place {
  readonly game: string;
  readonly discoveryPort: number;
  readonly interfaces: readonly string[];
}

/** A socket that is bound, to any port of an address by default. */
export async function boundSocket(address = "127.0.0.1", port = 0): Promise<Socket> {
  const socket = createSocket({ type: "udp4", reuseAddr: port !== 0 });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address, port }, resolve);
  });
  return socket;
}

/** A place where nobody else is: a UDP port that was free a moment ago. */
export async function newPlace(): Promise<Place> {
  const socket = await boundSocket();
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return { game: "test", discoveryPort: port, interfaces: [LOOPBACK] };
}

/** Calls a function for each datagram that is sent to the group. */
export async function overhear(
  { discoveryPort }: Place,
  take: (bytes: Uint8Array, from: { address: string; port: number }) => void,
): Promise<Disposable> {
  const socket = await boundSocket("0.0.0.0", discoveryPort);
  socket.addMembership(GROUP_IPV4, "127.0.0.1");
  socket.on("message", (bytes: Uint8Array, from) => take(bytes, from));
  return { [Symbol.dispose]: () => void socket.close() };
}

/** How many sockets this process has; undefined where the system does not tell. */
export function socketCount(): number | undefined {
  try {
    return readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
      } catch {
        return false; // that of the listing itself
      }
    }).length;
  } catch {
    return undefined;
  }
}
