import type { AddressFilter } from "./address_filter.ts";
import type { Conditions } from "./conditions.ts";
import type { HostSecurity } from "./encryption.ts";
import type { Limits } from "./limits.ts";
import type { HostSettings } from "./settings.ts";

/** Options of `Host.create`: {@linkcode HostSettings}, and what can't be changed later. */
export interface HostOptions
  extends Partial<Omit<HostSettings, "filter" | "limits" | "conditions" | "accept">> {
  /** Most peers at once, 1–4095. Default 8 for `create`, 64 for `listen`. */
  peers?: number;
  /**
   * Whether a native thread waits for the socket and wakes this one. Without it, only `host.service()`
   * receives and sends, for programs that own their tick. Default true.
   */
  pump?: boolean;
  /** Which addresses may talk to the host. Default all. */
  filter?: AddressFilter;
  /**
   * How much may come from an address and from a peer. Default 1024 connections a second for each
   * address, with a burst of 4096, and nothing else; see {@linkcode Limits}.
   */
  limits?: Limits;
  /**
   * A simulated network for tests: latency, jitter, loss and more, between this host and its socket; see
   * {@linkcode Conditions}. Default `null`, none, which costs nothing.
   */
  conditions?: Conditions | null;
  /** Events that wait between native code and this thread, a power of two, 16–1,048,576. Default 4096. */
  eventCapacity?: number;
  /** Bytes of small payloads that wait there, a power of two, 4096–268,435,456. Default 1,048,576. */
  arenaSize?: number;
}

/** Options of `Host.listen`. */
export interface ListenOptions extends HostOptions, Pick<Partial<HostSettings>, "accept"> {
  /** The port, 0 for any free one. Default 0. */
  port?: number;
  /**
   * The local address or name to bind: `"::"` for every interface over IPv6 and IPv4, `"0.0.0.0"` for IPv4 only, or
   * an address of this machine. A name stands for its IPv4 address, where it has one. Default `"::"`, or `"0.0.0.0"`
   * where the system has no IPv6.
   */
  hostname?: string;
  /** Whether a host on `"::"` takes no IPv4 addresses. Default false. */
  ipv6Only?: boolean;
  /**
   * Whether other hosts may listen on the same port, in this process or in others of the same user. Each of them
   * must say so, too. The system gives each client to one of them. Each host that comes or goes moves clients of
   * the others, which then lose their connections; a `SharedPort` does not. Linux only, elsewhere
   * `ENETJS_ERR_REUSE_PORT`. Default false.
   */
  reusePort?: boolean;
  /**
   * The name of a `SharedPort`, in place of the options above: the host gets one of its sockets. Where all
   * of them have hosts, it waits 5 seconds for one.
   */
  sharedPort?: string;
  /**
   * Encryption: who may connect, and how the server shows who it is; see {@linkcode HostSecurity}. It needs
   * libsodium, else `ENETJS_ERR_SECURITY`. Plain ENet without it. Default none.
   */
  security?: HostSecurity;
  /**
   * Whether to listen even where nothing protects the host. In a checkout, libenet's calls do not reach this
   * library when the process had loaded libenet before. Without protection, strangers can use up memory and
   * peers, and setting the system's clock ends connections. By default listening then fails with
   * `ENETJS_ERR_UNGUARDED`. Where the protection works, this changes nothing. Default false.
   */
  unguarded?: boolean;
}
