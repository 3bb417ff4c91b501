import { integer } from "../internal/validate.ts";
import { ENetError, type ENetErrorCode } from "../errors.ts";
import { type Peer as CorePeer, peers as corePeers } from "../peer.ts";
import { report } from "./_report.ts";
import { PACKET_FLAG } from "./constants.ts";
import { Packet, type PacketData, packets } from "./packet.ts";

/** Called once: without an error when a packet has been delivered or sent, else with one. */
export type SendCallback = (error?: Error) => void;

/** Tells a callback that its message was refused. @returns true, as `Peer.send` does then */
export function refuse(
  callback: SendCallback | undefined,
  code: ENetErrorCode,
  message: string,
  cause?: unknown,
): true {
  report(callback, new ENetError(code, message, { cause }));
  return true;
}

/**
 * Sends a message, and tells its callback what becomes of it.
 *
 * @param core the connection; undefined while there is none, and once it ends
 * @returns whether the message was refused
 */
export function sendMessage(
  core: CorePeer | undefined,
  channel: number,
  packet: Packet | PacketData,
  callback: SendCallback | undefined,
): boolean {
  const message = packet instanceof Packet ? packet : new Packet(packet, PACKET_FLAG.RELIABLE);
  const bytes = packets.bytes(message);
  if (bytes === undefined) return refuse(callback, "ENETJS_ERR_RELEASED", "null packet");
  if (core === undefined || !corePeers.connectionOf(core).sendable) {
    return refuse(callback, "ENETJS_ERR_NOT_CONNECTED", "Packet not queued");
  }
  try {
    if (callback === undefined) core.send(channel, bytes, packets.flags(message));
    else sendWithCallback(core, channel, bytes, message, callback);
    return false;
  } catch (error) {
    const code = error instanceof ENetError ? error.code : "ENETJS_ERR_CHANNEL";
    return refuse(callback, code, "Packet not queued", error);
  }
}

function sendWithCallback(
  core: CorePeer,
  channel: number,
  bytes: Uint8Array,
  message: Packet,
  callback: SendCallback,
): void {
  const connection = corePeers.connectionOf(core);
  const { endpoint: { deliveries } } = connection;
  integer(channel, `channel of a connection with ${core.channelCount}`, 0, core.channelCount - 1);
  const token = deliveries.token();
  const result = connection.send(channel, packets.flags(message), bytes, token);
  if (result < 0) throw connection.error(result);
  deliveries.acknowledged(token, connection).then(
    () => {
      packets.sent(message);
      report(callback, undefined);
    },
    (cause) => refuse(callback, "ENETJS_ERR_UNDELIVERED", "packet-not-delivered", cause),
  );
}
