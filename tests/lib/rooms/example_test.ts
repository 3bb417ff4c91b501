/** The chat of examples/rooms in three processes, which starts nats-server itself. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { currentRuntime, spawnRuntime, withDeadline } from "../../_helpers.ts";
import { natsServer } from "../../_nats.ts";

/** A TCP port that was free a moment ago. */
async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

test("Two servers and two clients talk, and the first server starts nats-server", {
  skip: natsServer() === undefined,
}, async () => {
  const env = { NATS_PORT: await freePort() };
  const start = (...args: string[]) =>
    spawnRuntime(currentRuntime(), "../../examples/rooms/server.ts", args, { env });
  await using north = start("0");
  await north.line("started ");
  const first = await north.line("listening on 127.0.0.1:");
  await using south = start("0");
  const second = await south.line("listening on 127.0.0.1:");
  await using chat = spawnRuntime(
    currentRuntime(),
    "../../examples/rooms/chat.ts",
    [first, second],
  );
  const { code, stdout, stderr } = await withDeadline(chat.ended, 60_000, "the chat");
  assert.equal(code, 0, stderr);
  for (const line of ["Grace reads: (Ada) Who are you?", "Ada reads: Grace: I am Grace"]) {
    assert.ok(stdout.includes(line), stdout);
  }
  for (const server of [south, north]) {
    // Deno takes a child that its own method has sent a signal for killed.
    process.kill(server.process.pid!, "SIGTERM");
    await withDeadline(server.ended, 60_000, "the end of a server");
  }
});
