/**
 * Lets browsers into an ENet server elsewhere: one ENet connection for each of them.
 *
 * @module
 */
import { surface } from "../../ffi/surface.ts";
import type { Address } from "../address.ts";
import { DisconnectCode, type PeerEnd } from "../disconnect.ts";
import { ENetError } from "../errors.ts";
import type { Host } from "../host.ts";
import { PacketFlag } from "../packet.ts";
import type { Peer } from "../peer.ts";
import type { Accounts } from "./accounts.ts";
import type { Destination, Session } from "./session.ts";
import { CLOSE, type Hello } from "./link/wire.ts";

/** Cost of frames that a browser may have under way. */
const WINDOW = 64 * 1024;

/** Milliseconds that the server has for its answer: fewer than browsers wait for theirs. */
const ANSWER_MS = 3000;

/** A browser that has arrived. */
interface Guest {
  readonly session: Session;
  /** Ends the attempt to connect. */
  readonly left: AbortController;
  /** Its connection to the server, once there is one. */
  peer: Peer | undefined;
  /** Resolves when more may be sent to the browser. */
  drained: (() => void) | undefined;
}

const guestOf = (session: Session): Guest => session.tag as Guest;

/** The number that a browser is refused with after an attempt that failed. */
function refusalOf(error: unknown): number {
  if (!(error instanceof ENetError)) throw error;
  if (error.code === "ENETJS_ERR_REFUSED") return error.data as number;
  return error.code === "ENETJS_ERR_PEERS_EXHAUSTED"
    ? DisconnectCode.FULL
    : DisconnectCode.UNDECIDED;
}

/** Connects browsers to a server. */
export class ServerEntrance implements Destination {
  readonly #host: Host;
  readonly #to: Address;
  readonly #accounts: Accounts;
  readonly #most: number;
  /** Connections to the server, and attempts. */
  #size = 0;
  /** Bytes of incomplete messages. */
  #held = 0;
  readonly #onServer: (fault: ENetError | undefined) => void;
  /** Whether the server has answered the last attempt. */
  #answers = true;

  /**
   * @param host opens the connections
   * @param most browsers at a time
   * @param onServer called when the server does not answer any more, and when it answers again
   */
  constructor(
    host: Host,
    to: Address,
    accounts: Accounts,
    most: number,
    onServer: (fault: ENetError | undefined) => void = () => {},
  ) {
    this.#host = host;
    this.#to = to;
    this.#accounts = accounts;
    this.#most = most;
    this.#onServer = onServer;
  }

  arrive(session: Session, hello: Hello): void {
    const reason = this.#refusal(session);
    if (reason !== undefined) return session.refuse(reason);
    const left = new AbortController();
    const guest: Guest = { session, left, peer: undefined, drained: undefined };
    session.tag = guest;
    this.#size++;
    void this.#connect(guest, hello).finally(() => this.#size--);
  }

  #refusal({ hostname, account: { address } }: Session): number | undefined {
    if (!this.#accounts.allows(hostname)) return DisconnectCode.DENIED;
    if (!this.#accounts.connect(address)) return DisconnectCode.LIMIT;
    return this.#size >= this.#most ? DisconnectCode.FULL : undefined;
  }

  async #connect(guest: Guest, { channels, data, window }: Hello): Promise<void> {
    const { session, left } = guest;
    const host = this.#host;
    try {
      const options = { channels, data, timeoutMs: ANSWER_MS, signal: left.signal };
      guest.peer = await host.connect(this.#to, options);
      this.#tell(undefined);
    } catch (error) {
      session.tag = undefined;
      if (left.signal.aborted) return;
      const refusal = refusalOf(error);
      if (refusal !== DisconnectCode.FULL) {
        this.#tell(refusal === DisconnectCode.UNDECIDED ? error as ENetError : undefined);
      }
      return session.refuse(refusal);
    }
    const { peer } = guest;
    if (left.signal.aborted) return void peer.disconnect();
    const largest = host.maximumPacketSize;
    session.welcome(
      { channels: peer.channelCount, window: WINDOW, largest },
      window,
      host.highWaterMark,
    );
    await this.#forward(guest, peer);
    const { reason, data: last } = await peer.closed;
    if (reason === "remote") session.disconnectLater({ reason: "local", data: last });
    else session.disconnect(CLOSE.TIMEOUT, { reason: "local", data: 0 });
  }

  /** Tells the program when it has become another matter whether the server answers. */
  #tell(fault: ENetError | undefined): void {
    const answers = fault === undefined;
    if (answers === this.#answers) return;
    this.#answers = answers;
    try {
      this.#onServer(fault);
    } catch (error) {
      surface(error);
    }
  }

  /** Sends the server's messages to the browser, as fast as that takes them. */
  async #forward(guest: Guest, peer: Peer): Promise<void> {
    const { session } = guest;
    for await (const { channelId, packet } of peer) {
      if (session.state !== "connected") break;
      const { RELIABLE, UNSEQUENCED_FRAGMENT } = PacketFlag;
      const flags = packet.flags & RELIABLE ? RELIABLE : packet.flags & UNSEQUENCED_FRAGMENT;
      if (!session.send(channelId, flags, packet.view)) continue;
      await new Promise<void>((resolve) => guest.drained = resolve);
    }
  }

  message(
    session: Session,
    channelId: number,
    flags: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): void {
    const peer = guestOf(session).peer as Peer;
    if (peer.send(channelId, bytes, flags as PacketFlag)) return;
    session.held = true;
    peer.drain().then(() => session.held = false, () => {});
  }

  delivered(): void {}

  drained(session: Session): void {
    const guest = guestOf(session);
    guest.drained?.();
    guest.drained = undefined;
  }

  hold({ link }: Session, bytes: number): boolean {
    this.#held += bytes;
    const most = this.#host.maximumHostData / 4;
    return bytes < 0 || this.#held <= most || link.inbox.waitingBytes <= most / this.#most;
  }

  end(session: Session, { reason, data }: PeerEnd): void {
    const guest = guestOf(session);
    if (guest === undefined) return;
    guest.left.abort();
    guest.drained?.();
    if (guest.peer === undefined) return;
    if (reason === "local") void guest.peer.disconnect();
    else void guest.peer.disconnectLater(data); // after what the browser has sent before
  }
}
