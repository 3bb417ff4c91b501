import { BlockList } from "node:net";
import { LAYOUT } from "../ffi/layout.ts";
import { formatIp, type IpAddress, parseIp, wordsOf } from "./internal/ip.ts";
import { readOnly } from "./internal/strict.ts";
import { boolean, options, show } from "./internal/validate.ts";

/** Which addresses may talk to a host. */
export interface AddressFilter {
  /**
   * Addresses (`"192.0.2.7"`, `"2001:db8::7"`) and prefixes (`"10.0.0.0/8"`, `"2001:db8::/32"`) that may; all when
   * empty or absent. An IPv4 address is the same one over IPv4 and as an IPv4-mapped IPv6 address.
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

/** An address and how many of its first bits count. */
export interface Prefix {
  readonly address: IpAddress;
  readonly length: number;
}

/** A prefix, `10.0.0.0/8` or `2001:db8::/32`, or an address; undefined if it is none. */
export function readPrefix(text: unknown): Prefix | undefined {
  if (typeof text !== "string") return undefined;
  const [literal, bits, ...rest] = text.split("/");
  const address = parseIp(literal);
  const most = typeof address === "object" ? 128 : 32;
  const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  // The length of an IPv4-mapped prefix would be another one.
  const isMapped = typeof address === "number" && literal.includes(":") && bits !== undefined;
  const isPrefix = length >= 0 && length <= most && rest.length === 0 && !isMapped;
  return address !== undefined && isPrefix ? { address, length } : undefined;
}

/** The prefix of a rule, checked. */
export function parsePrefix(text: unknown, name: string): Prefix {
  const prefix = readPrefix(text);
  if (prefix === undefined) {
    throw new TypeError(
      `${name} must be an IP address or prefix such as "10.0.0.0/8" or "2001:db8::/32", not ${
        show(text)
      }`,
    );
  }
  if (typeof prefix.address === "object" && prefix.address.zone !== "") {
    throw new TypeError(`${name} ${show(text)} must not have a zone: a rule is for all interfaces`);
  }
  return prefix;
}

/** First and last address of an IPv4 prefix. */
export function rangeOf(ipv4: number, length: number): [number, number] {
  const size = 2 ** (32 - length);
  const first = Math.floor(ipv4 / size) * size;
  return [first, first + size - 1];
}

/** Tells which addresses a checked filter allows, as native code decides. */
export function filterAllows(
  { allow = [], deny = [] }: AddressFilter,
): (address: IpAddress) => boolean {
  const [allowed, denied] = [allow, deny].map((rules) => {
    const list = new BlockList();
    for (const rule of rules) {
      const { address, length } = parsePrefix(rule, "rule");
      list.addSubnet(formatIp(address), length, familyOf(address));
    }
    return list;
  });
  return (address) => {
    const text = formatIp(typeof address === "number" ? address : { ...address, zone: "" });
    const family = familyOf(address);
    return !denied.check(text, family) && (allow.length === 0 || allowed.check(text, family));
  };
}

const familyOf = (address: IpAddress) => typeof address === "number" ? "ipv4" : "ipv6";

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

/** A rule as native code takes it: three words, or for IPv6 six. */
function pushRule(rules: number[], { address, length }: Prefix, kind: number): void {
  if (typeof address === "number") {
    rules.push(...rangeOf(address, length), kind);
  } else {
    const [a, b, c, d] = wordsOf(address);
    rules.push(a, b, kind | LAYOUT.FILTER_IPV6, c, d, length);
  }
}

/** A filter as `enetjs_host_set_filter` takes it; only the first `size` bytes count. */
export function compileFilter(filter: unknown): { bytes: Uint8Array; size: number } {
  options(filter, "filter", ["allow", "deny", "refuse"]);
  boolean((filter as AddressFilter).refuse ?? false, "filter.refuse");
  const rules: number[] = [];
  for (const [name, kind] of [["allow", LAYOUT.FILTER_ALLOW], ["deny", 0]] as const) {
    const { [name]: list = [] } = filter as AddressFilter;
    if (!Array.isArray(list)) {
      throw new TypeError(`filter.${name} must be an array, not ${show(list)}`);
    }
    list.forEach((text, index) =>
      pushRule(rules, parsePrefix(text, `filter.${name}[${index}]`), kind)
    );
  }
  const count = rules.length / 3; // an IPv6 rule takes the room of two
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
