/**
 * Opens connections: with one attempt, with retries, or one connection after the other.
 *
 * At any time an attempt ends by its time limit, by the program's signal, or with the host. While a name is
 * being resolved, only the wait has to end. Afterwards there is a peer, which is forgotten, or which the end
 * of the host disconnects.
 *
 * @module
 */
import { check, ENetError, NATIVE_ERROR } from "../errors.ts";
import { LAYOUT } from "../../ffi/layout.ts";
import type { Address } from "../address.ts";
import { filterAllows } from "../address_filter.ts";
import type { ConnectPlan, RetryPlan } from "../connect.ts";
import { checkCompression } from "../encryption.ts";
import { type Peer, peers } from "../peer.ts";
import { PEER_STATES } from "../peer_state.ts";
import { Connection } from "./connection.ts";
import { Deadline } from "./deadline.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Inlet } from "./inlet.ts";
import { formatIp, hostAndPort, type IpAddress, parseIp } from "./ip.ts";
import { passAddress } from "./native_address.ts";
import { noAnswer, receivedDatagrams } from "./no_answer.ts";
import { type Progress, race, type Racer } from "./race.ts";
import { resolveAll } from "./resolve.ts";

/** Settles as a promise does, or rejects with the reason of a signal. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** One signal that aborts when any of the given ones does. */
function anyOf(...signals: (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

/** How long to wait before the next attempt. */
export class Backoff {
  readonly #plan: RetryPlan;
  readonly #random: () => number;
  #failures = 0;
  #waited = 0;

  /** @param random returns a number from 0 to 1 */
  constructor(plan: RetryPlan, random: () => number = Math.random) {
    this.#plan = plan;
    this.#random = random;
  }

  /** Milliseconds to wait, after one more attempt that failed. */
  next(): number {
    const { minimumMs, maximumMs, jitter } = this.#plan;
    const whole = Math.min(maximumMs, minimumMs * 2 ** this.#failures++);
    this.#waited = whole * (1 - jitter * this.#random());
    return this.#waited;
  }

  /**
   * Notes that a connection has ended. One that was shorter than the wait before it counts as an attempt that
   * failed: a server that disconnects a client at once is not asked again and again without a pause.
   */
  ended(lastedMs: number): void {
    if (lastedMs >= this.#waited) this.#failures = 0;
  }
}

/** The milliseconds to wait after an error that is not final, which the program is told; throws one that is. */
function retryWait(
  error: unknown,
  retry: RetryPlan | undefined,
  backoff: Backoff | undefined,
): number {
  if (!(error instanceof ENetError) || error.code === "ENETJS_ERR_CLOSED") throw error;
  if (retry === undefined || backoff === undefined || !retry.when(error)) throw error;
  const waitMs = backoff.next();
  retry.onRetry?.(error, waitMs);
  return waitMs;
}

function closedError(where: string): ENetError {
  return new ENetError("ENETJS_ERR_CLOSED", `Connecting to ${where}: the host was closed`);
}

/** Opens the connections of a host. */
export class Connector {
  readonly #endpoint: Endpoint;
  readonly #inlet: Inlet;
  readonly #end = new AbortController();

  constructor(endpoint: Endpoint, inlet: Inlet) {
    this.#endpoint = endpoint;
    this.#inlet = inlet;
  }

  /** The host begins to close: there are no more attempts. The host ends those that have a peer. */
  end(): void {
    this.#end.abort();
  }

  /** Begins an attempt. */
  begin(
    ip: IpAddress,
    port: number,
    channels: number,
    data: number,
    where: string,
    security?: Uint8Array,
  ): Connection {
    this.#endpoint.requireOpen("Connecting");
    if (this.#end.signal.aborted) throw closedError(where);
    const { native, handle } = this.#endpoint;
    const before = receivedDatagrams(this.#endpoint);
    const to = passAddress(this.#endpoint, ip);
    const id = security === undefined
      ? native.enetjs_host_connect(handle, to, port, channels, data)
      : native.enetjs_host_connect_secured(
        ...[handle, to, port, channels, data] as const,
        security,
        security.length,
      );
    if (id === NATIVE_ERROR.PEERS_EXHAUSTED) {
      throw new ENetError(
        "ENETJS_ERR_PEERS_EXHAUSTED",
        `Connecting to ${where}: this host's \`peers\` (${this.#endpoint.settings.peers}) are in use: raise \`peers\``,
      );
    }
    check(id, `Connecting to ${where}`);
    const address = { hostname: formatIp(ip), port };
    const endpoint = this.#endpoint;
    const connection = new Connection(endpoint, endpoint.transport, id, address, channels, true);
    connection.unanswered = (limit) =>
      this.#lateError(where, limit, before, connection, security !== undefined);
    this.#inlet.roster.add(connection);
    return connection;
  }

  /** Waits until an attempt is established, or for the signal. */
  async established(connection: Connection, signal?: AbortSignal): Promise<Peer> {
    const onAbort = () => this.#giveUp(connection, () => signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#endpoint.touch();
    try {
      return await connection.connecting.promise as Peer;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Ends an attempt without notice to the other side. */
  #giveUp(connection: Connection, reason: () => unknown): void {
    // A listener may outlive the attempt by some microtasks, and the connect handler comes before the promise.
    if (!connection.connecting.waits || connection.announced) return;
    connection.connecting.reject(reason);
    connection.transport.reset(connection);
    this.#endpoint.change();
  }

  /** Connects, with as many attempts as the plan wants. */
  async connect(to: Address, plan: ConnectPlan): Promise<Peer> {
    try {
      plan.signal?.throwIfAborted();
      this.#endpoint.requireOpen("Connecting");
      checkCompression(plan.security, this.#endpoint.settings.compression);
      const backoff = plan.retry && new Backoff(plan.retry);
      return await this.#connect(to, plan, backoff);
    } finally {
      plan.security?.wipe();
    }
  }

  /**
   * Calls a function after a time, unless the host has ended. When a program is reloaded in the same process,
   * its timers remain. Its hosts are closed without notice to the old code, so the timers must do nothing.
   */
  #after(ms: number, call: () => void): ReturnType<typeof setTimeout> {
    const { resources } = this.#endpoint;
    return setTimeout(() => {
      if (resources.open) call();
    }, ms);
  }

  /** Resolves after a time, or rejects with the reason of the signal. */
  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#after(ms, resolve);
    try {
      await abortable(promise, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async #connect(to: Address, plan: ConnectPlan, backoff: Backoff | undefined): Promise<Peer> {
    for (;;) {
      let waitMs: number;
      try {
        return await this.#attempt(to, plan);
      } catch (error) {
        waitMs = retryWait(error, plan.retry, backoff);
      }
      await this.#untilEnd(to, plan.signal, (signal) => this.#wait(waitMs, signal));
    }
  }

  /** Runs what ends with a limit, or with the host: then it rejects with the error that says so. */
  async #untilEnd<T>(
    to: Address,
    limit: AbortSignal | undefined,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const end = this.#end.signal;
    const signal = anyOf(limit, end);
    try {
      signal.throwIfAborted(); // before anything begins that nobody would wait for
      return await run(signal);
    } catch (error) {
      if (!end.aborted || error !== end.reason) throw error;
      throw closedError(hostAndPort(to));
    }
  }

  /** The addresses of the versions of IP that the host's socket speaks. */
  #reachable(addresses: readonly IpAddress[], where: string): readonly IpAddress[] {
    const { native, handle } = this.#endpoint;
    const reaches = check(native.enetjs_host_reaches(handle), `Connecting to ${where}`);
    const reachable = addresses.filter((ip) =>
      reaches & (typeof ip === "number" ? LAYOUT.REACHES_IPV4 : LAYOUT.REACHES_IPV6)
    );
    if (reachable.length > 0) return reachable;
    const [has, lacks] = reaches & LAYOUT.REACHES_IPV4 ? ["IPv4", "IPv6"] : ["IPv6", "IPv4"];
    throw new ENetError(
      "ENETJS_ERR_ADDRESS_FAMILY",
      `Connecting to ${where}: that is an ${lacks} address, and the socket of this host speaks ${has} only: ` +
        'use a host of Host.create(), or one that listens on "::", where the system has both',
    );
  }

  async #attempt(to: Address, plan: ConnectPlan): Promise<Peer> {
    const { channels, data, timeoutMs, signal, security } = plan;
    const where = hostAndPort(to);
    const late = new AbortController();
    const before = receivedDatagrams(this.#endpoint);
    let connection: Connection | undefined;
    let keys: Uint8Array | undefined;
    let missing = "the host name is still being resolved";
    const { resources } = this.#endpoint;
    const deadline = new Deadline(timeoutMs, () => {
      if (!resources.open) return;
      late.abort(
        this.#lateError(
          where,
          `within ${timeoutMs} ms`,
          before,
          connection ?? missing,
          security !== undefined,
        ),
      );
    });
    const limit = anyOf(late.signal, signal);
    try {
      const resolved = await this.#untilEnd(
        to,
        limit,
        (ended) => abortable(resolveAll(to.hostname), ended),
      );
      if (security !== undefined) {
        missing = "the function security.token has not returned a token yet";
        keys = await this.#untilEnd(to, limit, (ended) => abortable(security.attempt(), ended));
      }
      limit.throwIfAborted(); // some microtasks have passed
      const begin = (ip: IpAddress) =>
        connection = this.begin(ip, to.port, channels, data, where, keys);
      const addresses = this.#reachable(resolved, where);
      if (addresses.length === 1) return await this.established(begin(addresses[0]), limit);
      return await race({
        begin: addresses.map((ip) => (progress: Progress) =>
          this.#racer(begin(ip), progress, limit)
        ),
        isFull: (error) => (error as ENetError).code === "ENETJS_ERR_PEERS_EXHAUSTED",
        shareMs: timeoutMs / addresses.length,
        after: (ms, call) => this.#after(ms, call),
        signal: limit,
      });
    } catch (error) {
      signal?.throwIfAborted(); // whatever an address has said before
      throw error;
    } finally {
      deadline.clear();
      keys?.fill(0);
    }
  }

  #racer(connection: Connection, { won, stalls }: Progress, limit: AbortSignal): Racer<Peer> {
    connection.onEstablished = won;
    connection.onUnreachable = stalls;
    return {
      result: this.established(connection, limit),
      abandon: () => {
        connection.abandon();
        this.#endpoint.touch();
      },
      giveUp: () =>
        this.#giveUp(
          connection,
          () => connection.unanswered?.("before the next address was tried"),
        ),
    };
  }

  /** @param connection the attempt, or what it has been waiting for */
  #lateError(
    where: string,
    limit: string,
    before: number,
    connection: Connection | string,
    secured: boolean,
  ): ENetError {
    const endpoint = this.#endpoint;
    const what = `Connecting to ${where}: no answer ${limit}`;
    if (typeof connection === "string") {
      return new ENetError("ENETJS_ERR_TIMEOUT", `${what}: ${connection}`);
    }
    const encryption = connection.facts.encrypted ? "proved" : secured ? "wanted" : "none";
    const arrived = receivedDatagrams(endpoint) - before;
    const { address: to, unreachable } = connection;
    const waits = PEER_STATES[connection.transport.state(connection)] === "connected";
    const allows = filterAllows(endpoint.settings.filter);
    const denied = connection.denied || !allows(parseIp(to.hostname) as IpAddress);
    return noAnswer(what, { endpoint, denied, waits, unreachable, to, arrived, encryption });
  }

  /** One connection after the other, until the signal aborts or the host closes. */
  async *sessions(to: Address, plan: ConnectPlan & { retry: RetryPlan }): AsyncGenerator<Peer> {
    const end = anyOf(plan.signal, this.#end.signal);
    const backoff = new Backoff(plan.retry);
    try {
      while (!end.aborted) {
        const peer = await this.#connect(to, plan, backoff);
        const began = performance.now();
        yield* this.#session(peer, plan.signal, end);
        backoff.ended(performance.now() - began);
        await this.#wait(backoff.next(), end);
      }
    } catch (error) {
      if (!end.aborted) throw error;
    } finally {
      plan.security?.wipe();
    }
  }

  /** A connection that is given to a loop: it ends with that loop, or with the program's signal. */
  async *#session(
    peer: Peer,
    signal: AbortSignal | undefined,
    end: AbortSignal,
  ): AsyncGenerator<Peer> {
    const connection = peers.connectionOf(peer);
    const disconnect = () => void peer.disconnect();
    signal?.addEventListener("abort", disconnect, { once: true });
    try {
      if (signal?.aborted) disconnect();
      else yield peer;
      await abortable(connection.closed(), end);
    } finally {
      signal?.removeEventListener("abort", disconnect);
      // It has not ended if the program left the loop.
      if (connection.ending === undefined && !end.aborted) void peer.disconnectLater();
    }
  }
}
