import { isIPv6 } from "node:net";
import { show } from "../internal/validate.ts";
import { parseIPv4 } from "../internal/ip.ts";
import { ENetError } from "../errors.ts";
import type { MessengerAddress, Protocol } from "./types.ts";

const NAME = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/i;

/** Takes an address such as `"udp://*:7000"` apart, or checks one in its parts. */
export function parseAddress(address: unknown, listening: boolean): MessengerAddress {
  const text = typeof address === "string" ? address : join(address);
  const fail = (why: string): never => {
    throw new ENetError("ENETJS_ERR_ADDRESS", `The address ${show(text)} ${why}`);
  };
  const [, scheme, rest] = /^([^/]*?):\/\/(.*)$/s.exec(text) ??
    fail("has no scheme: write udp:// or tcp:// before it");
  if (scheme !== "udp" && scheme !== "tcp") {
    fail(`has the unknown scheme ${show(scheme)}: it must be udp or tcp`);
  }
  const protocol = scheme as Protocol;
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|(.*))(?::([^:\]]*))$/s.exec(rest) ??
    fail("has no colon and port after the host, as in udp://localhost:7000");
  const hostname = bracketed ?? plain;
  if (hostname === "") fail("has no host: write a name, an address, or * to listen everywhere");
  if (bracketed !== undefined) checkIPv6(bracketed, fail);
  else if (hostname === "*") {
    if (!listening) fail("has no host to connect to: * is only for listening");
  } else checkHost(hostname, fail);
  return { protocol, hostname, port: checkPort(port, listening, fail) };
}

function checkIPv6(hostname: string, fail: (why: string) => never): void {
  if (!isIPv6(hostname)) fail(`has the bad host ${show(hostname)}: it is no IPv6 address`);
}

function checkHost(hostname: string, fail: (why: string) => never): void {
  if (isIPv6(hostname)) fail(`has an IPv6 host without brackets: write [${hostname}]`);
  const isNumbers = /^[\d.]+$/.test(hostname);
  const isGood = isNumbers ? parseIPv4(hostname) !== undefined : NAME.test(hostname);
  if (!isGood || hostname.length > 253) {
    fail(`has the bad host ${show(hostname)}: it is no host name and no IPv4 address`);
  }
}

function checkPort(text: string, listening: boolean, fail: (why: string) => never): number {
  if (text === "") fail("has an empty port");
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) {
    fail(`has the impossible port ${show(text)}: it must be from 0 to 65535`);
  }
  if (port === 0 && !listening) fail("has port 0, to which one cannot connect");
  return port;
}

/** The text of an address in its parts. */
function join(address: unknown): string {
  const { protocol, hostname, port } = (address ?? {}) as Partial<MessengerAddress>;
  if (
    typeof protocol !== "string" || typeof hostname !== "string" || typeof port !== "number"
  ) {
    throw new TypeError(
      'address must be text such as "udp://*:7000", or an object { protocol, hostname, port }, not ' +
        show(address),
    );
  }
  return formatAddress({ protocol, hostname, port });
}

/** `tcp://[::1]:7000` */
export function formatAddress({ protocol, hostname, port }: MessengerAddress): string {
  return `${protocol}://${isIPv6(hostname) ? `[${hostname}]` : hostname}:${port}`;
}
