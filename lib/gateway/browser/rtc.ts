/**
 * The page's side of a data channel: offers one, and gives up silently where there can be none.
 *
 * @module
 */
import { decodeAnswer, encodeOffer, sdpOf, sideOf } from "../signalling.ts";
import type { RtcChannel } from "../unreliable_path.ts";

/** The part of an RTCDataChannel that is used here; Deno, Bun and Node do not know its type. */
interface PageChannel {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: (() => void) | null;
  onclose: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  send(bytes: Uint8Array): void;
}

/** The part of an RTCPeerConnection that is used here. */
interface PageConnection {
  readonly localDescription: { readonly sdp: string } | null;
  readonly connectionState: string;
  onconnectionstatechange: (() => void) | null;
  createDataChannel(label: string, options: object): PageChannel;
  setLocalDescription(): Promise<void>;
  setRemoteDescription(description: { type: "answer"; sdp: string }): Promise<void>;
  close(): void;
}

declare const RTCPeerConnection: (new (configuration?: object) => PageConnection) | undefined;

/** Servers that may help to reach a gateway by UDP; a part of the `RTCConfiguration` of browsers. */
export interface EnetRtcConfiguration {
  /** TURN servers that pass UDP on. */
  iceServers?: { urls: string | string[]; username?: string; credential?: string }[];
  /** `"relay"` sends through TURN servers only. */
  iceTransportPolicy?: "all" | "relay";
}

/** Whom an offer tells what happens. */
interface OfferUser {
  /** To be sent to the gateway. */
  send(frame: Uint8Array): void;
  /** There is a channel. */
  opened(channel: RtcChannel): void;
  /** A message; undefined stands for text. */
  received(bytes: Uint8Array | undefined): void;
  /** There is no channel any more. */
  closed(): void;
}

/** How long it may take until there is a channel, in milliseconds. */
const NEGOTIATION_MS = 10_000;

/** An offer, and the channel that it leads to. */
export class RtcOffer implements RtcChannel {
  readonly #user: OfferUser;
  #connection: PageConnection | undefined;
  #channel: PageChannel | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(user: OfferUser, configuration: EnetRtcConfiguration | undefined) {
    this.#user = user;
    void this.#begin(configuration).catch(() => this.close());
  }

  async #begin(configuration: EnetRtcConfiguration | undefined): Promise<void> {
    if (typeof RTCPeerConnection === "undefined") return;
    const connection = this.#connection = new RTCPeerConnection(configuration);
    const options = { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 };
    const channel = this.#channel = connection.createDataChannel("enet", options);
    channel.binaryType = "arraybuffer";
    this.#timer = setTimeout(() => this.close(), NEGOTIATION_MS);
    channel.onopen = () => {
      clearTimeout(this.#timer);
      this.#user.opened(this);
    };
    channel.onclose = () => this.close();
    channel.onmessage = ({ data }) =>
      this.#user.received(data instanceof ArrayBuffer ? new Uint8Array(data) : undefined);
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === "failed") this.close();
    };
    await connection.setLocalDescription();
    const side = sideOf(connection.localDescription?.sdp ?? "");
    if (side === undefined) this.close();
    else if (this.#connection !== undefined) this.#user.send(encodeOffer(side));
  }

  /** A frame of the gateway. Returns false where it is no answer. */
  answer(frame: Uint8Array): boolean {
    const answer = decodeAnswer(frame);
    if (answer === undefined) return false;
    const connection = this.#connection;
    if (connection === undefined) return true;
    if (answer === null) this.close();
    else {
      const mid = connection.localDescription!.sdp.match(/^a=mid:(\S+)/m)?.[1] ?? "0";
      connection.setRemoteDescription({ type: "answer", sdp: sdpOf(answer, "active", mid) })
        .catch(() => this.close());
    }
    return true;
  }

  buffered(): number {
    return this.#channel!.bufferedAmount;
  }

  send(bytes: Uint8Array): void {
    this.#channel!.send(bytes);
  }

  close(): void {
    clearTimeout(this.#timer);
    const connection = this.#connection;
    const channel = this.#channel;
    this.#connection = undefined;
    if (connection === undefined) return;
    connection.onconnectionstatechange = null;
    if (channel) channel.onopen = channel.onclose = channel.onmessage = null;
    connection.close();
    this.#user.closed();
  }
}
