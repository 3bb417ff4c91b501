/**
 * A server and a client written for npm's `enet` observe the same on that package and on `lib/compat`, for
 * each of the two at the other side.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { npmEnet } from "../../../tools/others.ts";
import { currentRuntime, type Program, spawnRuntime, withDeadline } from "../../_helpers.ts";

type Side = "old" | "new";

const FILE = "compat_trace.ts";

function start(side: Side, ...args: string[]): Program {
  return side === "old"
    ? spawnRuntime("node", FILE, [npmEnet, ...args], { flags: ["--disable-warning=DEP0005"] })
    : spawnRuntime(currentRuntime(), FILE, ["new", ...args]);
}

/** What a program has observed: events, callbacks and what streams gave, each in order. */
function traceOf(stdout: string): Record<"events" | "callbacks" | "streams", string[]> {
  const lines = stdout.split("\n");
  return {
    events: lines.filter((line) => line.startsWith("event ")),
    callbacks: lines.filter((line) => line.startsWith("callback ")),
    streams: lines.filter((line) => line.startsWith("stream ")),
  };
}

/** Runs both sides to their ends. */
async function record(serverSide: Side, clientSide: Side, mode: string) {
  await using server = start(serverSide, "server", "0", mode);
  const port = await server.line("port ");
  await using client = start(clientSide, "client", port, mode);
  // The server ends once the client has acknowledged the disconnect.
  void server.ended.then(() => client.write("over"));
  const ends = await withDeadline(Promise.all([server.ended, client.ended]), 60_000, "both ends");
  for (const { code, stdout, stderr } of ends) {
    assert.equal(code, 0, `${stdout}\n${stderr.slice(-2000)}`);
  }
  return { server: traceOf(ends[0].stdout), client: traceOf(ends[1].stdout) };
}

for (const mode of ["plain", "compressed"]) {
  test(`Programs observe what they do on npm's enet, ${mode}`, {
    skip: !existsSync(npmEnet),
  }, async () => {
    const expected = await record("old", "old", mode);
    assert.ok(expected.server.events.length > 15, "the old server has observed something");
    assert.ok(expected.client.callbacks.length > 5, "the old client has observed something");
    assert.deepEqual(await record("new", "old", mode), expected, "new server, old client");
    assert.deepEqual(await record("old", "new", mode), expected, "old server, new client");
    assert.deepEqual(await record("new", "new", mode), expected, "new server, new client");
  });
}
