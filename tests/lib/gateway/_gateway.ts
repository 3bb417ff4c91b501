/**
 * What the tests of the gateway share: a host with a gateway, browsers, and sockets that speak the protocol by hand.
 *
 * @module
 */
import { EnetSocket } from "../../../lib/gateway/browser/mod.ts";
import { Gateway } from "../../../lib/gateway/gateway.ts";
import type { GatewayOptions } from "../../../lib/gateway/options.ts";
import { encodeHello, encodePong, PROTOCOL, TYPE, u32 } from "../../../lib/gateway/link/wire.ts";
import { Host, type HostHandlers, type ListenOptions } from "../../../mod.ts";
import { until } from "../../_helpers.ts";

/** A host of this process and its gateway. */
export interface Served extends AsyncDisposable {
  readonly host: Host;
  readonly gateway: Gateway;
  /** Connects a browser. */
  connect(options?: Parameters<typeof EnetSocket.connect>[1]): Promise<EnetSocket>;
}

/** Opens a host and a gateway before it. Disposing closes the browsers, the gateway and the host. */
export async function serve(
  options: ListenOptions = {},
  handlers?: HostHandlers,
  gatewayOptions: Omit<GatewayOptions, "host"> = {},
): Promise<Served> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await Host.listen({ hostname: "127.0.0.1", ...options }, handlers));
  const gateway = stack.use(
    await Gateway.listen({ host, hostname: "127.0.0.1", ...gatewayOptions }),
  );
  const kept = stack.move();
  return {
    host,
    gateway,
    async connect(options) {
      return kept.use(await EnetSocket.connect(gateway.url, { timeoutMs: 20_000, ...options }));
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Collects what a browser gets, as `channel flags text`, until its connection ends. */
export function collect(socket: EnetSocket): string[] {
  const got: string[] = [];
  void (async () => {
    for await (const { channelId, packet } of socket) {
      got.push(`${channelId} ${packet.flags} ${packet.text()}`);
    }
  })();
  return got;
}

/** A WebSocket that speaks the protocol by hand, or does not. */
export interface RawSocket {
  readonly socket: WebSocket;
  /** Frames that it has got. */
  readonly frames: Uint8Array[];
  /** The close frame, as `code reason`. */
  readonly closed: Promise<string>;
  send(frame: Uint8Array | string): void;
}

/** Options of `raw`. */
interface RawOptions {
  /** Says hello and waits for the welcome. Default true. */
  hello?: boolean;
  /** Answers pings, telling that nothing was taken. Default true. */
  pongs?: boolean;
  channels?: number;
  window?: number;
}

/** Opens one. */
export async function raw(url: string, options: RawOptions = {}): Promise<RawSocket> {
  const { hello = true, pongs = true, channels = 2, window = 65_536 } = options;
  const socket = new WebSocket(url, [PROTOCOL]);
  socket.binaryType = "arraybuffer";
  const frames: Uint8Array[] = [];
  const opened = Promise.withResolvers<void>();
  const closed = new Promise<string>((resolve) => {
    socket.onclose = ({ code, reason }) => {
      opened.reject(new Error(`closed with ${code}`));
      resolve(`${code} ${reason}`.trim());
    };
  });
  opened.promise.catch(() => {});
  socket.onopen = () => opened.resolve();
  const send = (frame: Uint8Array | string) => socket.send(frame as Uint8Array<ArrayBuffer>);
  socket.onmessage = ({ data }) => {
    const frame = new Uint8Array(data);
    frames.push(frame);
    if (pongs && frame[0] === 255 && frame[1] === TYPE.PING) send(encodePong(u32(frame, 2), 0));
  };
  await opened.promise;
  if (hello) {
    send(encodeHello({ channels, data: 0, window }));
    await until(() => frames.length > 0, 30_000, "the welcome");
  }
  return { socket, frames, closed, send };
}
