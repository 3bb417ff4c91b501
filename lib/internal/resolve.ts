/** Host names: the addresses behind them, by the runtime's resolver. */
import dns from "node:dns/promises";
import { ENetError } from "../errors.ts";
import {
  formatIp,
  type IpAddress,
  isUnspecified,
  LOOPBACK,
  LOOPBACK_IPV6,
  needsZone,
  parseIp,
} from "./ip.ts";
import { show } from "./validate.ts";

/** Whether the runtime itself, as Deno does without `--allow-net`, has refused to look up a name. */
function isDenied(cause: unknown): boolean {
  const { name, code } = cause as { name?: string; code?: string };
  return code === "EPERM" || name === "NotCapable" || name === "PermissionDenied";
}

function resolveError(hostname: string, cause: unknown): ENetError {
  if (isDenied(cause)) {
    return new ENetError(
      "ENETJS_ERR_PERMISSION",
      `Resolving the host name ${show(hostname)} needs a permission: run with --allow-net`,
      { cause },
    );
  }
  return new ENetError(
    "ENETJS_ERR_RESOLVE",
    `The host name ${show(hostname)} could not be resolved to an address: ` +
      (cause instanceof Error ? cause.message : String(cause)),
    { cause },
  );
}

/** Whether a host can have an address of a name: not 240.0.0.0/4, and no link-local address without its interface. */
function isUsable(ip: IpAddress): boolean {
  return typeof ip === "number" ? ip < 0xF0000000 : !needsZone(ip) || ip.zone !== "";
}

async function lookUp(hostname: string, family: 0 | 4): Promise<[IpAddress, ...IpAddress[]]> {
  let found: readonly { address: string }[];
  try {
    found = await dns.lookup(hostname, { all: true, family });
  } catch (cause) {
    throw resolveError(hostname, cause);
  }
  const addresses = found.map(({ address }) => parseIp(address)).filter((ip) => ip !== undefined);
  const [first, ...others] = addresses.filter(isUsable);
  if (first !== undefined) return [first, ...others];
  const unusable = found.map(({ address }) => address).join(", ");
  throw resolveError(hostname, new Error(`no host has the address ${unusable}`));
}

/** Whether a name stands for this machine; names are the same in capitals, and with the dot of the root. */
const isLocal = (hostname: string) => /^localhost\.?$/i.test(hostname);

/** The system takes an unspecified address for this machine, but its answers come from the loopback address. */
function orLoopback(ip: IpAddress): IpAddress {
  if (typeof ip === "number") return ip === 0 ? LOOPBACK : ip;
  return isUnspecified(ip) ? LOOPBACK_IPV6 : ip;
}

/** The addresses in the order in which to try them: as the resolver prefers them, and the versions of IP in turn. */
function interleave(addresses: readonly IpAddress[]): IpAddress[] {
  const first = addresses.filter((ip) => typeof ip === typeof addresses[0]);
  const second = addresses.filter((ip) => typeof ip !== typeof addresses[0]);
  return first.flatMap((ip, index) => index < second.length ? [ip, second[index]] : [ip])
    .concat(second.slice(first.length));
}

/** Each address once. */
function distinct(addresses: readonly IpAddress[]): IpAddress[] {
  return [...new Map(addresses.map((ip) => [formatIp(ip), ip])).values()];
}

/**
 * Resolves a host name or literal to the addresses to try, the best first. `localhost` and an unspecified address
 * (`0.0.0.0`, `::`) are this machine.
 *
 * @throws {ENetError} `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_PERMISSION`
 */
export async function resolveAll(hostname: string): Promise<IpAddress[]> {
  if (isLocal(hostname)) return [LOOPBACK, LOOPBACK_IPV6];
  const literal = parseIp(hostname);
  if (literal === undefined) {
    return interleave(distinct((await lookUp(hostname, 0)).map(orLoopback)));
  }
  if (isUnspecified(literal)) return [LOOPBACK_IPV6, LOOPBACK];
  return [orLoopback(literal)];
}

/** Resolves a host name to IPv4. */
export async function resolveIPv4(hostname: string): Promise<number> {
  if (isLocal(hostname)) return LOOPBACK;
  const literal = parseIp(hostname);
  if (typeof literal === "number") return literal;
  return orLoopback((await lookUp(hostname, 4))[0]) as number;
}

/**
 * Resolves the name of a local address to listen on: to IPv4 where it has such an address, or to IPv6 alone.
 *
 * @throws {ENetError} `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_PERMISSION`
 */
export async function resolveLocal(hostname: string, ipv6Only: boolean): Promise<IpAddress> {
  if (isLocal(hostname)) return ipv6Only ? LOOPBACK_IPV6 : LOOPBACK;
  const literal = parseIp(hostname);
  if (literal !== undefined) return literal;
  const found = await lookUp(hostname, 0);
  const wanted = found.find((ip) => (typeof ip === "number") !== ipv6Only);
  if (wanted !== undefined) return wanted;
  if (ipv6Only) throw resolveError(hostname, new Error("it has no IPv6 address"));
  return found[0];
}
