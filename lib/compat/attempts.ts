import { formatIPv4, LOOPBACK, parseIPv4 } from "../internal/ip.ts";
import { resolveIPv4 } from "../internal/resolve.ts";
import { type Host as CoreHost, hosts as coreHosts } from "../host.ts";
import { peers as corePeers } from "../peer.ts";
import type { AddressInfo } from "./address.ts";
import type { Backing } from "./backing.ts";
import { type Peer, peers } from "./peer.ts";
import type { Roster } from "./roster.ts";

/** What an attempt to connect asks for. */
export interface Request {
  readonly to: AddressInfo;
  readonly channels: number;
  /** The 32-bit value for the other side. */
  readonly data: number;
}

/** The attempts of a host to connect. An attempt that fails ends its peer. */
export class Attempts {
  readonly #backing: Backing;
  readonly #roster: Roster;

  constructor(backing: Backing, roster: Roster) {
    this.#backing = backing;
    this.#roster = roster;
  }

  /**
   * Begins an attempt: at once where the native host is open and the address is known, else as soon as they
   * are.
   *
   * @throws {ENetError} if native code refuses the attempt at once
   */
  begin(peer: Peer, request: Request): void {
    const { core, bridge } = this.#backing;
    const ipv4 = parseIPv4(request.to.address);
    if (core === undefined || bridge !== undefined || ipv4 === undefined) {
      void this.#beginLater(peer, request);
    } else this.#beginAt(core, peer, ipv4, request.to.port, request);
  }

  async #beginLater(peer: Peer, request: Request): Promise<void> {
    const { address, port } = request.to;
    try {
      await this.#backing.opened;
      const ipv4 = await resolveIPv4(address);
      const link = await this.#backing.bridge?.linkTo(formatIPv4(ipv4), port);
      const { core } = this.#backing;
      if (core === undefined || !this.#roster.has(peer)) return;
      this.#beginAt(core, peer, link === undefined ? ipv4 : LOOPBACK, link ?? port, request);
    } catch (error) {
      peers.end(peer, 0, undefined, error);
    }
  }

  #beginAt(core: CoreHost, peer: Peer, ipv4: number, port: number, request: Request): void {
    const { channels, data } = request;
    const connector = coreHosts.connectorOf(core);
    const where = `${formatIPv4(ipv4)}:${port}`;
    const connection = connector.begin(ipv4 || LOOPBACK, port, channels, data, where);
    this.#roster.attach(peer, corePeers.of(connection));
    this.#backing.filterPeer(peer);
    connector.established(connection).catch((error) => peers.end(peer, 0, undefined, error));
  }
}
