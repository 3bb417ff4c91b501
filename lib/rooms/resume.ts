/**
 * A peer comes back to a room: first it gets what it has missed, then it is a member.
 *
 * @module
 */
import { ENetError } from "../errors.ts";
import { withTimeout } from "./timeout.ts";
import { type Peer, peers } from "../peer.ts";
import type { Cluster } from "./cluster.ts";
import { decodeLogged, FRAME, typeOf } from "./frame.ts";
import { encodeLoggedMessage, type Position } from "./position.ts";

/** How a peer has come back; see `Rooms.resume`. */
export interface Resumed {
  /** Whether it is a member now: false when its connection has ended, or `limits.roomsPerPeer` is reached. */
  readonly joined: boolean;
  /** Whether it has got everything that it had missed. */
  readonly recovered: boolean;
  /** How many messages it has got that way. */
  readonly messages: number;
  /**
   * Why it has not got everything. `"expired"`: the history no longer has it all. `"epoch"`: the backplane has lost that
   * history. `"unavailable"`: the history can't be read now.
   */
  readonly reason: "expired" | "epoch" | "unavailable" | undefined;
}

/** Milliseconds until the members of this host have what the history has. */
const FOLLOW_MS = 2000;

/** Parts of a history that are read at most. */
const MOST_READS = 20_000;

/**
 * Sends a peer what follows a position, up to where the members of this host are.
 *
 * @param join makes it a member, in the same turn in which it has caught up
 */
export async function resume(
  cluster: Cluster,
  peer: Peer,
  name: string,
  position: Position,
  join: () => boolean,
): Promise<Resumed> {
  const connection = peers.connectionOf(peer);
  const room = cluster.local.hold(name);
  const follower = cluster.mail.followerOf(room);
  let at = position.offset;
  let messages = 0;
  const end = (reason: Resumed["reason"]): Resumed => {
    const joined = !cluster.closed && join();
    return { joined, recovered: joined && reason === undefined, messages, reason };
  };
  try {
    await cluster.link.subscribed;
    for (let reads = 0; reads < MOST_READS; reads++) {
      const { log } = cluster.link;
      if (cluster.closed || !connection.sendable) return end(undefined);
      if (log === undefined || !cluster.link.up) return end("unavailable");
      if (log.epoch !== position.epoch) return end("epoch");
      if (follower.offset === at) return end(undefined);
      if (follower.offset !== undefined && follower.offset < at) {
        const moved = follower.moved();
        follower.catchUp();
        await withTimeout(moved, FOLLOW_MS);
        continue;
      }
      const { entries, complete } = await log.read(room.topic, at);
      if (!complete) return end("expired");
      for (const { offset, bytes } of entries) {
        at = offset;
        if (typeOf(bytes) !== FRAME.LOGGED) continue;
        const message = decodeLogged(bytes);
        if (message === undefined) continue;
        messages++;
        const data = encodeLoggedMessage({ epoch: log.epoch, offset }, message.data);
        if (!peer.send(message.channelId, data, message.flags)) await peer.drain();
      }
      if (entries.length === 0) follower.begin(at);
      // The members are where the peer is; nothing was read because there is nothing.
      if (entries.length === 0 && follower.offset !== undefined && follower.offset > at) {
        return end("expired");
      }
    }
    return end("unavailable");
  } catch (error) {
    if (error instanceof ENetError && !connection.sendable) return end(undefined); // drain
    return end("unavailable");
  } finally {
    cluster.local.release(room);
  }
}
