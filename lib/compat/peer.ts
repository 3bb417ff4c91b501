import { EventEmitter } from "node:events";
import type { Buffer } from "node:buffer";
import type { Duplex, Readable, Writable } from "node:stream";
import { integer, U32 } from "../internal/validate.ts";
import type { Address } from "../address.ts";
import { ENetError } from "../errors.ts";
import type { DisconnectReason } from "../disconnect.ts";
import { type Peer as CorePeer, peers as corePeers } from "../peer.ts";
import { PEER_STATES } from "../peer_state.ts";
import type { PeerStats } from "../peer_stats.ts";
import type { TimeoutOptions } from "../tuning.ts";
import { checkCallback, emit, report } from "./_report.ts";
import type { AddressInfo } from "./address.ts";
import { PEER_STATE } from "./constants.ts";
import type { Packet, PacketData } from "./packet.ts";
import { refuse, type SendCallback, sendMessage } from "./sending.ts";
import { endedStreams } from "./stream_ends.ts";
import { PeerStreams } from "./streams.ts";

/** Called once: with the peer when it is connected, else with an error. */
export type ConnectCallback = (error: Error | undefined, peer?: Peer) => void;

/** The events of a {@linkcode Peer} and the arguments of their listeners. */
export interface PeerEvents {
  /** The connection that this side opened is established. */
  connect: [];
  /** A message: its packet, and the channel. */
  message: [packet: Packet, channel: number];
  /**
   * The connection is over: the 32-bit value that the other side gave, or 0; and the reason, where the
   * library knows it.
   */
  disconnect: [data: number | undefined, reason?: DisconnectReason];
}

/** What a peer asks of its host. */
export interface PeerHost {
  isOffline(): boolean;
  /** The peer is gone. */
  forget(peer: Peer): void;
}

/** What the host may do with its peers. */
interface PeerInside {
  /** A peer without a connection yet. */
  create(host: PeerHost, address: AddressInfo, callback?: ConnectCallback): Peer;
  /** Gives a peer its connection, which may be connecting. */
  attach(peer: Peer, core: CorePeer): void;
  /** The connection is established. */
  connected(peer: Peer): void;
  /** Whether streams read a channel. */
  reads(peer: Peer, channel: number): boolean;
  /** Drops what comes from the peer, or takes it again, as a filter says about its address. */
  filter(peer: Peer, admits: (address: Address) => boolean): void;
  /** A message on a channel that streams read. */
  receive(peer: Peer, channel: number, bytes: Buffer): void;
  /** The connection is over, or the attempt has failed. */
  end(peer: Peer, data: number, reason: DisconnectReason | undefined, cause?: unknown): void;
}

let inside: PeerInside;

/** The 32-bit value of a connect or disconnect, which programs may also write as a signed one. */
export function dataOf(data: unknown): number {
  return integer(data ?? 0, "data", -(2 ** 31), U32) >>> 0;
}

/**
 * One connection of a {@linkcode Host}. It emits {@linkcode PeerEvents}.
 *
 * @example
 * ```ts
 * import { createClient, createServer, type Host } from "@enetjs/enet/compat";
 *
 * createServer({ address: "127.0.0.1:0" }, (error, server) => {
 *   if (error || !server) throw error;
 *   server.on("message", (_peer, packet) => {
 *     console.log(packet.data()?.toString()); // hello
 *     server.destroy();
 *   });
 *   server.start();
 *   createClient((error, client) => {
 *     if (error || !client) throw error;
 *     const peer = client.connect(server.address()!, 1, 0, () => {
 *       peer?.send(0, "hello", () => client.destroy());
 *     });
 *   });
 * });
 * ```
 */
export class Peer extends EventEmitter<PeerEvents> {
  readonly #host: PeerHost;
  #address: AddressInfo;
  #core: CorePeer | undefined;
  #callback: ConnectCallback | undefined;
  #streams: PeerStreams;
  /** Set by `disconnectLater` while its streams still write. */
  #leaving: number | undefined;
  #gone = false;

  private constructor(host: PeerHost, address: AddressInfo, callback?: ConnectCallback) {
    super();
    this.setMaxListeners(0);
    this.#host = host;
    this.#address = address;
    this.#callback = callback;
    this.#streams = new PeerStreams(() => this.#leave());
  }

