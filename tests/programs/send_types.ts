/*
 * What TypeScript allows of sending: checked with the sources, and with the declarations of the npm package.
 * Nothing of it runs.
 */
import {
  type BroadcastOptions,
  type Group,
  type Host,
  type Packet,
  PacketFlag,
  type Peer,
} from "../../mod.ts";

export function sends(
  host: Host,
  players: Host<{ name: string }>,
  group: Group,
  peer: Peer,
  packet: Packet,
): void {
  const flags: PacketFlag[] = [0, 1, 2, 8, 10, ...Object.values(PacketFlag)];
  for (const flag of flags) peer.send(0, "x", flag);
  peer.send(0, "x", packet.flags); // as it has come
  host.broadcast(0, "x", PacketFlag.UNSEQUENCED_FRAGMENT, { to: group, except: peer });
  host.broadcast(0, "x", PacketFlag.RELIABLE, { except: new Set([peer]) });
  const options: BroadcastOptions = { to: [peer, ...group] };
  const count: number = host.broadcast(0, "x", undefined, options);
  const queued: number = group.send(count, packet, PacketFlag.UNRELIABLE, { except: [peer] });
  const added: boolean = group.add(peer) && queued > 0;

  const rooms: Group<{ name: string }> = players.group();
  for (const { data } of rooms) host.broadcast(0, data.name, undefined, { to: rooms });

  // @ts-expect-error: no flags
  peer.send(0, "x", 1234567);
  // @ts-expect-error: reliable excludes all others
  peer.send(0, "x", 3);
  // @ts-expect-error: of any number, nobody knows whether it is one
  peer.send(0, "x", count);
  // @ts-expect-error: true is no flag
  peer.send(0, "x", added);
  // @ts-expect-error: no flags
  host.broadcast(0, "x", 4);
  // @ts-expect-error: no flags
  group.send(0, "x", 16);
  host.broadcast(0, "x", 1, { to: peer });
  // @ts-expect-error: no peers
  host.broadcast(0, "x", 1, { except: ["x"] });
  // @ts-expect-error: no such option
  group.send(0, "x", 1, { to: [peer] });
}
