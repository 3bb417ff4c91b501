/** Host names: the addresses behind them, by the runtime's resolver. */
import dns from "node:dns/promises";
import { ENetError } from "../errors.ts";
import { type IpAddress, LOOPBACK, LOOPBACK_IPV6, parseIp } from "./ip.ts";
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

async function lookUp(hostname: string, family: 0 | 4): Promise<IpAddress[]> {
  try {
    const found = await dns.lookup(hostname, { all: true, family });
    return found.map(({ address }) => parseIp(address)).filter((ip) => ip !== undefined);
  } catch (cause) {
    throw resolveError(hostname, cause);
  }
}

/** The addresses in the order in which to try them: as the resolver prefers them, and the versions of IP in turn. */
function interleave(addresses: readonly IpAddress[]): IpAddress[] {
  const first = addresses.filter((ip) => typeof ip === typeof addresses[0]);
  const second = addresses.filter((ip) => typeof ip !== typeof addresses[0]);
  return first.flatMap((ip, index) => index < second.length ? [ip, second[index]] : [ip])
    .concat(second.slice(first.length));
}

/**
 * Resolves a host name or literal to the addresses to try, the best first. `localhost` and an unspecified address
 * (`0.0.0.0`, `::`) are this machine.
 *
 * @throws {ENetError} `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_PERMISSION`
 */
export async function resolveAll(hostname: string): Promise<IpAddress[]> {
  if (hostname === "localhost") return [LOOPBACK, LOOPBACK_IPV6];
  const literal = parseIp(hostname);
  if (literal === undefined) return interleave(await lookUp(hostname, 0));
  // The system takes 0.0.0.0 for this machine, but its answers come from 127.0.0.1.
  if (literal === 0) return [LOOPBACK];
  const isUnspecified = typeof literal === "object" && literal.words.every((word) => word === 0);
  return isUnspecified ? [LOOPBACK_IPV6, LOOPBACK] : [literal];
}

/** Resolves a host name to IPv4. */
export async function resolveIPv4(hostname: string): Promise<number> {
  if (hostname === "localhost") return LOOPBACK;
  const literal = parseIp(hostname);
  if (typeof literal === "number") return literal;
  return (await lookUp(hostname, 4))[0] as number;
}

/** Resolves the name of a local address to listen on: to IPv4 where it has such an address. */
export async function resolveLocal(hostname: string): Promise<IpAddress> {
  if (hostname === "localhost") return LOOPBACK;
  const literal = parseIp(hostname);
  if (literal !== undefined) return literal;
  const found = await lookUp(hostname, 0);
  return found.find((ip) => typeof ip === "number") ?? found[0];
}
