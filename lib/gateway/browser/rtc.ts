/**
 * The page's side of a data channel: offers one, and gives up silently where there can be none.
 *
 * @module
 */
import type { Link } from "../link/link.ts";
import { decodeAnswer, encodeOffer, sdpOf, sideOf } from "../link/signalling.ts";
import { type RtcChannel, UnreliablePath } from "../link/unreliable_path.ts";

/** The part of an RTCDataChannel that is used here; Deno, Bun and Node do not know its type. */
interface PageChannel {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: (() => unknown) | null;
  onclose: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  send(bytes: Uint8Array): void;
}

/** The part of an RTCPeerConnection that is used here. */
interface PageConnection {
  readonly localDescription: { readonly sdp: string } | null;
  createDataChannel(label: string, options: object): PageChannel;
  setLocalDescription(): Promise<void>;
  setRemoteDescription(description: { type: "answer"; sdp: string }): Promise<void>;
  close(): void;
}

/** Where there is none, the offer fails as it does for other reasons. */
declare const RTCPeerConnection: new (configuration?: object) => PageConnection;

/** Servers that may help to reach a gateway by UDP; a part of the `RTCConfiguration` of browsers. */
export interface EnetRtcConfiguration {
  /** TURN servers that pass UDP on. */
  iceServers?: { urls: string | string[]; username?: string; credential?: string }[];
  /** `"relay"` sends through TURN servers only. */
  iceTransportPolicy?: "all" | "relay";
}

/** An offer, and the channel that it leads to. Where it leads to none, it rests until the end of the WebSocket. */
export class RtcOffer implements RtcChannel {
  readonly #link: Link;
  #connection: PageConnection | undefined;
  #channel: PageChannel | undefined;

  /**
   * @param link the link whose unreliable messages go over the channel, once there is one
   * @param send sends a frame to the gateway
   */
  constructor(
    link: Link,
    send: (frame: Uint8Array) => void,
    configuration: EnetRtcConfiguration | undefined,
  ) {
    this.#link = link;
    this.#begin(send, configuration).catch(() => this.close());
  }

  async #begin(
    send: (frame: Uint8Array) => void,
    configuration: EnetRtcConfiguration | undefined,
  ): Promise<void> {
    const connection = this.#connection = new RTCPeerConnection(configuration);
    const options = { negotiated: true, id: 0, ordered: false, maxRetransmits: 0 };
    const channel = this.#channel = connection.createDataChannel("enet", options);
    channel.binaryType = "arraybuffer";
    const link = this.#link;
    channel.onopen = () => link.path = new UnreliablePath(link, this);
    channel.onclose = () => this.close();
    channel.onmessage = ({ data }) =>
      link.path!.receive(data instanceof ArrayBuffer ? new Uint8Array(data) : undefined);
    await connection.setLocalDescription();
    const side = sideOf(connection.localDescription?.sdp ?? "");
    if (side && this.#connection) send(encodeOffer(side));
    else this.close();
  }

  /** A frame of the gateway. A connection that fails is noticed by its silence. Returns false where it is no answer. */
  answer(frame: Uint8Array): boolean {
    const answer = decodeAnswer(frame);
    if (answer) {
      this.#connection?.setRemoteDescription({ type: "answer", sdp: sdpOf(answer, "active") })
        .catch(() => this.close());
    } else if (answer === null) this.close();
    return answer !== undefined;
  }

  buffered(): number {
    return this.#channel!.bufferedAmount;
  }

  send(bytes: Uint8Array): void {
    this.#channel!.send(bytes);
  }

  close(): void {
    const [connection, channel] = [this.#connection, this.#channel];
    this.#connection = undefined;
    if (connection === undefined) return;
    if (channel) channel.onopen = channel.onclose = channel.onmessage = null;
    connection.close();
    this.#link.path?.close();
  }
}
