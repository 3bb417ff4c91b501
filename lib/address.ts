import dns from "node:dns/promises";
import { BlockList, isIPv6 } from "node:net";
import { LAYOUT } from "../ffi/layout.ts";
import { readOnly } from "./internal/strict.ts";
import { boolean, integer, options, show } from "./internal/validate.ts";
import { ENetError } from "./errors.ts";

/** A UDP address. */
export interface Address {
  /** An IPv4 address, or where one connects also a host name. */
  hostname: string;
  /** The port, 0–65535. */
  port: number;
}

/** An address as an object, or as text such as `"example.com:7777"`. */
export type AddressLike = Readonly<Address> | string;

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** An IPv4 literal as a number in host byte order, or undefined if it is none. */
export function parseIPv4(text: string): number | undefined {
  const match = IPV4.exec(text);
  if (match === null) return undefined;
  let address = 0;
  for (const part of match.slice(1)) {
    const byte = Number(part);
    if (byte > 255 || (part.length > 1 && part[0] === "0")) return undefined;
    address = address * 256 + byte;
  }
  return address;
}

/** A number in host byte order as an IPv4 literal. */
export function formatIPv4(address: number): string {
  return `${address >>> 24}.${address >>> 16 & 255}.${address >>> 8 & 255}.${address & 255}`;
}

/** Refuses an IPv6 address, in brackets with or without a port, or bare. */
function refuseIPv6(hostname: string, name: string): void {
  const [, bare = hostname] = /^\[([^\]]*)\](?::.*)?$/.exec(hostname) ?? [];
  if (isIPv6(bare)) {
    throw new TypeError(
      `${name} can't be the IPv6 address ${show(hostname)}, for ENet speaks IPv4 only`,
    );
  }
}

/** Checks a host name without resolving it. */
export function validateHostname(hostname: unknown, name: string): string {
  if (typeof hostname !== "string" || hostname === "") {
    throw new TypeError(`${name} must be a host name or IPv4 address, not ${show(hostname)}`);
  }
  refuseIPv6(hostname, name);
  if (/[:/\\[\]]/.test(hostname)) {
    throw new TypeError(
      `${name} must be a host name or IPv4 address without scheme and port, not ${show(hostname)}`,
    );
  }
  if (/^[\d.]+$/.test(hostname) && parseIPv4(hostname) === undefined) {
    throw new TypeError(`${name} ${show(hostname)} is not an IPv4 address`);
  }
  return hostname;
}

/** Takes `"hostname:port"` apart. */
function parseAddress(text: string): unknown {
  refuseIPv6(text, "address");
  const match = /^(.+):(\d+)$/.exec(text);
  if (match === null) {
    throw new TypeError(`address must have a port, as in "example.com:7777", not ${show(text)}`);
  }
  return { hostname: match[1], port: Number(match[2]) };
}

/** Checks an address without resolving it. */
export function validateAddress(given: unknown, minimumPort: number): Address {
  const address = typeof given === "string" ? parseAddress(given) : given;
  if (typeof address !== "object" || address === null) {
    throw new TypeError(
      `address must be an object { hostname, port } or text such as "example.com:7777", not ${
        show(address)
      }`,
    );
  }
  options(address, "address", ["hostname", "port"]);
  const { hostname, port } = address as Partial<Address>;
  return {
    hostname: validateHostname(hostname, "address.hostname"),
    port: integer(port, "address.port", minimumPort, 65535),
  };
}

/** 127.0.0.1 */
export const LOOPBACK = 0x7F000001;

/** Whether the runtime itself, as Deno does without `--allow-net`, has refused to look up a name. */
function isDenied(cause: unknown): boolean {
  const { name, code } = cause as { name?: string; code?: string };
  return code === "EPERM" || name === "NotCapable" || name === "PermissionDenied";
}

/** Resolves a host name to IPv4 with the runtime's resolver. */
export async function resolveIPv4(hostname: string): Promise<number> {
  const literal = hostname === "localhost" ? LOOPBACK : parseIPv4(hostname);
  if (literal !== undefined) return literal;
  try {
    const { address } = await dns.lookup(hostname, { family: 4 });
    return parseIPv4(address) as number;
  } catch (cause) {
    if (isDenied(cause)) {
      throw new ENetError(
        "ENETJS_ERR_PERMISSION",
        `Resolving the host name ${show(hostname)} needs a permission: run with --allow-net`,
        { cause },
      );
    }
    throw new ENetError(
      "ENETJS_ERR_RESOLVE",
      `The host name ${show(hostname)} could not be resolved to an IPv4 address: ` +
        (cause instanceof Error ? cause.message : String(cause)),
      { cause },
    );
  }
}

