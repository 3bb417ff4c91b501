/**
 * The networks that this machine is on, and which addresses are on them.
 *
 * @module
 */
import { networkInterfaces } from "node:os";
import process from "node:process";
import { ENetError } from "../errors.ts";
import { formatIp, type IpAddress, isUnspecified, needsZone, parseIp } from "../internal/ip.ts";
import { show } from "../internal/validate.ts";

/** An IPv4 network that an interface has an address of. */
export interface Network {
  readonly interface: string;
  /** The number of the interface; 0 where it has no IPv6, and runtimes do not tell. */
  readonly number: number;
  /** The address of this machine. */
  readonly address: string;
  readonly first: number;
  readonly last: number;
}

/** An interface with a link-local IPv6 address. */
export interface Link {
  readonly interface: string;
  /** The number of the interface. */
  readonly number: number;
  /** The link-local address of this machine, without a zone. */
  readonly address: string;
  /** All IPv6 addresses of the interface, in their canonical form. */
  readonly all: readonly string[];
}

/** What discovery uses of this machine's networks. */
export interface Networks {
  readonly ipv4: readonly Network[];
  readonly ipv6: readonly Link[];
}

/** Most of either version that are used: each takes sockets. */
const MOST = 32;

function readInterfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch (cause) {
    throw new ENetError(
      "ENETJS_ERR_PERMISSION",
      `Listing the network interfaces: ${(cause as Error).message}`,
      { cause },
    );
  }
}

function networkOf(name: string, number: number, address: string, netmask: string): Network {
  const [ip, mask] = [address, netmask].map((text) => parseIp(text) as number);
  const first = (ip & mask) >>> 0;
  return { interface: name, number, address, first, last: (first | ~mask) >>> 0 };
}

/**
 * Lists the networks of this machine.
 *
 * @param names the interfaces to use; all without it
 * @throws {ENetError} `ENETJS_ERR_PERMISSION` where Deno does not permit it
 */
export function listNetworks(names: readonly string[] | undefined): Networks {
  const ipv4: Network[] = [];
  const ipv6: Link[] = [];
  for (const [name, addresses = []] of Object.entries(readInterfaces())) {
    if (names !== undefined && !names.includes(name)) continue;
    const all: string[] = [];
    const number = Math.max(0, ...addresses.map(({ scopeid }) => scopeid ?? 0));
    for (const { family, address, netmask } of addresses) {
      if (family === "IPv4") ipv4.push(networkOf(name, number, address, netmask));
      else all.push(formatIp(parseIp(address.split("%")[0]) as IpAddress));
    }
    const local = all.find((address) => needsZone(parseIp(address) as IpAddress));
    // Elsewhere hosts speak IPv4 only.
    if (local !== undefined && process.platform === "linux") {
      ipv6.push({ interface: name, number, address: local, all });
    }
  }
  return { ipv4, ipv6 };
}

/** Those of the networks that are used, where there are many. */
export function few({ ipv4, ipv6 }: Networks): Networks {
  return { ipv4: ipv4.slice(0, MOST), ipv6: ipv6.slice(0, MOST) };
}

const isIn = ({ first, last }: Network, ip: number) => ip >= first && ip <= last;

/** Those of the networks from which a host can be reached that listens on an address. */
export function reaching(networks: Networks, hostname: string, ipv6Only: boolean): Networks {
  const host = parseIp(hostname) as IpAddress;
  if (typeof host === "number") {
    return { ipv4: networks.ipv4.filter((network) => host === 0 || isIn(network, host)), ipv6: [] };
  }
  if (isUnspecified(host)) return ipv6Only ? { ipv4: [], ipv6: networks.ipv6 } : networks;
  const address = formatIp({ ...host, zone: "" });
  const isOf = (link: Link) =>
    link.all.includes(address) && (host.zone === "" || host.zone === link.interface);
  return { ipv4: [], ipv6: networks.ipv6.filter(isOf) };
}

const quoted = (names: readonly string[]) => names.map((name) => show(name)).join(", ");

/**
 * Refuses to go on without a network.
 *
 * @param hint what else may be the cause, where all interfaces of this machine may be used
 */
export function requireSome(
  networks: Networks,
  what: string,
  names?: readonly string[],
  hint = "",
): void {
  if (networks.ipv4.length + networks.ipv6.length > 0) return;
  const asked = names === undefined ? "" : ` of ${quoted(names)}`;
  throw new ENetError(
    "ENETJS_ERR_ADDRESS_UNAVAILABLE",
    `${what}: no network interface${asked} will do; this machine has ${
      quoted(Object.keys(readInterfaces()))
    }${names === undefined ? hint : ""}`,
  );
}

/** Whether an address is on one of these networks. */
export function isOnLink({ ipv4 }: Networks, ip: IpAddress): boolean {
  if (typeof ip !== "number") return needsZone(ip);
  return ipv4.some((network) => isIn(network, ip));
}

/** Whether no single machine has it: a multicast, the unspecified or a reserved address. */
export function isOfNoMachine(ip: IpAddress): boolean {
  if (typeof ip !== "number") return isUnspecified(ip) || ip.words[0] >>> 24 === 0xFF;
  return ip >= 0xE0000000 || ip < 0x01000000;
}

/**
 * Whether it is the broadcast address of a network. Whoever seems to ask from there would have the whole network get
 * the answer.
 */
export function isBroadcast({ ipv4 }: Networks, ip: IpAddress): boolean {
  // A network of two addresses has none (RFC 3021), nor has a single address.
  return ipv4.some(({ first, last }) => last - first > 1 && (ip === first || ip === last));
}