  /** One of {@linkcode PEER_STATE}. */
  state(): number {
    if (this.#gone) return PEER_STATE.DISCONNECTED;
    if (this.#leaving !== undefined) return PEER_STATE.DISCONNECT_LATER;
    return this.#core === undefined ? PEER_STATE.CONNECTING : PEER_STATES.indexOf(this.#core.state);
  }

  /** The other side's address, also after the end. */
  address(): AddressInfo {
    return this.#address;
  }

  /** Bytes received since ENet last evaluated its bandwidth; 0 without a connection. */
  incomingDataTotal(): number {
    return this.stats()?.incomingDataTotal ?? 0;
  }

  /** Bytes sent since ENet last evaluated its bandwidth; 0 without a connection. */
  outgoingDataTotal(): number {
    return this.stats()?.outgoingDataTotal ?? 0;
  }

  /** Reliable bytes on the way, not yet acknowledged; 0 without a connection. */
  reliableDataInTransit(): number {
    return this.stats()?.reliableDataInTransit ?? 0;
  }

  /** Mean round trip in milliseconds; 0 without a connection. */
  roundTripTime(): number {
    return this.stats()?.roundTripTimeMs ?? 0;
  }

  /** Mean share of reliable packets that were retransmitted, 0–1; 0 without a connection. */
  packetLoss(): number {
    return this.stats()?.packetLoss ?? 0;
  }

  /** Everything that ENet knows of the connection, or undefined without one. */
  stats(): PeerStats | undefined {
    return this.#try((core) => core.stats);
  }

  /**
   * Sends a message. The callback is called exactly once. It gets an error at once when the message is
   * refused. It gets no error when the other side has acknowledged a reliable packet, or an unreliable one has been
   * sent. It gets the error `packet-not-delivered` when that can no longer happen.
   *
   * @param channel the channel, from 0
   * @param packet a packet, or text or bytes, which are sent reliably
   * @param callback is told what becomes of it
   * @returns whether the message was refused; false is good
   * @throws {TypeError} if `packet` is nothing that can be sent, and for a callback that is no function
   */
  send(channel: number, packet: Packet | PacketData, callback?: SendCallback): boolean {
    checkCallback(callback);
    if (this.#host.isOffline()) return refuse(callback, "ENETJS_ERR_CLOSED", "host-destroyed");
    if (this.#gone) return refuse(callback, "ENETJS_ERR_STALE", "Peer is disconnected");
    const core = this.#leaving === undefined ? this.#core : undefined;
    return sendMessage(core, channel, packet, callback);
  }

  /**
   * The promise form of {@linkcode Peer.send}.
   *
   * @param channel the channel, from 0
   * @param packet as for {@linkcode Peer.send}
   * @returns a promise that resolves where the callback is called without an error, and rejects with
   *   its error
   */
  sendAsync(channel: number, packet: Packet | PacketData): Promise<void> {
    return new Promise((resolve, reject) => {
      this.send(channel, packet, (error) => error === undefined ? resolve() : reject(error));
    });
  }

  /** Pings the other side now, beside the pings ENet sends by itself. @returns this peer */
  ping(): this {
    this.#try((core) => core.ping());
    return this;
  }

  /**
   * Sets how long a connection may be silent before ENet sends a ping.
   *
   * @param intervalMs milliseconds; 0 is ENet's default, 500
   * @returns this peer
   * @throws {RangeError} if it is no unsigned 32-bit integer
   */
  pingInterval(intervalMs: number): this {
    this.#try((core) => core.pingInterval(intervalMs));
    return this;
  }

  /**
   * Sets after which time without acknowledgements the connection ends.
   *
   * @param timeouts what to change; what is absent gets ENet's default
   * @returns this peer
   * @throws {RangeError} if a value is no unsigned 32-bit integer
   */
  timeout(timeouts: TimeoutOptions): this {
    this.#try((core) => core.timeout(timeouts));
    return this;
  }

  /**
   * Forgets the connection without a notice; no event follows.
   *
   * @returns this peer
   */
  reset(): this {
    if (this.#gone) return this;
    const core = this.#core;
    this.#finish(new ENetError("ENETJS_ERR_STALE", "The peer was reset"));
    if (core !== undefined && core.state !== "disconnected") core.reset();
    this.#answer(new ENetError("ENETJS_ERR_STALE", "failed"));
    return this;
  }

  /**
   * Ends the connection and drops what is queued. The `disconnect` event follows when the other side has
   * acknowledged.
   *
   * @param data a 32-bit value for the other side
   * @returns this peer
   * @throws {RangeError} if `data` is no 32-bit integer
   */
  disconnect(data?: number): this {
    const value = dataOf(data);
    if (this.#core === undefined) this.#giveUp();
    else if (!this.#gone) void this.#core.disconnect(value);
    return this;
  }

  /**
   * Ends the connection at once, with one notice that may be lost. The `disconnect` event comes before
   * this returns.
   *
   * @param data a 32-bit value for the other side
   * @returns this peer
   * @throws {RangeError} if `data` is no 32-bit integer
   */
  disconnectNow(data?: number): this {
    const value = dataOf(data);
    if (this.#gone) return this;
    this.#core?.disconnectNow(value);
    this.#end(undefined, "local");
    return this;
  }

  /**
   * Ends the connection after everything queued has been delivered, including what was written to its
   * streams.
   *
   * @param data a 32-bit value for the other side
   * @returns this peer
   * @throws {RangeError} if `data` is no 32-bit integer
   */
  disconnectLater(data?: number): this {
    const value = dataOf(data);
    if (this.#core === undefined) {
      this.#giveUp();
    } else if (!this.#gone && this.#leaving === undefined) {
      this.#leaving = value;
      this.#leave();
    }
    return this;
  }

  /** Does what `disconnectLater` has begun, once no stream has anything left to write. */
  #leave(): void {
    if (this.#leaving === undefined || this.#gone || this.#streams.writing) return;
    void this.#core?.disconnectLater(this.#leaving);
    this.#leaving = undefined;
  }

  /** Ends an attempt that has not begun. */
  #giveUp(): void {
    if (!this.#gone) this.#end(0, "local");
  }

  /**
   * A stream of the messages of a channel. It ends after the last byte when either side disconnects. When the
   * connection was lost, it emits `error` if the program listens for it, and else ends. The peer also emits
   * the channel's messages.
   *
   * A slow reader slows the sender down: when 2 MiB waits, the library pauses the peer with all of its
   * channels. A channel may have several streams; the slowest counts.
   *
   * @param channel the channel, from 0
   * @returns the stream; once the connection is over one that fails, or ends, when it is read
   * @throws {RangeError} if the connection has no such channel
   */
  createReadStream(channel: number): Readable {
    return this.#gone ? endedStreams.readable() : this.#streams.readable(channel);
  }

  /**
   * A stream to a channel. It takes more when the queue to the peer has drained. It cuts chunks that are
   * larger than a packet may be. It finishes when everything has been acknowledged. The callback of a write is
   * called when its bytes have been acknowledged. It gets an error when that can no longer happen.
   *
   * It closes with the connection. When the connection was lost, it emits `error` if the program listens for
   * it. A write after that emits `error`; so does a write after this side has begun to disconnect.
   *
   * @param channel the channel, from 0
   * @returns the stream; once the connection is over one that fails, or closes, when it is written to
   * @throws {RangeError} if the connection has no such channel
   */
  createWriteStream(channel: number): Writable {
    return this.#gone ? endedStreams.writable() : this.#streams.writable(channel);
  }

  /**
   * A stream in both directions; its writable side ends with its readable side.
   *
   * @param channel the channel, from 0
   * @returns the stream; once the connection is over one that fails, or ends, when it is used
   * @throws {RangeError} if the connection has no such channel
   */
  createDuplexStream(channel: number): Duplex {
    return this.#gone ? endedStreams.duplex() : this.#streams.duplex(channel);
  }

  /** Does something with a connection that may have ended in the meantime. */
  #try<T>(action: (core: CorePeer) => T): T | undefined {
    if (this.#core === undefined || this.#gone) return undefined;
    try {
      return action(this.#core);
    } catch (error) {
      if (error instanceof ENetError) return undefined;
      throw error;
    }
  }

  #answer(error: Error | undefined): void {
    const callback = this.#callback;
    this.#callback = undefined;
    if (error === undefined) report(callback, undefined, this);
    else report(callback, error);
  }

  #finish(forgotten?: Error): void {
    this.#gone = true;
    this.#host.forget(this);
    this.#streams.close(forgotten);
  }

  #end(data: number | undefined, reason: DisconnectReason | undefined, cause?: unknown): void {
    const code = cause instanceof ENetError ? cause.code : "ENETJS_ERR_STALE";
    this.#finish();
    this.#answer(
      new ENetError(
        code,
        code === "ENETJS_ERR_PEERS_EXHAUSTED" ? "maxpeers" : "failed",
        { cause },
      ),
    );
    emit(this, "disconnect", data, reason);
  }

  static {
    inside = {
      create: (host, address, callback) => new Peer(host, address, callback),
      attach(peer, core) {
        peer.#core = core;
      },
      connected(peer) {
        if (peer.#core === undefined) return;
        peer.#streams.open(corePeers.connectionOf(peer.#core));
        if (!corePeers.connectionOf(peer.#core).outgoing) return;
        peer.#answer(undefined);
        if (!peer.#gone) emit(peer, "connect");
      },
      filter(peer, admits) {
        if (peer.#core === undefined) return;
        const connection = corePeers.connectionOf(peer.#core);
        connection.deny(!admits(connection.address));
      },
      reads: (peer, channel) => peer.#streams.reads(channel),
      receive: (peer, channel, bytes) => peer.#streams.receive(channel, bytes),
      end(peer, data, reason, cause) {
        if (!peer.#gone) peer.#end(data, reason, cause);
      },
    };
  }
}

export const peers: PeerInside = inside;
