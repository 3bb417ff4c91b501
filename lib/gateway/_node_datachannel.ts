/**
 * The npm package `node-datachannel`, which speaks WebRTC here: ICE, DTLS and SCTP of libdatachannel.
 *
 * It is an optional peer dependency: a native addon of 9 MB with threads of its own, which only gateways need that
 * are asked for WebRTC. It is loaded when the first of them begins to listen.
 *
 * @module
 */
import { ENetError } from "../errors.ts";
import { whyNotLoaded } from "../internal/optional_package.ts";

/** How a connection is made. */
export interface PeerConfig {
  readonly iceServers: readonly string[];
  readonly bindAddress?: string;
  readonly portRangeBegin?: number;
  readonly portRangeEnd?: number;
  readonly maxMessageSize: number;
}

/** The part of a data channel that is used here. Calls throw when it is closed. */
export interface DataChannel {
  onOpen(callback: () => void): void;
  onClosed(callback: () => void): void;
  onError(callback: (error: string) => void): void;
  onMessage(callback: (message: string | ArrayBuffer | Uint8Array) => void): void;
  sendMessageBinary(bytes: Uint8Array): boolean;
  bufferedAmount(): number;
}

/** The part of a connection that is used here. */
export interface PeerConnection {
  onStateChange(callback: (state: string) => void): void;
  onGatheringStateChange(callback: (state: string) => void): void;
  onDataChannel(callback: (channel: DataChannel) => void): void;
  setRemoteDescription(sdp: string, type: "offer"): void;
  localDescription(): { readonly sdp: string } | null;
  createDataChannel(
    label: string,
    options: {
      readonly negotiated: true;
      readonly id: number;
      readonly unordered: true;
      readonly maxRetransmits: 0;
    },
  ): DataChannel;
  close(): void;
}

/** The package. */
export interface RtcLibrary {
  readonly PeerConnection: new (name: string, config: PeerConfig) => PeerConnection;
}

const PACKAGE = "node-datachannel";

/**
 * Loads the package.
 *
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` when it is not installed, or does not work here; `ENETJS_ERR_PERMISSION` when
 *   Deno may not load it
 */
export async function loadRtcLibrary(): Promise<RtcLibrary> {
  let library: RtcLibrary;
  try {
    library = await import(PACKAGE);
  } catch (error) {
    const { name, message } = error as Error;
    if (name === "NotCapable" || /Requires \w+ access|addons is disabled/.test(message)) {
      const what =
        `webrtc: ${PACKAGE} is a native addon, which this process may not load; run with ` +
        "--allow-ffi --allow-read (Deno), or --allow-addons (Node with --permission)";
      throw new ENetError("ENETJS_ERR_PERMISSION", what, { cause: error });
    }
    const what = `webrtc: ${whyNotLoaded(PACKAGE, error)}`;
    throw new ENetError("ENETJS_ERR_LIBRARY", what, { cause: error });
  }
  if (typeof library.PeerConnection === "function") return library;
  throw new ENetError("ENETJS_ERR_LIBRARY", `webrtc: the package ${PACKAGE} has no PeerConnection`);
}
