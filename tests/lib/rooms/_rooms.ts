/**
 * What the tests of rooms share: hosts with rooms on one backplane, and clients.
 *
 * @module
 */
import { Host, type Peer } from "../../../mod.ts";
import {
  type Backplane,
  memory,
  Rooms,
  type RoomsEvent,
  type RoomsOptions,
} from "../../../lib/rooms/mod.ts";
import { until } from "../../_helpers.ts";

/** A host with rooms. */
export interface Place {
  readonly host: Host;
  readonly rooms: Rooms;
  /** What its rooms have told. */
  readonly events: RoomsEvent[];
  /** Connects a client. Both sides of the connection are peers. */
  connect(): Promise<Client>;
}

/** A connected client, and what it gets. */
export interface Client {
  /** The server's peer. */
  readonly peer: Peer;
  /** The client's peer. */
  readonly server: Peer;
  /** `channelId text` of the messages so far. */
  readonly got: string[];
  /** Their bytes. */
  readonly bytes: Uint8Array[];
}

/** Several places; disposing closes them and their clients. */
export interface Places extends AsyncDisposable {
  readonly places: readonly Place[];
}

/** Handlers that write down the events. */
export function recording(events: RoomsEvent[]) {
  const push = (event: RoomsEvent) => void events.push(event);
  return { joined: push, left: push, updated: push, host: push, link: push, dropped: push };
}

/** Opens a host with rooms. */
export async function openPlace(
  stack: AsyncDisposableStack,
  options: RoomsOptions,
): Promise<Place> {
  const host = stack.use(await Host.listen({ hostname: "127.0.0.1" }, { receive() {} }));
  const events: RoomsEvent[] = [];
  const rooms = stack.use(new Rooms(host, options, recording(events)));
  await rooms.ready;
  const clients = stack.use(await Host.create({ peers: 64 }));
  const seen = new Set<Peer>();
  return {
    host,
    rooms,
    events,
    async connect() {
      const server = await clients.connect(host.address);
      const peer = await until(
        () => host.peers.find((peer) => !seen.has(peer)),
        20_000,
        "the server's connect event",
      );
      seen.add(peer);
      const got: string[] = [];
      const bytes: Uint8Array[] = [];
      void (async () => {
        for await (const { channelId, packet } of server) {
          got.push(`${channelId} ${packet.text()}`);
          bytes.push(packet.bytes);
        }
      })();
      return { peer, server, got, bytes };
    },
  };
}

/** Opens several places on one backplane, which see each other. */
export async function openPlaces(
  count: number,
  options: RoomsOptions = {},
  backplane: Backplane = memory(),
): Promise<Places> {
  await using stack = new AsyncDisposableStack();
  const places: Place[] = [];
  for (let i = 0; i < count; i++) places.push(await openPlace(stack, { backplane, ...options }));
  await until(
    () => places.every(({ rooms }) => rooms.hosts().length === count),
    20_000,
    "hosts that see each other",
  );
  const kept = stack.move();
  return { places, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Waits until every place sees so many members of a room. */
export async function agree(places: readonly Place[], room: string, count: number): Promise<void> {
  const agrees = () => places.every(({ rooms }) => rooms.members(room).length === count);
  await until(agrees, 20_000, `${count} members of ${room} everywhere`);
}

/** Waits until a client has got so many messages, and returns them. */
export async function messages({ got }: Client, count: number): Promise<string[]> {
  await until(() => got.length >= count, 20_000, `${count} messages`).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(got)}`);
  });
  return got;
}
