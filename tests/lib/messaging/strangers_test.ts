/**
 * Clients of tcp that do not speak the protocol: what they can hold up, and how many of them there can be.
 *
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import {
  type Listener,
  Messenger,
  type MessengerListenOptions,
} from "../../../lib/messaging/mod.ts";
import { until, withDeadline } from "../../_helpers.ts";
import { CERT, KEY } from "./_certificate.ts";
import { frameOf, HEARTBEAT } from "./_wire.ts";

const HOUR_MS = 3_600_000;

const VARIANTS: [string, MessengerListenOptions][] = [
  ["tcp", {}],
  ["tcp with TLS", { tls: { cert: CERT, key: KEY } }],
];

/** A client that does speak it. */
function connectClient({ address: { port } }: Listener, { tls }: MessengerListenOptions) {
  const connecting = Messenger.connect(`tcp://localhost:${port}`, tls && { tls: { ca: CERT } });
  return withDeadline(connecting, 10_000, "a client");
}

/** A socket on which nothing is sent, and a promise of its end. */
async function stranger({ address: { port } }: Listener): Promise<[Socket, Promise<unknown>]> {
  const socket = connect(port, "127.0.0.1");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => {}).resume();
  await once(socket, "connect");
  return [socket, closed];
}

/** A client that speaks the protocol, but does not end when the other side does. */
async function mute(
  { address: { port } }: Listener,
  { tls }: MessengerListenOptions,
): Promise<Socket> {
  const options = { port, host: "localhost", ca: CERT, allowHalfOpen: true };
  const socket = tls === undefined ? connect(options) : connectTls(options);
  socket.on("error", () => {}).write(frameOf({ type: HEARTBEAT }));
  await once(socket, "data");
  return socket;
}

const soon = <T>(promise: Promise<T>, what: string) => withDeadline(promise, 10_000, what);

for (const [name, options] of VARIANTS) {
  test(`${name}: a listener closes while a stranger says nothing`, async () => {
    const listener = await Messenger.listen("tcp://127.0.0.1:0", {
      handshakeMs: HOUR_MS,
      ...options,
    });
    const [, closed] = await stranger(listener);
    // The listener has the stranger, too, once a later client is ready.
    const client = await connectClient(listener, options);
    await soon(listener.close(), "the end of the listener");
    await soon(closed, "the end of the stranger");
    await soon(client.close(), "the end of the client");
  });

  test(`${name}: nobody comes while a listener closes, and holds it up`, async () => {
    const listener = await Messenger.listen("tcp://127.0.0.1:0", {
      ...{ handshakeMs: HOUR_MS, closeGraceMs: HOUR_MS, ...options },
    });
    const ready = await mute(listener, options);
    await until(() => listener.connections.length === 1, 30_000, "its connection");
    const closing = listener.close();
    await assert.rejects(stranger(listener));
    ready.destroy();
    await soon(closing, "the end of the listener");
  });

  test(`${name}: strangers who are refused make room for each other`, async () => {
    const listener = await Messenger.listen("tcp://127.0.0.1:0", {
      ...{ connections: 1, closeGraceMs: HOUR_MS, ...options },
    });
    const ready = await mute(listener, options);
    await until(() => listener.connections.length === 1, 30_000, "its connection");
    const refused = [await mute(listener, options), await mute(listener, options)];
    // The listener takes what it sends until it is dropped.
    await until(
      () => refused[0].destroyed || !refused[0].write("x"),
      10_000,
      "the first one's end",
    );
    const closing = listener.close();
    ready.destroy();
    await soon(closing, "the end of the listener");
    for (const socket of refused) socket.destroy();
  });

  test(`${name}: strangers make room for each other, and for clients`, async () => {
    await using listener = await Messenger.listen("tcp://127.0.0.1:0", {
      ...{ connections: 2, handshakeMs: HOUR_MS, ...options },
    }, { request: ({ data }) => data });
    const strangers: [Socket, Promise<unknown>][] = [];
    for (let i = 0; i < 4; i++) strangers.push(await stranger(listener));
    await soon(strangers[0][1], "the end of the first stranger");
    await soon(strangers[1][1], "the end of the second stranger");
    const client = await connectClient(listener, options);
    assert.equal((await soon(client.get("hello"), "a reply")).text(), "hello");
    await client.close();
    for (const [socket] of strangers) socket.destroy();
  });

  test(`${name}: a stranger has only so long`, async () => {
    await using listener = await Messenger.listen("tcp://127.0.0.1:0", {
      handshakeMs: 50,
      ...options,
    });
    const [, closed] = await stranger(listener);
    await soon(closed, "the end of the stranger");
  });
}
