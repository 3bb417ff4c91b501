/**
 * One message of one peer: a short iteration over the peer.
 *
 * The peer is claimed while the call waits, as an iteration claims it. What comes behind the message before the
 * call returns goes back to whoever takes the peer's messages otherwise, in order. A message that has been taken
 * is returned, even if the time is up in the same moment: nothing is lost.
 *
 * @module
 */
import { ENetError, NATIVE_ERROR } from "../errors.ts";
import { planReceive } from "../message.ts";
import { Deadline } from "./deadline.ts";

/** What this file needs of a connection. */
interface MessageSource<Message> {
  readonly name: string;
  claim(): void;
  unclaim(): void;
  readonly inbox: { read(): Promise<IteratorResult<Message>>; dismiss(): void };
  error(result: number): Error;
}

/** The next message of a connection. */
export async function receiveOne<Message extends { readonly packet: { retain(): unknown } }>(
  connection: MessageSource<Message>,
  given: unknown,
): Promise<Message> {
  const { timeoutMs, signal } = planReceive(given);
  signal?.throwIfAborted();
  connection.claim();
  let late: ENetError | undefined;
  const stop = () => connection.inbox.dismiss();
  const deadline = timeoutMs === undefined ? undefined : new Deadline(timeoutMs, () => {
    late = new ENetError(
      "ENETJS_ERR_TIMEOUT",
      `${connection.name}: no message within ${timeoutMs} ms`,
    );
    stop();
  });
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const { value, done } = await connection.inbox.read();
    if (!done) {
      value.packet.retain();
      return value;
    }
    signal?.throwIfAborted();
    throw late ?? connection.error(NATIVE_ERROR.STALE);
  } finally {
    deadline?.clear();
    signal?.removeEventListener("abort", stop);
    connection.unclaim();
  }
}
