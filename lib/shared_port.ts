import { CONFIG, LAYOUT } from "../ffi/layout.ts";
import type { Native } from "../ffi/symbols.ts";
import { type Address, validateHostname } from "./address.ts";
import { check } from "./errors.ts";
import { count, makeInspectable } from "./internal/inspect.ts";
import { hostAndPort } from "./internal/ip.ts";
import { loadLibrary } from "./internal/library.ts";
import { checkFamily, putLocal } from "./internal/local.ts";
import { addressOf } from "./internal/native_address.ts";
import { formatPortName } from "./internal/port_name.ts";
import { closeOnReload, reloadable } from "./internal/reload.ts";
import { boolean, integer, options as checkOptions } from "./internal/validate.ts";

/** Options of {@linkcode SharedPort.open}. */
export interface SharedPortOptions {
  /** How many sockets there are, 1–256: one for each worker. A socket without a worker answers nobody. */
  sockets: number;
  /** The port, 0 for any free one. Default 0. */
  port?: number;
  /** The local address or name to bind, as for `Host.listen`. */
  hostname?: string;
  /** Whether sockets on `"::"` take no IPv4 addresses. Default false. */
  ipv6Only?: boolean;
}

interface Plan {
  readonly sockets: number;
  readonly port: number;
  readonly hostname: string | undefined;
  readonly ipv6Only: boolean;
}

function planPort(given: SharedPortOptions): Plan {
  checkOptions(given, "options", ["sockets", "port", "hostname", "ipv6Only"]);
  const { sockets, port = 0, hostname, ipv6Only = false } = given;
  const plan = {
    sockets: integer(sockets, "sockets", 1, LAYOUT.MAXIMUM_WORKERS),
    port: integer(port, "port", 0, 65535),
    hostname: hostname === undefined ? undefined : validateHostname(hostname, "hostname"),
    ipv6Only: boolean(ipv6Only, "ipv6Only"),
  };
  checkFamily(plan);
  return plan;
}

/**
 * Sockets on one port, for hosts in several Workers and processes. They outlive the workers: a worker that replaces
 * another one takes over its socket, and the clients of all other workers notice nothing.
 *
 * The system gives each client to one socket, by a hash of both addresses and ports, and it stays there. A worker gets
 * its socket by `Host.listen({ sharedPort: port.name })`: the first one that no open host has. It is free again when
 * that host is closed, or when its process has ended in whatever way.
 *
 * Only processes of the same user get a socket. The port keeps no process alive, and is closed when its thread or
 * process ends. It needs Linux.
 *
 * @example
 * ```ts
 * import { Host, SharedPort } from "@enetjs/enet";
 *
 * using port = await SharedPort.open({ sockets: 2 });
 * // In the workers, which have been told `port.name`:
 * await using first = await Host.listen({ sharedPort: port.name });
 * await using second = await Host.listen({ sharedPort: port.name });
 * console.log(first.address.port === second.address.port, port.workers); // true 2
 * ```
 */
export class SharedPort implements Disposable {
  /** What workers pass to `Host.listen` as `sharedPort`. It is no secret. */
  readonly name: string;
  /** How many sockets there are. */
  readonly sockets: number;
  readonly #address: Address;
  readonly #native: Native;
  readonly #handle: number;
  #open = true;

  private constructor(native: Native, handle: number, sockets: number, told: Float64Array) {
    if (native === undefined) {
      throw new TypeError(
        "A SharedPort is made by SharedPort.open, which returns a promise of it",
      );
    }
    this.#native = native;
    this.#handle = handle;
    this.sockets = sockets;
    this.name = formatPortName(told.subarray(LAYOUT.PORT_NAME, LAYOUT.PORT_NAME + 4));
    this.#address = addressOf(native, told[LAYOUT.PORT_ADDRESS], told.subarray(LAYOUT.PORT_WORDS));
    reloadable.add(this);
  }

  /**
   * Opens all sockets of a port that no other program has.
   *
   * @param options where, and for how many workers
   * @returns the shared port
   * @throws {TypeError} for an unknown option or one of the wrong type
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_REUSE_PORT` on systems other than Linux; and as `Host.listen`:
   *   `ENETJS_ERR_ADDRESS_IN_USE`, `ENETJS_ERR_ADDRESS_UNAVAILABLE`, `ENETJS_ERR_ADDRESS_FAMILY`,
   *   `ENETJS_ERR_PERMISSION`, `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_LIMIT`, `ENETJS_ERR_THREAD`,
   *   `ENETJS_ERR_LIBRARY`, `ENETJS_ERR_ABI`, `ENETJS_ERR_LIBENET`
   */
  static async open(options: SharedPortOptions): Promise<SharedPort> {
    const plan = planPort(options);
    const { native, runtime } = await loadLibrary();
    closeOnReload(runtime);
    const config = new Float64Array(LAYOUT.CONFIG_COUNT);
    const told = new Float64Array(LAYOUT.PORT_COUNT);
    config[CONFIG.PORT] = plan.port;
    await putLocal(config, native, plan);
    const handle = native.enetjs_port_open(
      new Uint8Array(config.buffer),
      config.byteLength,
      plan.sockets,
      new Uint8Array(told.buffer),
      told.byteLength,
    );
    const { hostname = "::", port, sockets } = plan;
    check(handle, `Opening ${count(sockets, "socket")} on ${hostAndPort({ hostname, port })}`);
    return new SharedPort(native, handle, sockets, told);
  }

  /** Where its hosts listen, also after it is closed. */
  get address(): Address {
    return { ...this.#address };
  }

  /** How many of the sockets have a worker now; 0 once the port is closed. */
  get workers(): number {
    return this.#open ? check(this.#native.enetjs_port_workers(this.#handle), "Counting") : 0;
  }

  /** Whether it is closed. */
  get closed(): boolean {
    return !this.#open;
  }

  /**
   * Closes the sockets that have no worker. Workers keep theirs, but no other worker gets one. Clients of the closed
   * sockets go to other workers, and so do some of the others. Further calls do nothing.
   */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    reloadable.delete(this);
    this.#native.enetjs_port_close(this.#handle);
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.close();
  }

  static {
    makeInspectable(this.prototype, "SharedPort", (port) => {
      const state = port.closed
        ? "closed"
        : `${port.workers} of ${count(port.sockets, "socket")} taken`;
      return `${hostAndPort(port.address)}, ${state}`;
    });
  }
}
