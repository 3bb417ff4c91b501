import { SETTINGS } from "../internal/settings.ts";
import { boolean, show } from "../internal/validate.ts";
import type { HostOptions as CoreOptions } from "../options.ts";
import { Address, type AddressLike } from "./address.ts";
import { requireSocket, type UdpSocket } from "./socket_bridge.ts";

/** Options of `createServer`, `createClient` and `createServerFromSocket`; others are ignored. */
export interface HostOptions {
  /** Where a server listens. Default every interface, on any free port. */
  address?: AddressLike;
  /** Most connections at once, 1–4095. Default 128. */
  peers?: number;
  /** Most channels of a connection, 1–255. Default 5. */
  channels?: number;
  /** Downstream bandwidth in bytes per second, 0 for unlimited. Default 0. */
  down?: number;
  /** Upstream bandwidth in bytes per second, 0 for unlimited. Default 0. */
  up?: number;
  /** Whether datagrams carry CRC32 checksums; both sides must have the same. Default false. */
  checksum?: boolean;
  /**
   * Whether a server may listen where nothing protects it; see `ListenOptions.unguarded`. Not in npm's
   * `enet`. Default false.
   */
  unguarded?: boolean;
  /** The socket of `createServerFromSocket`, bound. */
  socket?: UdpSocket;
}

/** Which of the three functions makes a host. */
export type HostKind = "server" | "client" | "custom";

/** Checked options. */
export interface HostPlan {
  readonly kind: HostKind;
  /** Where to listen. */
  readonly address: { readonly hostname: string; readonly port: number };
  readonly checksum: boolean;
  readonly unguarded: boolean;
  readonly socket: UdpSocket | undefined;
  readonly options: CoreOptions;
}

function bandwidth(value: number | undefined, name: string): number {
  const whole = typeof value === "number" ? Math.trunc(value) : value ?? 0;
  return SETTINGS.incomingBandwidth.check(whole, name);
}

/** Checks the options of a host. As in C, 0 peers or channels stand for the default. */
export function planHost(kind: HostKind, given: unknown): HostPlan {
  if (typeof given !== "object" || given === null) {
    throw new TypeError(`options must be an object, not ${show(given)}`);
  }
  const { address, peers, channels, down, up, checksum = false, unguarded = false, socket } =
    given as HostOptions;
  const where = kind === "server" ? new Address(address ?? {}) : new Address("127.0.0.1", 0);
  return {
    kind,
    address: { hostname: where.address(), port: where.port() },
    checksum: boolean(checksum, "checksum"),
    unguarded: boolean(unguarded, "unguarded"),
    socket: kind === "custom" ? requireSocket(socket) : undefined,
    options: {
      peers: SETTINGS.peers.check(peers || 128, "peers"),
      channels: SETTINGS.channels.check(channels || 5, "channels"),
      incomingBandwidth: bandwidth(down, "down"),
      outgoingBandwidth: bandwidth(up, "up"),
    },
  };
}
