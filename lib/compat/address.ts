import { show } from "../internal/validate.ts";
import { validateHostname } from "../address.ts";
import { formatIPv4, parseIp, parseIPv4 } from "../internal/ip.ts";

/** An address as programs write it: an object, `"192.0.2.7:7777"`, or an {@linkcode Address}. */
export type AddressLike = Address | string | {
  /** IPv4 address, or where one connects also a host name. Default `"0.0.0.0"`. */
  readonly address?: string;
  /** The port, also as text. Default 0. */
  readonly port?: number | string;
};

/** Address and port as methods return and events report them. */
export interface AddressInfo {
  /** IPv4 address. */
  readonly address: string;
  /** The port. */
  readonly port: number;
}

/** A port of a number or text. */
export function portOf(value: unknown): number {
  const port = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof port !== "number") {
    throw new TypeError(`port must be a number, not ${show(value)}`);
  }
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new RangeError(`port must be an integer from 0 to 65535, not ${port}`);
  }
  return port;
}

/** Converts an IPv4 number between this library's byte order (the host's) and ENet's (the network's). */
function swapBytes(host: number): number {
  return ((host & 0xFF) << 24 | (host & 0xFF00) << 8 | host >>> 8 & 0xFF00 | host >>> 24) >>> 0;
}

/** This API has addresses as numbers of 32 bits. */
function refuseIPv6(host: unknown): void {
  const [, bare = host] = /^\[([^\]]*)\](?::.*)?$/.exec(String(host)) ?? [];
  if (typeof parseIp(String(bare)) !== "object") return;
  throw new TypeError(
    `address can't be the IPv6 address ${
      show(host)
    }, for this API speaks IPv4 only: use Host of @enetjs/enet`,
  );
}

function hostnameOf(host: unknown): string {
  refuseIPv6(host);
  if (typeof host !== "number") return validateHostname(host, "address");
  if (!Number.isInteger(host) || host < 0 || host > 0xFFFFFFFF) {
    throw new RangeError(`address must be an unsigned 32-bit integer, not ${host}`);
  }
  return formatIPv4(swapBytes(host));
}

/**
 * A UDP address.
 *
 * @example
 * ```ts
 * import { Address } from "@enetjs/enet/compat";
 *
 * const address = new Address("192.168.1.55", 7777);
 * console.log(address.address(), address.port()); // 192.168.1.55 7777
 * ```
 */
export class Address {
  readonly #hostname: string;
  readonly #port: number;

  /**
   * Takes an address apart.
   *
   * @param address an address, `"192.0.2.7:7777"`, `{ address, port }`, or an IPv4 number in network
   *   byte order
   * @param port the port, where `address` is only an address
   * @throws {TypeError} for an IPv6 address, and for what is no address at all
   * @throws {RangeError} for a port or number out of range
   */
  constructor(address: AddressLike | number, port?: number | string) {
    if (port !== undefined) {
      this.#hostname = hostnameOf(address);
      this.#port = portOf(port);
    } else if (address instanceof Address) {
      this.#hostname = address.#hostname;
      this.#port = address.#port;
    } else if (typeof address === "string") {
      // More than one colon is an IPv6 address, which is refused as a whole.
      const [, hostname, digits] = /^([^:]*):(\d*)$/.exec(address) ?? [, address, "0"];
      this.#hostname = hostnameOf(hostname);
      this.#port = portOf(digits || 0);
    } else if (typeof address === "object" && address !== null) {
      this.#hostname = hostnameOf(address.address || "0.0.0.0");
      this.#port = portOf(address.port || 0);
    } else {
      throw new TypeError(`address must be an address, not ${show(address)}`);
    }
  }

  /** The IPv4 address as a number in network byte order; 0 for a host name. */
  host(): number {
    return swapBytes(parseIPv4(this.#hostname) ?? 0);
  }

  /** The port. */
  port(): number {
    return this.#port;
  }

  /** The IPv4 address or host name. */
  address(): string {
    return this.#hostname;
  }
}
