/**
 * A WebSocket server: it listens, takes connections through their handshakes, and knows the clients. The contract is
 * in `contract.ts`, the choice of the library that speaks the protocol in `_ws.ts`.
 *
 * @module
 */
import net, { type Server, type Socket } from "node:net";
import { setInterval } from "node:timers";
import type { SecureContext } from "node:tls";
import { surface } from "../../../ffi/surface.ts";
import { count, makeInspectable } from "../../internal/inspect.ts";
import { hostAndPort } from "../../internal/ip.ts";
import { systemError } from "../../internal/system_error.ts";
import { handlers as requireHandlers, integer, options, U32 } from "../../internal/validate.ts";
import { createWsServer, loadWs, type WsServer } from "./_ws.ts";
import { Client, type ClientCounters, type ClientOwner, CLOSE_TIMEOUT_MS } from "./client.ts";
import { requireClose } from "./close.ts";
import type {
  CloseServerOptions,
  Message,
  SendOptions,
  SocketAddress,
  SocketClient,
  SocketHandlers,
  SocketServer,
  SocketServerOptions,
  SocketServerStats,
  SocketTls,
} from "./contract.ts";
import { Handshake, type HandshakeOwner, type Passed } from "./handshake.ts";
import { Handshakes } from "./handshakes.ts";
import { formatLogLine } from "./log.ts";
import { prepared } from "./message.ts";
import { planOf, type SocketPlan } from "./options.ts";
import { secureContext } from "./tls.ts";
import { UnixSocket } from "./_unix_socket.ts";

/** Clients are looked at this often in the shortest time that is set for them. */
const LOOKS = 4;
const SHORTEST_LOOK_MS = 5;
const LONGEST_LOOK_MS = 1000;

const NOTHING = new Uint8Array(0);

class WebSocketServer implements SocketServer, HandshakeOwner, ClientOwner {
  readonly plan: SocketPlan;
  readonly handlers: SocketHandlers;
  readonly counters: ClientCounters = {
    received: 0,
    receivedBytes: 0,
    sent: 0,
    sentBytes: 0,
    dropped: 0,
    replaced: 0,
    closedSlow: 0,
    faults: {},
    timedOut: 0,
  };
  readonly #listener: Server;
  readonly #ws: WsServer;
  readonly #handshakes: Handshakes;
  /** Open clients. */
  readonly #open = new Map<number, Client>();
  /** Open and closing clients. */
  readonly #all = new Set<Client>();
  readonly #refused: Record<number, number> = {};
  #abandoned = 0;
  #ids = 0;
  #secureContext: SecureContext | undefined;
  #ticking: ReturnType<typeof setInterval> | undefined;
  #address: SocketAddress = { hostname: "", port: 0 };
  #unix: UnixSocket | undefined;
  #closing: Promise<void> | undefined;
  #emptied: (() => void) | undefined;

