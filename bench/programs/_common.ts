/**
 * What the measured programs share. They print lines of a word and a number, as the C programs do.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { readKeyPair } from "../../lib/security/mod.ts";
import {
  type ConnectSecurity,
  Host,
  type HostHandlers,
  type HostOptions,
  type HostSecurity,
  type Peer,
} from "../../mod.ts";

/** How a program takes its events. */
export type Style = "handler" | "for-await" | "manual";

/** Where the other end is. */
export const HOSTNAME = "127.0.0.1";

/** `SOCKETS=ipv4` or `dual-stack` in the environment is for comparing the two. */
const sockets = process.env.SOCKETS;
/** Where servers listen. */
export const LISTENING: string = sockets === "dual-stack" ? "::" : HOSTNAME;

/** Opens the host of a client. */
export function createClient(options: HostOptions, handlers?: HostHandlers): Promise<Host> {
  if (sockets === "ipv4") return Host.listen({ ...options, hostname: HOSTNAME }, handlers);
  return Host.create(options, handlers);
}

/** Prints a line. */
export function say(word: string, number: number): void {
  console.log(`${word} ${number}`);
}

/** Prints the CPU seconds of this process since a reading of `process.cpuUsage()`. */
export function sayUsageSince(start: NodeJS.CpuUsage): void {
  const { user, system } = process.cpuUsage(start);
  say("user", user / 1e6);
  say("system", system / 1e6);
}

/** Prints percentiles of round trips given in milliseconds, in microseconds. */
export function sayPercentiles(times: Float64Array): void {
  times.sort();
  for (const percentile of [50, 90, 99, 99.9]) {
    say(`p${percentile}`, times[Math.floor(times.length * percentile / 100)] * 1000);
  }
}

/** Whether a style services its host itself, and so needs no pump. */
export function hasPump(style: Style): boolean {
  return style !== "manual";
}

/**
 * With `ENCRYPTED=chacha` or `ENCRYPTED=aes` in the environment, connections are encrypted, with a key that everybody
 * knows.
 */
const { ENCRYPTED = "" } = process.env;
const keyPair = ENCRYPTED === "" ? undefined : await readKeyPair(new Uint8Array(32).fill(7));
const aes = ENCRYPTED === "aes";

/** For `Host.listen`. */
export const hostSecurity: HostSecurity | undefined = keyPair && { keyPair, aes };
/** For `host.connect`. */
export const connectSecurity: ConnectSecurity | undefined = keyPair &&
  { serverKey: keyPair.publicKey, aes };

/** Connects a host to a server on this machine, servicing it where its style asks for that. */
export async function connect(host: Host, port: number, style: Style): Promise<Peer> {
  const connecting = host.connect({ hostname: HOSTNAME, port }, {
    security: connectSecurity,
  });
  if (style !== "manual") return await connecting;
  let peer: Peer | undefined;
  connecting.then((connected) => peer = connected);
  while (peer === undefined) {
    while (host.service() !== null);
    await sleep(1);
  }
  return peer;
}

/** Takes the events of a host that only sends. */
export async function ignoreEvents(host: Host): Promise<void> {
  for await (const event of host) if (event.type === "disconnect") break;
}
