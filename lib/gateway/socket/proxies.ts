/**
 * The address of a client behind reverse proxies. Each proxy appends the address of whoever connected to it to the
 * header `X-Forwarded-For`; so only what trusted proxies have appended can be believed, and that stands at the end.
 *
 * @module
 */
import { filterAllows, parsePrefix } from "../../address_filter.ts";
import { formatIp, parseIp } from "../../internal/ip.ts";
import { show } from "../../internal/validate.ts";
import { listOf } from "./request.ts";

/** Stands for whoever connects to the Unix socket of the server. */
const UNIX = "unix";

/** Whether a proxy has an address; it is empty on a Unix socket. */
export type TrustsAddress = (address: string) => boolean;

/** Checks one of the option `proxies`. */
export function checkProxy(value: unknown, name: string): string {
  if (value === UNIX) return value;
  try {
    parsePrefix(value, name);
  } catch (cause) {
    throw new TypeError(
      `${name} must be an IP address, a prefix such as "10.0.0.0/8", or "unix", not ${show(value)}`,
      { cause },
    );
  }
  return value as string;
}

/** Which addresses are those of proxies. */
export function planProxies(proxies: readonly string[]): TrustsAddress {
  const allow = proxies.filter((proxy) => proxy !== UNIX);
  const takesUnix = proxies.includes(UNIX);
  const isProxy = allow.length > 0 ? filterAllows({ allow }) : () => false;
  return (text) => {
    if (text === "") return takesUnix;
    const address = parseIp(text);
    return address !== undefined && isProxy(address);
  };
}

/** An address as proxies write it: some append a port, and put an IPv6 address in brackets. */
function readHop(hop: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[(.*)\](?::\d+)?|([^:]*):\d+)$/.exec(hop) ?? [];
  const address = parseIp(bracketed ?? plain ?? hop);
  return address === undefined ? undefined : formatIp(address);
}

/**
 * The address that a request comes from.
 *
 * @param peer the address of whoever has connected
 * @param forwarded the header `X-Forwarded-For`
 * @returns the last address that is not a proxy's; that of the outermost proxy where what it names is no address
 */
export function clientAddress(
  peer: string,
  forwarded: string | undefined,
  trusts: TrustsAddress,
): string {
  let client = peer;
  for (const hop of listOf(forwarded).reverse()) {
    if (!trusts(client)) break;
    const address = readHop(hop);
    if (address === undefined) break;
    client = address;
  }
  return client;
}
