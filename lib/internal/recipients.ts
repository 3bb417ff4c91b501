import { LAYOUT } from "../../ffi/layout.ts";
import { connectionOf, Peer } from "../peer.ts";
import type { Connection } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";
import { options, show } from "./validate.ts";

/** Whom a broadcast goes to; see {@linkcode Endpoint.broadcast}. */
export interface Recipients {
  readonly peers: Uint8Array;
  readonly bytes: number;
  readonly mode: number;
}

const EVERYBODY: Recipients = {
  peers: new Uint8Array(8), // buffers are not empty
  bytes: 0,
  mode: LAYOUT.BROADCAST_EXCEPT,
};

/** The connection of a peer of a host. Throws a TypeError for anything else. */
export function memberOf(peer: unknown, endpoint: Endpoint, name: string): Connection {
  if (!(peer instanceof Peer)) throw new TypeError(`${name} must be a Peer, not ${show(peer)}`);
  const connection = connectionOf(peer);
  if (connection.endpoint !== endpoint) {
    throw new TypeError(`${name} is a peer of another host: ${connection.name}`);
  }
  return connection;
}

/** The connections of a peer or of several, each once. Throws a TypeError for anything else. */
export function connectionsOf(peers: unknown, endpoint: Endpoint, name: string): Set<Connection> {
  if (peers instanceof Peer) return new Set([memberOf(peers, endpoint, name)]);
  const connections = new Set<Connection>();
  for (const peer of iterable(peers, name)) connections.add(memberOf(peer, endpoint, `${name}[…]`));
  return connections;
}

function iterable(value: unknown, name: string): Iterable<unknown> {
  if (typeof value === "object" && value !== null && Symbol.iterator in value) {
    return value as Iterable<unknown>;
  }
  throw new TypeError(
    `${name} must be a Peer or several, such as an array or a group, not ${show(value)}`,
  );
}

/** Whom `{ to, except }` means. */
export function recipientsOf(given: unknown, endpoint: Endpoint): Recipients {
  if (given === undefined) return EVERYBODY;
  options(given, "options", ["except", "to"]);
  const { except, to } = given as { except?: unknown; to?: unknown };
  const without = except === undefined
    ? new Set<Connection>()
    : connectionsOf(except, endpoint, "except");
  if (to === undefined) return listOf(without, LAYOUT.BROADCAST_EXCEPT);
  const only = connectionsOf(to, endpoint, "to");
  for (const connection of without) only.delete(connection);
  return listOf(only, LAYOUT.BROADCAST_TO);
}

function listOf(connections: Set<Connection>, mode: number): Recipients {
  if (connections.size === 0) return { ...EVERYBODY, mode };
  const ids = new Float64Array(connections.size);
  let count = 0;
  for (const { id } of connections) ids[count++] = id;
  return { peers: new Uint8Array(ids.buffer), bytes: ids.byteLength, mode };
}
