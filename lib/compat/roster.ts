import type { Peer as CorePeer } from "../peer.ts";
import { type Peer, peers } from "./peer.ts";

/** The peers of a host that are connecting or connected. */
export class Roster {
  /** The peers, by a number of their own. Programs read this object. */
  readonly peers: Record<string, Peer> = {};
  readonly #numbers = new WeakMap<Peer, number>();
  readonly #byCore = new WeakMap<CorePeer, Peer>();
  #count = 0;

  /** Adds a peer, which may have no connection yet. @returns the peer */
  add(peer: Peer): Peer {
    this.#numbers.set(peer, ++this.#count);
    this.peers[this.#count] = peer;
    return peer;
  }

  /** Whether a peer is connecting or connected. */
  has(peer: Peer): boolean {
    return this.peers[this.#numbers.get(peer) as number] === peer;
  }

  /** Removes a peer that is gone. */
  delete(peer: Peer): void {
    delete this.peers[this.#numbers.get(peer) as number];
  }

  /** Gives a peer its connection, which may be connecting. */
  attach(peer: Peer, core: CorePeer): void {
    this.#byCore.set(core, peer);
    peers.attach(peer, core);
  }

  /** @returns the peer that a connection belongs to, also after its end */
  of(core: CorePeer): Peer | undefined {
    return this.#byCore.get(core);
  }
}
