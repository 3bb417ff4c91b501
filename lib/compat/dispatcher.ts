import { Buffer } from "node:buffer";
import type { EventEmitter } from "node:events";
import type { HostEvent } from "../events.ts";
import type { Host as CoreHost } from "../host.ts";
import type { Packet as CorePacket } from "../packet.ts";
import { type Peer as CorePeer, peers as corePeers } from "../peer.ts";
import { emit } from "./_report.ts";
import type { AddressInfo } from "./address.ts";
import type { Backing, Endpoint } from "./backing.ts";
import { packets } from "./packet.ts";
import { type Peer, type PeerHost, peers } from "./peer.ts";
import type { Roster } from "./roster.ts";
import { isTelex } from "./telex.ts";

/** Takes the events of a native host, and has the host of this module and its peers emit theirs. */
export class Dispatcher {
  readonly #emitter: EventEmitter;
  readonly #forPeers: PeerHost;
  readonly #backing: Backing;
  readonly #roster: Roster;
  #received: AddressInfo | undefined;

  constructor(emitter: EventEmitter, forPeers: PeerHost, backing: Backing, roster: Roster) {
    this.#emitter = emitter;
    this.#forPeers = forPeers;
    this.#backing = backing;
    this.#roster = roster;
  }

  /** The source of the last event; undefined before that. */
  get received(): AddressInfo | undefined {
    return this.#received;
  }

  /** Dispatches events until the native host is closed. Rejects when its socket fails. */
  async run(core: CoreHost): Promise<void> {
    for await (const event of core) this.#dispatch(event);
  }

  #dispatch(event: HostEvent): void {
    if (event.type === "datagram") return this.#datagram(event.address, event.packet.view);
    const peer = this.#peerOf(event.peer);
    this.#received = peer.address();
    switch (event.type) {
      case "connect":
        return this.#connected(peer, event.peer, event.data);
      case "disconnect":
        // The value that this side gave is not reported.
        return peers.end(peer, event.reason === "remote" ? event.data : 0, event.reason);
      case "receive":
        return this.#message(peer, event.channelId, event.packet);
      case "moved":
        // The enet package has no such event. Its filter may deny the new address.
        return this.#backing.filterPeer(peer);
      default:
        event satisfies never;
    }
  }

  #message(peer: Peer, channel: number, { view, flags }: CorePacket): void {
    const reads = peers.reads(peer, channel);
    const listeners = this.#emitter.listenerCount("message") + peer.listenerCount("message");
    if (!this.#roster.has(peer) || (!reads && listeners === 0)) return;
    const bytes = Buffer.from(view);
    if (listeners > 0) {
      const packet = packets.received(bytes, flags);
      emit(this.#emitter, "message", peer, packet, channel);
      emit(peer, "message", packet, channel);
    }
    if (reads) peers.receive(peer, channel, bytes);
  }

  #datagram(source: Endpoint, view: Uint8Array): void {
    if (!this.#backing.admits(source) || !isTelex(view)) return;
    this.#received = this.#backing.sourceOf(source);
    emit(this.#emitter, "telex", Buffer.from(view), this.#received);
  }

  /** The peer of a connection; a new one where the other side has connected. */
  #peerOf(core: CorePeer): Peer {
    const known = this.#roster.of(core);
    if (known !== undefined) return known;
    const address = this.#backing.sourceOf(core.address);
    const peer = this.#roster.add(peers.create(this.#forPeers, address));
    this.#roster.attach(peer, core);
    return peer;
  }

  #connected(peer: Peer, core: CorePeer, data: number): void {
    if (!this.#roster.has(peer)) return;
    const { outgoing } = corePeers.connectionOf(core);
    // Where nothing guards the host, or init was called since the client was accepted.
    if (!outgoing && !this.#backing.admits(core.address)) return void peer.reset();
    peers.connected(peer);
    if (!this.#roster.has(peer)) return;
    emit(this.#emitter, "connect", peer, outgoing ? undefined : data, outgoing);
  }
}
