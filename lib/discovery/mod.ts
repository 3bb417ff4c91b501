/**
 * Finding servers on the local network: a host is announced, and others look for it by broadcast and multicast.
 * `docs/discovery.md` describes the datagrams.
 *
 * @example
 * ```ts
 * import { Host } from "@enetjs/enet";
 * import { announce, discover } from "@enetjs/enet/discovery";
 *
 * await using host = await Host.listen({ peers: 8 }, {});
 * await announce(host, { game: "star-chase", name: "Alice's game", data: "map=3" });
 *
 * for await (const server of discover({ game: "star-chase" })) {
 *   console.log(server.name, server.peers, "of", server.maximumPeers); // Alice's game 0 of 8
 *   break;
 * }
 * ```
 *
 * @module
 */
export { ENetError, type ENetErrorCode } from "../errors.ts";
export { announce, type Announcement } from "./announcement.ts";
export { discover } from "./discover.ts";
export type { DiscoveredServer } from "./found.ts";
export type { AnnounceOptions, DiscoverOptions, DiscoveryOptions } from "./options.ts";
