import { checkCallback, emit, report } from "./_report.ts";
import { type Host, hosts } from "./host.ts";
import { type HostKind, type HostOptions, planHost } from "./options.ts";

/** Called once: with the host when it can be used, else with an error. */
export type CreateCallback = (error: Error | undefined, host?: Host) => void;

function createHost(
  kind: HostKind,
  given: HostOptions | CreateCallback | undefined,
  then: CreateCallback | undefined,
): Host | undefined {
  const callback = typeof given === "function" ? given : then;
  checkCallback(callback);
  try {
    const plan = planHost(kind, typeof given === "function" ? {} : given ?? {});
    const { host, opened } = hosts.create(plan);
    opened.then(
      () => report(callback, undefined, host),
      (error) => {
        if (callback !== undefined) report(callback, error);
        else if (host.isOnline()) emit(host, "error", error);
        host.destroy();
      },
    );
    return host;
  } catch (error) {
    if (callback === undefined) throw error;
    report(callback, error as Error);
    return undefined;
  }
}

function createHostAsync(kind: HostKind, options: HostOptions): Promise<Host> {
  return new Promise((resolve, reject) => {
    createHost(
      kind,
      options,
      (error, host) => error === undefined ? resolve(host as Host) : reject(error),
    );
  });
}

/**
 * Creates a host that others can connect to. Call `start` on it so that it emits events.
 *
 * @param options where to listen, and limits; may be left out
 * @param callback called with the host once it listens, or with an error. Without it, an error is
 *   emitted by the host
 * @returns the host, which is being opened; undefined if the options are wrong
 * @throws {TypeError} for options of the wrong type, where there is no callback to tell
 * @throws {RangeError} for options out of range, where there is no callback to tell
 *
 * @example
 * ```ts
 * import { createServer } from "@enetjs/enet/compat";
 *
 * createServer({ address: "127.0.0.1:0", peers: 32, channels: 2 }, (error, host) => {
 *   if (error || !host) throw error;
 *   host.on("connect", (peer) => console.log("connected from", peer.address().address));
 *   host.start(50);
 *   host.destroy();
 * });
 * ```
 */
export function createServer(
  options?: HostOptions | CreateCallback,
  callback?: CreateCallback,
): Host | undefined {
  return createHost("server", options, callback);
}

/**
 * Creates a host that only connects to others; others cannot connect to it.
 *
 * @param options limits; may be left out
 * @param callback called with the host once it can connect, or with an error. Without it, an error
 *   is emitted by the host
 * @returns the host, which is being opened, and may be told to connect already; undefined if the
 *   options are wrong
 * @throws {TypeError} for options of the wrong type, where there is no callback to tell
 * @throws {RangeError} for options out of range, where there is no callback to tell
 */
export function createClient(
  options?: HostOptions | CreateCallback,
  callback?: CreateCallback,
): Host | undefined {
  return createHost("client", options, callback);
}

/**
 * Creates a host that uses a socket of the program: one of `node:dgram`, or any object with its interface.
 * Every datagram passes through JavaScript, so this is much slower than {@linkcode createServer}. The socket
 * stays open when the host is destroyed; when it closes, the host is destroyed.
 *
 * @param options the socket, bound, and limits
 * @param callback called with the host, or with an error. Without it, an error is emitted by the host
 * @returns the host, which is being opened; undefined if the options are wrong
 * @throws {TypeError} for options of the wrong type, where there is no callback to tell
 * @throws {RangeError} for options out of range, where there is no callback to tell
 */
export function createServerFromSocket(
  options: HostOptions,
  callback?: CreateCallback,
): Host | undefined {
  return createHost("custom", options, callback);
}

/**
 * The promise form of {@linkcode createServer}.
 *
 * @param options where to listen, and limits
 * @returns a promise of the listening host
 */
export function createServerAsync(options: HostOptions = {}): Promise<Host> {
  return createHostAsync("server", options);
}

/**
 * The promise form of {@linkcode createClient}.
 *
 * @param options limits
 * @returns a promise of the host
 */
export function createClientAsync(options: HostOptions = {}): Promise<Host> {
  return createHostAsync("client", options);
}

/**
 * The promise form of {@linkcode createServerFromSocket}.
 *
 * @param options the socket, bound, and limits
 * @returns a promise of the host
 */
export function createServerFromSocketAsync(options: HostOptions): Promise<Host> {
  return createHostAsync("custom", options);
}
