import { LAYOUT } from "../../ffi/layout.ts";
import { Peer, peers } from "../peer.ts";
import type { Connection } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";
import { RecipientList } from "./recipient_list.ts";
import type { Recipients, Transport } from "./transport.ts";
import { options, show } from "./validate.ts";

/** Whom a broadcast goes to; see {@linkcode Endpoint.broadcast}. */
interface Broadcast {
  readonly to: readonly Recipients[];
  readonly mode: number;
}

/** The connection of a peer of a host. Throws a TypeError for anything else. */
export function memberOf(peer: unknown, endpoint: Endpoint, name: string): Connection {
  if (!(peer instanceof Peer)) throw new TypeError(`${name} must be a Peer, not ${show(peer)}`);
  const connection = peers.connectionOf(peer);
  if (connection.endpoint !== endpoint) {
    throw new TypeError(`${name} is a peer of another host: ${connection.name}`);
  }
  return connection;
}

/** The connections of a peer or of several, each once. Throws a TypeError for anything else. */
export function connectionsOf(given: unknown, endpoint: Endpoint, name: string): Set<Connection> {
  if (given instanceof Peer) return new Set([memberOf(given, endpoint, name)]);
  const connections = new Set<Connection>();
  for (const peer of iterable(given, name)) connections.add(memberOf(peer, endpoint, `${name}[…]`));
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
export function recipientsOf(given: unknown, endpoint: Endpoint): Broadcast {
  if (given === undefined) return { to: endpoint.everybody, mode: LAYOUT.BROADCAST_EXCEPT };
  options(given, "options", ["except", "to"]);
  const { except, to } = given as { except?: unknown; to?: unknown };
  const without = except === undefined
    ? new Set<Connection>()
    : connectionsOf(except, endpoint, "except");
  const { transports } = endpoint;
  if (to === undefined) {
    return { to: byTransport(without, transports), mode: LAYOUT.BROADCAST_EXCEPT };
  }
  const only = connectionsOf(to, endpoint, "to");
  for (const connection of without) only.delete(connection);
  return { to: byTransport(only, transports), mode: LAYOUT.BROADCAST_TO };
}

function byTransport(
  connections: Set<Connection>,
  transports: readonly Transport[],
): RecipientList<Connection>[] {
  const lists = transports.map((transport) => new RecipientList<Connection>(transport));
  for (const connection of connections) {
    // A transport that has gone has left no connection that lives.
    lists[transports.indexOf(connection.transport)]?.push(connection);
  }
  return lists;
}
