/**
 * Messages as packets of an ENet connection. ENet does the handshake, pings and the end.
 *
 * @module
 */
import type { DisconnectReason } from "../disconnect.ts";
import { Host } from "../host.ts";
import type { PeerMessage } from "../message.ts";
import { type Packet, PacketFlag, packets } from "../packet.ts";
import { type Peer, peers } from "../peer.ts";
import type { Link } from "./link.ts";
import type { ConnectPlan, LinkPlan, ListenPlan } from "./options.ts";
import type { Place } from "./place.ts";
import type { Transport } from "./transport.ts";
import type { MessengerAddress } from "./types.ts";
import {
  CHANNEL,
  CLOSE_CODE,
  CONNECT_DATA,
  HEADER_BYTES,
  largestMessage,
  sizeFault,
} from "./wire.ts";

/** The library's own data of a peer; undefined for one that does not speak this protocol. */
type UdpPeer = Peer<UdpTransport | undefined>;

class UdpTransport implements Transport {
  readonly address: MessengerAddress;
  readonly link: Link;
  readonly #peer: UdpPeer;
  readonly #onGone: () => void;
  /** Takes the messages while the link is paused, and leaves them waiting. */
  #held: AsyncIterableIterator<PeerMessage> | undefined;
  #code = 0;
  /** The connection has ended, so that there is nothing to hold back. */
  #isOver = false;

  /** @param onGone called when the peer is needed no more */
  constructor(peer: UdpPeer, link: Link, plan: LinkPlan, onGone: () => void) {
    this.#peer = peer;
    this.link = link;
    this.#onGone = onGone;
    this.address = { protocol: "udp", ...peer.address };
    // The other side would send it again, and lose the connection without a reason.
    peers.connectionOf(peer).onTooLarge = (length) =>
      queueMicrotask(() => link.fault(sizeFault(length - HEADER_BYTES, plan.maximumMessageSize)));
    peer.pingInterval(plan.heartbeatMs);
    peer.timeout({ minimumMs: plan.lostMs, maximumMs: plan.lostMs });
  }

  get queuedBytes(): number {
    return this.#peer.queuedBytes;
  }

  write(message: Uint8Array, flags: PacketFlag): boolean {
    const channelId = flags === PacketFlag.RELIABLE ? CHANNEL.RELIABLE : CHANNEL.OTHER;
    return this.#peer.send(channelId, message, flags);
  }

  flush(): void {
    this.#peer.host.flush();
  }

  drain(): Promise<void> {
    return this.#peer.drain();
  }

  finish(code: number): void {
    this.#code = code;
    // Nobody waits for what was queued to a side that breaks the rules.
    if (code === CLOSE_CODE.CLOSED) void this.#peer.disconnectLater(code);
    else void this.#peer.disconnect(code);
  }

  release(): void {
    this.#onGone();
  }

  abort(): void {
    this.#peer.disconnectNow(this.#code);
    this.#onGone();
  }

  pause(paused: boolean): void {
    if (this.#isOver) return;
    if (paused) this.#held = this.#peer[Symbol.asyncIterator]();
    else {
      void this.#held?.return?.();
      this.#held = undefined;
    }
  }

  silence(): number {
    return Math.max(0, this.#peer.stats.sinceLastReceiveMs);
  }

  receive(channelId: number, packet: Packet): void {
    const isReliable = channelId === CHANNEL.RELIABLE;
    // A view of a small message costs more than reading it where it lies.
    const arena = packets.memory(packet)?.arena;
    const start = arena === undefined ? 0 : packets.offset(packet);
    this.link.frame(arena ?? packet.view, start, start + packet.length, isReliable, packet);
  }

  async ended(reason: DisconnectReason, data: number): Promise<void> {
    this.#isOver = true;
    if (this.#held !== undefined) {
      // What has waited came before the end.
      for await (const { channelId, packet } of this.#held) this.receive(channelId, packet);
    }
    if (reason === "remote") this.link.closedByOther(data);
    this.link.broken(`the connection ended (${reason})`);
  }
}

/** What a host takes from the plan of a connection. */
function hostOptions(plan: LinkPlan) {
  return {
    ...plan.host,
    maximumPacketSize: largestMessage(plan.maximumMessageSize),
    highWaterMark: plan.highWaterMark,
  };
}

/** Handlers that give everything to the link of its peer. */
const handlers = {
  receive(peer: UdpPeer, channelId: number, packet: Packet): void {
    peer.data?.receive(channelId, packet);
  },
  disconnect(peer: UdpPeer, reason: DisconnectReason, data: number): void {
    void peer.data?.ended(reason, data);
  },
};

/** Listens, and makes a link of each client. */
export async function listenUdp(
  address: MessengerAddress,
  plan: ListenPlan,
  open: () => Link,
  onFailure: (error: Error) => void,
): Promise<Place> {
  let isClosing = false;
  const hostname = address.hostname === "*" ? "0.0.0.0" : address.hostname;
  const options = {
    ...hostOptions(plan),
    hostname,
    port: address.port,
    peers: plan.connections,
    channels: CHANNEL.COUNT,
  };
  const host = await Host.listen<UdpTransport | undefined>(options, {
    ...handlers,
    connect(peer, data) {
      if (isClosing) return peer.disconnectNow(CLOSE_CODE.FULL);
      if (data !== CONNECT_DATA || peer.channelCount < CHANNEL.COUNT) {
        return peer.disconnectNow(CLOSE_CODE.PROTOCOL);
      }
      const link = open();
      link.transport = peer.data = new UdpTransport(peer, link, plan, () => {});
      link.opened();
    },
    error: onFailure,
  });
  return {
    address: { protocol: "udp", ...host.address },
    stop: () => void (isClosing = true),
    close: async () => void await host.close({ graceMs: 0 }),
  };
}

/** Connects, and makes a link of it; rejects if it cannot. */
export async function connectUdp(
  { hostname, port }: MessengerAddress,
  plan: ConnectPlan,
  open: () => Link,
): Promise<void> {
  // One more, for a second address that is tried at the same time.
  const host = await Host.create<UdpTransport | undefined>({ ...hostOptions(plan), peers: 2 }, {
    ...handlers,
    connect(peer) {
      const link = open();
      link.transport = peer.data = new UdpTransport(peer, link, plan, close);
      link.opened();
    },
    // The connection is told as lost.
    error() {},
  });
  const close = () => queueMicrotask(() => void host.close({ graceMs: 0 }));
  try {
    await host.connect({ hostname, port }, {
      channels: CHANNEL.COUNT,
      data: CONNECT_DATA,
      timeoutMs: plan.handshakeMs,
      signal: plan.signal,
    });
  } catch (error) {
    close();
    throw error;
  }
}
