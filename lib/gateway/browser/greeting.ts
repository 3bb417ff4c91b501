/**
 * How a page connects: the WebSocket, the hello and its answer.
 *
 * @module
 */
import { CLOSE, decodeWelcome, encodeHello, endOf, PROTOCOL, type Welcome } from "../link/wire.ts";
import { EnetSocketError } from "./errors.ts";
import type { ConnectPlan } from "./options.ts";

/** Cost of the messages that wait here for the program. */
export const WINDOW = 128 * 1024;

/**
 * Opens a WebSocket and says hello.
 *
 * @param welcomed called with the socket and the gateway's answer, before what comes behind that
 * @returns a promise of what that returns
 */
export function greet<T>(
  url: string | URL,
  plan: ConnectPlan,
  welcomed: (socket: WebSocket, welcome: Welcome) => T,
): Promise<T> {
  const { channels, data, timeoutMs, signal } = plan;
  signal?.throwIfAborted();
  const socket = new WebSocket(url, [PROTOCOL]);
  socket.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.onopen = socket.onmessage = socket.onclose = null;
      if (error === undefined) return;
      socket.close(CLOSE.DISCONNECT);
      reject(error);
    };
    const fail = (code: EnetSocketError["code"], what: string, data?: number) =>
      settle(new EnetSocketError(code, `Connecting to ${url}: ${what}`, data));
    const onAbort = () => settle(signal!.reason);
    const timer = setTimeout(
      () => fail("ENETJS_ERR_TIMEOUT", `no answer within ${timeoutMs} ms`),
      timeoutMs,
    );
    signal?.addEventListener("abort", onAbort);
    socket.onopen = () => socket.send(encodeHello({ channels, data, window: WINDOW }));
    socket.onmessage = (event: MessageEvent) => {
      const bytes = event.data instanceof ArrayBuffer && new Uint8Array(event.data);
      const welcome = bytes ? decodeWelcome(bytes) : undefined;
      if (welcome === undefined) {
        return fail("ENETJS_ERR_SOCKET", `the answer is not of ${PROTOCOL}`);
      }
      settle();
      resolve(welcomed(socket, welcome));
    };
    socket.onclose = ({ code, reason }: CloseEvent) => {
      const end = endOf(code, reason);
      if (end.reason === "refused") {
        return fail("ENETJS_ERR_REFUSED", `refused with ${end.data}`, end.data);
      }
      fail("ENETJS_ERR_SOCKET", `closed with ${code}`);
    };
  });
}
