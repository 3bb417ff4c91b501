/**
 * One body of a test for both transports, whose logs must be equal.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Connection,
  type ConnectionEnd,
  ENetError,
  GetError,
  type Listener,
  Messenger,
  type MessengerConnectOptions,
  type MessengerHandlers,
  type MessengerListenOptions,
  type Protocol,
} from "../../../lib/messaging/mod.ts";
import { leakCheck, type TestContext, until, withDeadline } from "../../_helpers.ts";

/** Both, in the order in which the bodies run. */
export const PROTOCOLS: readonly Protocol[] = ["udp", "tcp"];

/** What each side has seen, in order. */
export class Log {
  readonly sides: Record<string, string[]> = {};

  /** Notes what a side has seen. */
  add(side: string, what: string): void {
    (this.sides[side] ??= []).push(what);
  }

  /** Whether a side has seen something that begins so. */
  has(side: string, beginning: string): boolean {
    return this.sides[side]?.some((line) => line.startsWith(beginning)) ?? false;
  }

  /** Waits until it has. */
  async seen(side: string, beginning: string): Promise<void> {
    await until(() => this.has(side, beginning), 20_000, `${side}: ${beginning}`);
  }
}

/**
 * A test that runs on both transports.
 *
 * @param expected what both bodies log; without it, the two logs only have to be equal
 */
export function onBoth(
  name: string,
  body: (protocol: Protocol, log: Log) => Promise<void>,
  expected?: Log["sides"],
): void {
  const logs: Log["sides"][] = [];
  for (const protocol of PROTOCOLS) {
    test(`${protocol}: ${name}`, async (t) => {
      await leakCheck(t as TestContext);
      const log = new Log();
      await withDeadline(body(protocol, log), 120_000, name).catch((error) => {
        throw new Error(`${error.message}, after ${JSON.stringify(log.sides)}`, {
          cause: error,
        });
      });
      if (expected !== undefined) assert.deepEqual(log.sides, expected);
      logs.push(log.sides);
      if (logs.length === PROTOCOLS.length) assert.deepEqual(logs[1], logs[0]);
    });
  }
}

/** Where a listener of this machine can be reached. */
export function urlOf({ address: { protocol, port } }: Listener): string {
  return `${protocol}://127.0.0.1:${port}`;
}

/** An error in a log. */
export function describe(error: unknown): string {
  if (error instanceof GetError) return `${error.code} ${error.outcome} ${error.data ?? ""}`.trim();
  return error instanceof ENetError ? error.code : String(error);
}

/** The end of a connection in a log. */
export function describeEnd({ reason, error }: ConnectionEnd): string {
  return error === undefined ? reason : `${reason} ${error.code}`;
}

/** What `connected` takes. */
export interface PairOptions {
  listen?: MessengerListenOptions;
  server?: MessengerHandlers;
  connect?: MessengerConnectOptions;
  client?: MessengerHandlers;
}

/** Two sides of this process that are connected. */
export interface Pair extends AsyncDisposable {
  readonly listener: Listener;
  readonly client: Connection;
  /** The listener's side of it. */
  readonly server: Connection;
}

/** Connects two sides; both are ready. */
export async function connected(protocol: Protocol, options: PairOptions = {}): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const url = `${protocol}://127.0.0.1:0`;
  const listener = stack.use(await Messenger.listen(url, options.listen, options.server));
  const client = stack.use(
    await Messenger.connect(urlOf(listener), options.connect, options.client),
  );
  const server = await until(() => listener.connections[0], 20_000, "the server's connection");
  const all = stack.move();
  return { listener, client, server, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Handlers that log what happens. */
export function logging(log: Log, who: string, others: MessengerHandlers = {}): MessengerHandlers {
  return {
    ready: () => log.add(who, "ready"),
    message: (_, data) => log.add(who, `message ${data.text()}`),
    closed: (_, end) => log.add(who, `closed ${describeEnd(end)}`),
    ...others,
  };
}
