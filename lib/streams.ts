import { ChannelReader, ChannelWriter } from "./internal/channel_io.ts";
import type { Connection } from "./internal/connection.ts";
import { integer, options } from "./internal/validate.ts";

/** What can be written to the stream of `peer.writable`; text is sent as UTF-8. */
export type StreamChunk = string | ArrayBufferLike | ArrayBufferView;

/** Options of `peer.writable`. */
export interface WritableOptions {
  /**
   * Bytes above which a chunk is sent as several messages. Default the host's `maximumPacketSize`;
   * the other side must accept messages of that size.
   */
  chunkSize?: number;
}

/** Bytes that wait in a stream before its writer is asked to wait. */
const WAITING_BYTES = 64 * 1024;

/** The messages of a channel as a stream; see `Peer.readable`. */
export function readableOf(
  connection: Connection,
  channelId: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = new ChannelReader(connection, channelId);
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const packet = await reader.read();
      if (packet === undefined) return controller.close();
      controller.enqueue(packet.bytes);
      packet.dispose();
    },
    cancel: () => reader.cancel(),
    // What waits, waits in the reader, where it is counted.
  }, { highWaterMark: 0 });
}

/** A stream to a channel; see `Peer.writable`. */
export function writableOf(
  connection: Connection,
  channelId: number,
  given: WritableOptions,
): WritableStream<StreamChunk> {
  options(given, "options", ["chunkSize"]);
  const { maximumPacketSize } = connection.endpoint.settings;
  const { chunkSize = maximumPacketSize } = given;
  integer(chunkSize, "chunkSize", 1, maximumPacketSize);
  const writer = new ChannelWriter(connection, channelId, chunkSize);
  return new WritableStream<StreamChunk>({
    start: (controller) => writer.onEnd((loss) => controller.error(loss ?? writer.ended)),
    write: (chunk) => writer.write(chunk),
    async close() {
      await writer.flushed();
      writer.detach();
    },
    abort: () => writer.detach(),
  }, { highWaterMark: WAITING_BYTES, size: sizeOf });
}

/** Bytes of a chunk, about; what is none is refused when it is written. */
function sizeOf(chunk: StreamChunk): number {
  return (typeof chunk === "string" ? chunk.length : chunk?.byteLength) ?? 0;
}
