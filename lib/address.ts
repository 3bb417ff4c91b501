import { type IpAddress, needsZone, parseIp } from "./internal/ip.ts";
import { integer, options, show } from "./internal/validate.ts";

/** A UDP address. */
export interface Address {
  /**
   * An IPv4 address, an IPv6 address without brackets, or where one connects also a host name. A link-local IPv6
   * address has a zone, the network interface: `"fe80::1%eth0"`.
   */
  hostname: string;
  /** The port, 0–65535. */
  port: number;
}

/** An address as an object, or as text such as `"example.com:7777"` or `"[::1]:7777"`. */
export type AddressLike = Readonly<Address> | string;

/** Refuses a text that looks like an address and is none. The error says what is wrong. */
function checkLiteral(address: IpAddress, name: string, hostname: string): void {
  if (typeof address === "number") {
    if (address >= 0xF0000000 && address !== 0xFFFFFFFF) {
      throw new TypeError(`${name} ${show(hostname)} is in 240.0.0.0/4, which no host has`);
    }
  } else if (needsZone(address) && address.zone === "") {
    throw new TypeError(
      `${name} ${show(hostname)} is a link-local address and needs its network interface, as in ` +
        show(`${hostname}%eth0`),
    );
  } else if (!needsZone(address) && address.zone !== "") {
    throw new TypeError(
      `${name} ${show(hostname)} has a zone, which only link-local addresses have: leave out ` +
        show(`%${address.zone}`),
    );
  }
}

/** Checks a host name without resolving it. */
export function validateHostname(hostname: unknown, name: string): string {
  if (typeof hostname !== "string" || hostname === "") {
    throw new TypeError(`${name} must be a host name or IP address, not ${show(hostname)}`);
  }
  const literal = parseIp(hostname);
  if (literal !== undefined) {
    checkLiteral(literal, name, hostname);
    return hostname;
  }
  const [, inBrackets] = /^\[(.*)\](?::\d+)?$/s.exec(hostname) ?? [];
  if (inBrackets !== undefined && parseIp(inBrackets) !== undefined) {
    throw new TypeError(
      `${name} must be an IPv6 address without brackets and port, ${show(inBrackets)}, not ${
        show(hostname)
      }`,
    );
  }
  if (/^[\d.]+$/.test(hostname)) {
    throw new TypeError(`${name} ${show(hostname)} is not an IPv4 address`);
  }
  if (/^[\da-f:.]*:[\da-f:.]*:[\da-f:.]*(%.*)?$/i.test(hostname)) {
    throw new TypeError(`${name} ${show(hostname)} is not an IPv6 address`);
  }
  if (/[:/\\[\]%]/.test(hostname)) {
    throw new TypeError(
      `${name} must be a host name or IP address without scheme and port, not ${show(hostname)}`,
    );
  }
  return hostname;
}

/** Takes `"hostname:port"` or `"[address]:port"` apart. */
function parseAddress(text: string): unknown {
  const [, inBrackets, name, port] = /^(?:\[([^\]]*)\]|(.+)):(\d+)$/s.exec(text) ?? [];
  const bare = /^\[?(.*?)\]?$/s.exec(text)?.[1] as string;
  const isIPv6 = (literal = "") => typeof parseIp(literal) === "object";
  // Of an address without brackets, the last group may be meant as a port.
  const meant = [
    ...(isIPv6(name) ? [`[${name}]:${port}`] : []),
    ...(isIPv6(bare) ? [`[${bare}]:7777`] : []),
  ];
  if (meant.length > 0) {
    throw new TypeError(
      "address must have a port, and an IPv6 address stands in brackets, as in " +
        `${meant.map((address) => show(address)).join(" or ")}, not ${show(text)}`,
    );
  }
  if (port === undefined) {
    throw new TypeError(`address must have a port, as in "example.com:7777", not ${show(text)}`);
  }
  return { hostname: inBrackets ?? name, port: Number(port) };
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
