/** Where a host or a shared port listens, as the configuration for native code. */
import { CONFIG, LAYOUT } from "../../ffi/layout.ts";
import type { Native } from "../../ffi/symbols.ts";
import { type IPv6Address, isUnspecified, parseIp } from "./ip.ts";
import { interfaceOf } from "./native_address.ts";
import { resolveLocal } from "./resolve.ts";
import { show } from "./validate.ts";

/** The options for it. */
export interface Local {
  readonly hostname: string | undefined;
  readonly ipv6Only: boolean;
}

/** Refuses `ipv6Only` with an IPv4 address. */
export function checkFamily({ hostname, ipv6Only }: Local): void {
  if (!ipv6Only || hostname === undefined || typeof parseIp(hostname) !== "number") return;
  throw new TypeError(
    `ipv6Only is for an IPv6 hostname such as "::", not ${show(hostname)}: leave out one of them`,
  );
}

function putIPv6(
  config: Float64Array,
  native: Native,
  address: IPv6Address,
  ipv6Only: boolean,
): void {
  const isDual = isUnspecified(address) && !ipv6Only;
  config[CONFIG.IPV6] = isDual ? LAYOUT.IPV6_DUAL : LAYOUT.IPV6_ONLY;
  config.set(address.words, CONFIG.IPV6_ADDRESS);
  config[CONFIG.IPV6_INTERFACE] = interfaceOf(native, address);
}

/**
 * Puts into the configuration where to listen, and over which versions of IP.
 *
 * @throws {ENetError} `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_PERMISSION`, `ENETJS_ERR_ADDRESS_UNAVAILABLE`
 */
export async function putLocal(
  config: Float64Array,
  native: Native,
  { hostname, ipv6Only }: Local,
): Promise<void> {
  config[CONFIG.ADDRESS] = 0;
  const address = hostname === undefined ? undefined : await resolveLocal(hostname, ipv6Only);
  if (typeof address === "object") return putIPv6(config, native, address, ipv6Only);
  if (address !== undefined) config[CONFIG.ADDRESS] = address;
  else config[CONFIG.IPV6] = ipv6Only ? LAYOUT.IPV6_ONLY : LAYOUT.IPV6_AUTO;
}
