/**
 * The wire of TCP is what its documentation says: `tests/programs/messaging_peer.py` was written from
 * that alone, and talks to this library as a server and as a client.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  type Connection,
  type ConnectionEnd,
  GetError,
  type GetOptions,
  json,
  Messenger,
} from "../../../lib/messaging/mod.ts";
import { type Program, spawnProgram, withDeadline } from "../../_helpers.ts";

const PYTHON = "python3";
const FILE = fileURLToPath(new URL("../../programs/messaging_peer.py", import.meta.url));
const skip = spawnSync(PYTHON, ["--version"]).status === 0
  ? false
  : "python3 is not on this machine";

const peer = (...args: string[]): Program => spawnProgram(PYTHON, [FILE, ...args], { name: FILE });

/** The error of a `get`. */
async function failureOf(connection: Connection, text: string, options?: GetOptions) {
  const error = await withDeadline(
    connection.get(text, options).then(() => undefined, (error) => error),
    10_000,
    text,
  );
  assert.ok(error instanceof GetError, `${text}: ${error}`);
  return error;
}

/** How a connection ends, soon. */
const endOf = ({ closed }: Connection): Promise<ConnectionEnd> =>
  withDeadline(closed, 10_000, "the end of the connection");

test("A client gets what a server in Python answers", { skip }, async () => {
  await using python = peer("serve");
  const address = `tcp://127.0.0.1:${await python.line("port ")}`;
  const message = Promise.withResolvers<string>();
  const connection = await Messenger.connect(address, { codec: json }, {
    message: (_connection, data) => message.resolve(data.text()),
    request: ({ data }) => data.bytes,
  });

  assert.equal((await connection.get("grüße")).value, "grüße");
  assert.deepEqual(
    (await connection.get(new Uint8Array([0, 255]))).value,
    new Uint8Array([0, 255]),
  );
  assert.deepEqual((await connection.get({ a: [1, null] })).value, { a: [1, null] });
  assert.equal((await connection.get()).value, undefined);
  assert.equal((await connection.get("x".repeat(1_000_000))).length, 1_000_000);
  assert.deepEqual((await connection.get("ask back")).value, new Uint8Array([0, 255]));

  const refused = await failureOf(connection, "refuse");
  assert.equal(refused.outcome, "refused");
  assert.equal(refused.data, 404);
  assert.match(refused.message, /not hére/);

  const cancel = new AbortController();
  const waiting = failureOf(connection, "wait", { signal: cancel.signal, idempotent: true });
  await python.line("waiting idempotent");
  cancel.abort();
  assert.equal((await waiting).code, "ENETJS_ERR_CANCELLED");
  await python.line("cancelled ");

  assert.equal(connection.send("one way"), true);
  assert.equal(await withDeadline(message.promise, 10_000, "the message"), "one way");
  await connection.close();
  assert.equal((await endOf(connection)).reason, "local");
  await python.line("end closed mcls");
});

for (
  const [request, reason] of [
    ["close", "remote"],
    ["vanish", "lost"],
    ["misbehave", "protocol"],
  ] as const
) {
  test(`A server in Python that is asked to ${request}: ${reason}`, { skip }, async () => {
    await using python = peer("serve");
    const address = `tcp://127.0.0.1:${await python.line("port ")}`;
    const connection = await Messenger.connect(address);
    const error = await failureOf(connection, request);
    assert.equal(error.code, "ENETJS_ERR_STALE");
    assert.equal(error.outcome, "unknown");
    assert.equal((await endOf(connection)).reason, reason);
    await python.line(`end ${reason === "protocol" ? "closed mprt" : request}`);
  });
}

test("A listener serves a client in Python", { skip }, async () => {
  const ended = Promise.withResolvers<ConnectionEnd>();
  const aborted = Promise.withResolvers<boolean>();
  await using listener = await Messenger.listen("tcp://127.0.0.1:0", { codec: json }, {
    message: (connection, data) => void connection.send(data),
    request(request) {
      const text = request.data.text();
      if (text === "refuse") return request.refuse(404, "not hére");
      if (text === "throw") throw new Error("as asked");
      if (text !== "wait") return request.reply(request.data);
      const { idempotent } = request;
      request.signal.addEventListener("abort", () => aborted.resolve(idempotent));
    },
    closed: (_connection, end) => ended.resolve(end),
  });
  await using python = peer("connect", String(listener.address.port));
  const { code, stdout, stderr } = await withDeadline(python.ended, 20_000, "the client in Python");
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "ready",
    "echoed",
    "refused 404 not hére",
    "threw fail as asked",
    "message 1 0 b'one way'",
    "closed mprt",
    "over",
  ]);
  assert.equal(await withDeadline(aborted.promise, 10_000, "the cancellation"), true);
  const { reason, error } = await withDeadline(ended.promise, 10_000, "the end");
  assert.equal(reason, "protocol");
  assert.equal(error?.code, "ENETJS_ERR_PROTOCOL");
});