  constructor(plan: SocketPlan, handlers: SocketHandlers) {
    this.plan = plan;
    this.handlers = handlers;
    this.#handshakes = new Handshakes(plan.maximumHandshakes);
    this.#secureContext = plan.tls;
    this.#ws = createWsServer(plan.maximumMessageSize, CLOSE_TIMEOUT_MS);
    // The rules have let only such requests pass as `ws` takes, too.
    this.#ws.on("wsClientError", (error, stream) => {
      surface(error);
      stream.destroy();
    });
    this.#listener = net.createServer({ noDelay: true }, (socket) => this.#connected(socket));
    Object.preventExtensions(this);
  }

  async listen(): Promise<void> {
    const { hostname, port, unixSocket } = this.plan;
    if (unixSocket !== undefined) this.#unix = await UnixSocket.at(unixSocket);
    const where = unixSocket ?? hostAndPort({ hostname, port });
    const listening = Promise.withResolvers<void>();
    const onError = (error: Error) => listening.reject(systemError(error, `Listening on ${where}`));
    this.#listener.once("error", onError);
    const options = unixSocket === undefined ? { host: hostname, port } : { path: unixSocket };
    this.#listener.listen(options, listening.resolve);
    await listening.promise;
    this.#listener.removeListener("error", onError);
    this.#listener.on("error", surface);
    this.#unix?.created();
    if (unixSocket !== undefined) this.#address = { unixSocket };
    else {
      const local = this.#listener.address() as { address: string; port: number };
      this.#address = { hostname: local.address, port: local.port };
    }
    const { pingIntervalMs, idleTimeoutMs } = this.plan;
    const shortest = Math.min(pingIntervalMs || Infinity, idleTimeoutMs || Infinity) / LOOKS;
    if (shortest === Infinity) return;
    const everyMs = Math.max(SHORTEST_LOOK_MS, Math.min(shortest, LONGEST_LOOK_MS));
    this.#ticking = setInterval(() => this.#tick(), everyMs);
    this.#ticking.unref();
  }

  #tick(): void {
    const now = performance.now();
    for (const client of this.#open.values()) client.tick(now);
  }

  // Handshakes.

  #connected(socket: Socket): void {
    if (this.#closing !== undefined) return void socket.destroy();
    this.#handshakes.add(new Handshake(socket, this));
  }

  get isFull(): boolean {
    return this.#all.size >= this.plan.maximumClients || this.#ids === U32;
  }

  get secureContext(): SecureContext | undefined {
    return this.#secureContext;
  }

  refused(status: number): void {
    this.#refused[status] = (this.#refused[status] ?? 0) + 1;
  }

  ended(ended: Handshake | Client, wasRefused = false): void {
    if (ended instanceof Client) return this.#clientEnded(ended);
    this.#handshakes.delete(ended);
    if (!wasRefused) this.#abandoned++;
    this.#checkEmpty();
  }

  passed(handshake: Handshake, passed: Passed): void {
    this.#handshakes.delete(handshake);
    const { stream, request, protocol, rest } = passed;
    // A connection that has ended during a hook.
    if (stream.destroyed || !stream.readable || !stream.writable) {
      this.#abandoned++;
      stream.destroy();
      return this.#checkEmpty();
    }
    const headers: Record<string, string> = {
      "upgrade": "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": request.headers.get("sec-websocket-key")!,
    };
    if (protocol !== "") headers["sec-websocket-protocol"] = protocol;
    const upgrade = { method: "GET", headers, socket: stream } as const;
    this.#ws.handleUpgrade(upgrade, stream, NOTHING, (ws) => {
      const client = new Client(++this.#ids, ws, passed, this);
      this.#all.add(client);
      this.#open.set(client.id, client);
      this.#logClient(client, 101, 0);
      client.start(rest);
    });
  }

  // Clients.

  closing(client: Client): void {
    this.#open.delete(client.id);
  }

  #clientEnded(client: Client): void {
    this.#all.delete(client);
    this.#logClient(client, 200, client.sentBytes);
    this.#checkEmpty();
  }

  #logClient({ address, requestLine, request, since }: Client, status: number, bytes: number) {
    if (this.plan.accessLog === undefined) return;
    const elapsedMs = performance.now() - since;
    this.log(formatLogLine({ address, requestLine, request, status, bytes, elapsedMs }));
  }

  log(line: string): void {
    try {
      this.plan.accessLog?.(line);
    } catch (error) {
      surface(error);
    }
  }

  // What the program sees.

  get address(): SocketAddress {
    return this.#address;
  }

  get url(): string {
    const { address } = this;
    const scheme = this.plan.tls === undefined ? "ws" : "wss";
    if ("unixSocket" in address) return `${scheme}+unix:${address.unixSocket}`;
    return `${scheme}://${hostAndPort(address)}`;
  }

  get clients(): ReadonlyMap<number, SocketClient> {
    return this.#open;
  }

  get stats(): SocketServerStats {
    const { faults, ...counters } = this.counters;
    return {
      opened: this.#ids,
      clients: this.#all.size,
      handshaking: this.#handshakes.size,
      refused: { ...this.#refused },
      abandoned: this.#abandoned,
      ...counters,
      faults: { ...faults },
    };
  }

  broadcast(message: Message, options?: SendOptions): boolean {
    const once = prepared(message);
    let isWell = true;
    for (const client of this.#open.values()) isWell = client.send(once, options) && isWell;
    return isWell;
  }

  replaceTls(tls: SocketTls): void {
    if (this.plan.tls === undefined) {
      throw new TypeError("The server has no TLS; give listenSockets the option tls");
    }
    this.#secureContext = secureContext(tls);
  }

  // The end.

  close(closeOptions: CloseServerOptions = {}): Promise<void> {
    options(closeOptions, "options", ["code", "reason", "graceMs"]);
    const { code = 1001, reason = "", graceMs = 1000 } = closeOptions;
    requireClose(code, reason);
    integer(graceMs, "graceMs", 0, 2 ** 31 - 1);
    return this.#closing ??= this.#close(code, reason, graceMs);
  }

  async #close(code: number, reason: string, graceMs: number): Promise<void> {
    for (const client of [...this.#open.values()]) client.close(code, reason);
    clearInterval(this.#ticking);
    const stopped = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.#unix?.remove();
    this.#handshakes.end("dismiss");
    const emptied = Promise.withResolvers<void>();
    this.#emptied = emptied.resolve;
    const timer = setTimeout(() => {
      this.#handshakes.end("abandon");
      for (const client of [...this.#all]) client.cut();
    }, graceMs);
    this.#checkEmpty();
    await emptied.promise;
    clearTimeout(timer);
    await stopped;
  }

  #checkEmpty(): void {
    if (this.#all.size === 0 && this.#handshakes.size === 0) this.#emptied?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  static {
    makeInspectable(this.prototype, "SocketServer", (server) => {
      const state = server.#closing === undefined ? "" : ", closed";
      return `${server.url}, ${count(server.#open.size, "client")}${state}`;
    });
  }
}

/**
 * Listens for WebSocket clients.
 *
 * @param options where to listen, and the limits
 * @param handlers what the program does; none is needed
 * @returns the server, once it listens
 * @throws {TypeError} When an option or a handler is not what it must be, or does not exist.
 * @throws {RangeError} When a number is out of its range.
 * @throws {ENetError} `ENETJS_ERR_ADDRESS_IN_USE`, `ENETJS_ERR_ADDRESS_UNAVAILABLE`, `ENETJS_ERR_PERMISSION`,
 * `ENETJS_ERR_RESOLVE` or `ENETJS_ERR_SOCKET` when the system refuses the address.
 * @throws {Error} When the certificate and the key can't be used, or `ws` can't be loaded.
 */
export async function listenSockets(
  options: SocketServerOptions,
  handlers: SocketHandlers = {},
): Promise<SocketServer> {
  requireHandlers(handlers, ["open", "message", "drain", "close"]);
  const plan = planOf(options);
  await loadWs();
  const server = new WebSocketServer(plan, handlers);
  await server.listen();
  return server;
}
