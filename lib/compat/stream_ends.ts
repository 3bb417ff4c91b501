/**
 * How the Node streams of a peer end, and the streams of a peer that is gone.
 *
 * The loss of a connection is an error of its streams. An error event that nobody listens for ends the
 * process, so a stream emits one only where the program listens.
 *
 * @module
 */
import { Duplex, Readable, Writable } from "node:stream";
import { ENetError } from "../errors.ts";

/** The error of a stream whose peer is no longer connected. */
export function notConnected(): ENetError {
  return new ENetError("ENETJS_ERR_NOT_CONNECTED", "peer-not-connected");
}

/** For each stream, how many others are piped to it: each of these listens for its errors. */
const pipes = new WeakMap<Readable | Writable, number>();

export function countPipes(stream: Writable): void {
  pipes.set(stream, 0);
  stream.on("pipe", () => pipes.set(stream, pipes.get(stream)! + 1));
  stream.on("unpipe", () => pipes.set(stream, pipes.get(stream)! - 1));
}

/** Whether the program itself listens for a stream's errors: otherwise one would end the process. */
export function isWatched(stream: Readable | Writable): boolean {
  return stream.listenerCount("error") > (pipes.get(stream) ?? 0);
}

/** Closes a stream; the loss of its connection is an error only where the program listens for errors. */
export function closeStream(stream: Readable | Writable, loss: Error | undefined): void {
  if (loss !== undefined && isWatched(stream)) stream.destroy(loss);
  else stream.destroy();
}

/** Ends a stream that reads, when everything has been read. */
export function endStream(stream: Readable, loss: Error | undefined): void {
  if (loss !== undefined && isWatched(stream)) stream.destroy(loss);
  else stream.push(null);
}

/** Streams of a connection that has ended: they fail when the program uses them. */
export const endedStreams = {
  readable(): Readable {
    return new Readable({
      read() {
        endStream(this, notConnected());
      },
    });
  },
  writable(): Writable {
    const stream = new Writable({
      write(_chunk, _encoding, callback) {
        refuseWrite(this, callback);
      },
    });
    countPipes(stream);
    return stream;
  },
  duplex(): Duplex {
    const stream = new Duplex({
      allowHalfOpen: false,
      read() {
        endStream(this, notConnected());
      },
      write(_chunk, _encoding, callback) {
        refuseWrite(this, callback);
      },
    });
    countPipes(stream);
    return stream;
  },
};

function refuseWrite(stream: Writable, callback: (error: Error) => void): void {
  const error = notConnected();
  closeStream(stream, error);
  callback(error);
}