/** Which addresses may talk to a host. */
export interface AddressFilter {
  /**
   * Addresses (`"192.0.2.7"`) and prefixes (`"10.0.0.0/8"`) that may; all when empty or absent.
   */
  allow?: readonly string[];
  /** Addresses and prefixes that may not, even when allowed above. */
  deny?: readonly string[];
  /**
   * Whether the host answers a denied client: its attempt to connect then ends at once, with
   * `DisconnectCode.DENIED`. Otherwise the host drops its datagrams without an answer. Default false.
   */
  refuse?: boolean;
}

/** First and last address of `a.b.c.d` or `a.b.c.d/n`. */
export function parseRange(text: unknown, name: string): [number, number] {
  if (typeof text === "string") {
    refuseIPv6(text.split("/")[0], name);
    const [literal, bits, ...rest] = text.split("/");
    const address = parseIPv4(literal);
    const length = bits === undefined ? 32 : /^\d{1,2}$/.test(bits) ? Number(bits) : -1;
    if (address !== undefined && length >= 0 && length <= 32 && rest.length === 0) {
      const size = 2 ** (32 - length);
      const first = Math.floor(address / size) * size;
      return [first, first + size - 1];
    }
  }
  throw new TypeError(
    `${name} must be an IPv4 address or prefix such as "10.0.0.0/8", not ${show(text)}`,
  );
}

/** Tells which addresses in host byte order a checked filter allows, as native code decides. */
export function filterAllows({ allow = [], deny = [] }: AddressFilter): (ipv4: number) => boolean {
  const [allowed, denied] = [allow, deny].map((rules) => {
    const list = new BlockList();
    for (const rule of rules) {
      const [address, length = "32"] = rule.split("/");
      list.addSubnet(address, Number(length));
    }
    return list;
  });
  return (ipv4) => {
    const address = formatIPv4(ipv4);
    return !denied.check(address) && (allow.length === 0 || allowed.check(address));
  };
}

/** What to do in place of changing a filter that was read. */
const REMEDY = "assign a whole filter, host.filter = { ...host.filter, … }";

/** Checks a filter and puts the defaults where there is nothing. The result is frozen. */
export function planFilter(filter: unknown): Readonly<Required<AddressFilter>> {
  compileFilter(filter);
  const { allow = [], deny = [], refuse = false } = filter as AddressFilter;
  const rules = {
    allow: readOnly([...allow], "host.filter.allow", REMEDY),
    deny: readOnly([...deny], "host.filter.deny", REMEDY),
    refuse,
  };
  return readOnly(rules, "host.filter", REMEDY);
}

/** A filter as `enetjs_host_set_filter` takes it; only the first `size` bytes count. */
export function compileFilter(filter: unknown): { bytes: Uint8Array; size: number } {
  options(filter, "filter", ["allow", "deny", "refuse"]);
  boolean((filter as AddressFilter).refuse ?? false, "filter.refuse");
  const rules: number[] = [];
  for (const [name, kind] of [["allow", 1], ["deny", 0]] as const) {
    const { [name]: list = [] } = filter as AddressFilter;
    if (!Array.isArray(list)) {
      throw new TypeError(`filter.${name} must be an array, not ${show(list)}`);
    }
    list.forEach((text, index) =>
      rules.push(...parseRange(text, `filter.${name}[${index}]`), kind)
    );
  }
  const count = rules.length / 3;
  if (count > LAYOUT.MAXIMUM_FILTER_RULES) {
    throw new RangeError(
      `filter must have at most ${LAYOUT.MAXIMUM_FILTER_RULES} rules, not ${count}`,
    );
  }
  // At least one word, for some runtimes refuse an empty buffer.
  const words = new Uint32Array(Math.max(rules.length, 1));
  words.set(rules);
  return { bytes: new Uint8Array(words.buffer), size: rules.length * 4 };
}
