import { surface } from "../../ffi/surface.ts";
import { handlers as checkHandlers } from "../internal/validate.ts";
import { parseAddress } from "./address.ts";
import { MessengerConnection } from "./connection.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Link, type LinkOwner } from "./link.ts";
import { Hub, MessengerListener } from "./listener.ts";
import type { MessengerConnectOptions, MessengerListenOptions } from "./messenger_options.ts";
import { type ConnectPlan, HANDLERS, planConnect, planListen } from "./options.ts";
import { connectError, connectTcp, listenTcp } from "./tcp.ts";
import type { Connection, Listener, MessengerAddress, MessengerHandlers } from "./types.ts";
import { connectUdp, listenUdp } from "./udp.ts";

/**
 * The two ways to get connections.
 *
 * @example
 * ```ts
 * import { Messenger } from "@enetjs/enet/messaging";
 *
 * await using listener = await Messenger.listen("udp://127.0.0.1:0", {}, {
 *   request: (request) => `${request.data.text()}, world`,
 * });
 * await using connection = await Messenger.connect(listener.address);
 * const reply = await connection.get("hello");
 * console.log(reply.text()); // hello, world
 * ```
 */
export class Messenger {
  private constructor() {}

  /**
   * Listens on an address.
   *
   * @param address such as `"udp://*:7000"`, or its parts; port 0 takes any free one
   * @param options limits and times
   * @param handlers functions for all connections; one connection can get others, see
   *   {@linkcode Connection.handlers}
   * @returns the listener
   * @throws {TypeError} for an option of the wrong type
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_ADDRESS` for an address that is none, `ENETJS_ERR_ADDRESS_IN_USE`,
   *   `ENETJS_ERR_ADDRESS_UNAVAILABLE`, `ENETJS_ERR_PERMISSION`, `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_SOCKET`
   */
  static async listen<Context = unknown>(
    address: string | MessengerAddress,
    options: MessengerListenOptions = {},
    handlers: MessengerHandlers<Context> = {},
  ): Promise<Listener<Context>> {
    const at = parseAddress(address, true);
    const plan = planListen(options, at.protocol);
    checkHandlers(handlers, HANDLERS);
    const hub = new Hub(plan, handlers as MessengerHandlers);
    const isTcp = at.protocol === "tcp";
    const listen = isTcp ? listenTcp : listenUdp;
    hub.place = await listen(at, plan, () => hub.open(isTcp), (error) => hub.fail(error));
    return new MessengerListener(hub) as Listener as Listener<Context>;
  }

  /**
   * Connects to an address.
   *
   * @param address such as `"tcp://example.com:7000"`, or its parts, such as `listener.address`
   * @param options limits and times
   * @param handlers functions for the connection
   * @returns the connection, when it is ready
   * @throws {TypeError} for an option of the wrong type
   * @throws {RangeError} for a value out of range
   * @throws {ENetError} `ENETJS_ERR_ADDRESS` for an address that is none, `ENETJS_ERR_REFUSED` when nobody
   *   listens there (tcp) or the other side has no room or ends at once, `ENETJS_ERR_TIMEOUT` when it does not
   *   answer in time,
   *   `ENETJS_ERR_ADDRESS_UNAVAILABLE` when there is no way to it, `ENETJS_ERR_PROTOCOL` when it does not speak
   *   this protocol, `ENETJS_ERR_RESOLVE`, `ENETJS_ERR_SOCKET`; or the reason of the signal
   */
  static async connect<Context = unknown>(
    address: string | MessengerAddress,
    options: MessengerConnectOptions<Context> = {},
    handlers: MessengerHandlers<Context> = {},
  ): Promise<Connection<Context>> {
    const to = parseAddress(address, false);
    const plan = planConnect(options, to.protocol);
    checkHandlers(handlers, HANDLERS);
    plan.signal?.throwIfAborted();
    const connection = await connect(to, plan, handlers as MessengerHandlers);
    return connection as Connection<Context>;
  }
}

async function connect(
  to: MessengerAddress,
  plan: ConnectPlan,
  handlers: MessengerHandlers,
): Promise<Connection> {
  const ready = Promise.withResolvers<Connection>();
  const owner: LinkOwner = {
    ready({ connection }) {
      try {
        handlers.ready?.(connection);
      } catch (error) {
        surface(error);
      }
      ready.resolve(connection);
    },
    failed: (_, error) => ready.reject(error),
    ended() {},
  };
  const open = (handshake: boolean) => {
    const link = new Link(plan, handshake, handlers, new Dispatcher(), owner);
    link.connection = new MessengerConnection(link, plan.context);
    return link;
  };
  if (to.protocol === "udp") {
    connectUdp(to, plan, () => open(false)).catch(ready.reject);
    return await ready.promise;
  }
  const link = open(true);
  const abort = () => {
    ready.reject(plan.signal?.reason);
    link.broken("the attempt was aborted");
  };
  owner.failed = (_, error) => {
    ready.reject(error.cause instanceof Error ? connectError(error.cause, to) : error);
  };
  plan.signal?.addEventListener("abort", abort);
  try {
    connectTcp(to, plan, link);
    return await ready.promise;
  } finally {
    plan.signal?.removeEventListener("abort", abort);
  }
}
