/**
 * Rooms, presence and messages to users, on one host and on many. `docs/rooms.md` says what is guaranteed.
 *
 * @example Two hosts, and members of a room on each
 * ```ts
 * import { Host } from "@enetjs/enet";
 * import { memory, Rooms } from "@enetjs/enet/rooms";
 *
 * const backplane = memory(); // or nats({ servers: "nats.example.com" })
 *
 * async function listen(name: string) {
 *   const host = await Host.listen({ hostname: "127.0.0.1" }, {
 *     connect: (peer) => void rooms.join(peer, "lobby", { presence: { on: name } }),
 *     receive: (peer, channelId, packet) =>
 *       void rooms.to("lobby").except(peer).send(channelId, packet),
 *   });
 *   const rooms = new Rooms(host, { backplane });
 *   await rooms.ready;
 *   return { host, rooms };
 * }
 *
 * const north = await listen("north");
 * const south = await listen("south");
 * await using clients = await Host.create();
 * const ada = await clients.connect(north.host.address);
 * const grace = await clients.connect(south.host.address);
 * for await (const _event of north.rooms) {
 *   if (north.rooms.members("lobby").length === 2) break;
 * }
 * ada.send(0, "hello from the north");
 * console.log((await grace.receive()).packet.text()); // hello from the north
 * await Promise.all([north.host.close(), south.host.close()]);
 * ```
 *
 * @module
 */
export type {
  Backplane,
  BackplaneConnection,
  BackplaneHandlers,
  BackplaneLog,
  BackplaneNeeds,
  BackplaneStore,
  LogEntry,
  LogLimits,
  LogPart,
  StoredValue,
} from "./backplane.ts";
export { ENetError, type ENetErrorCode } from "../errors.ts";
export { type BackplaneCheck, backplaneChecks } from "./conformance.ts";
export type { RoomsHandlers } from "./event_queue.ts";
export type { ClaimOptions, Lease } from "./lease.ts";
export type {
  ClusterHost,
  ClusterHostEvent,
  DroppedEvent,
  DropReason,
  JoinedEvent,
  LeaveReason,
  LeftEvent,
  LinkEvent,
  Member,
  RoomsEvent,
  UpdatedEvent,
} from "./member.ts";
export { memory } from "./memory.ts";
export { isName } from "./names.ts";
export { nats, type NatsOptions } from "./nats.ts";
export type { HistoryOptions, RoomLimits, RoomsOptions } from "./options.ts";
export { type LoggedMessage, type Position, readLogged } from "./position.ts";
export { readRedirect, type Redirect, redirect, type RedirectOptions } from "./redirect.ts";
export type { Resumed } from "./resume.ts";
export { type JoinOptions, type ResumeOptions, Rooms } from "./rooms.ts";
export type { RoomsStats, RoomStats } from "./stats.ts";
export type { Target } from "./target.ts";
export { workers } from "./workers.ts";
