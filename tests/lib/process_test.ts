/**
 * A host and the rest of its process: child processes, and others that use libenet.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { Host } from "../../mod.ts";
import {
  currentRuntime,
  leakCheck,
  spawnProgram,
  spawnRuntime,
  withDeadline,
} from "../_helpers.ts";

const hostname = "127.0.0.1";
const onLinux = { skip: process.platform !== "linux" };

test(
  "A port is free when its host is closed, whatever child processes live",
  onLinux,
  async (t) => {
    await leakCheck(t);
    const host = await Host.listen({ hostname });
    const { port } = host.address;
    await using child = spawnProgram("sh", ["-c", "echo here; exec cat"]);
    await child.line("here");
    await host.close();
    await using again = await Host.listen({ hostname, port });
    assert.equal(again.address.port, port);
    child.process.stdin!.end();
    const { code, stderr } = await withDeadline(child.ended, 60_000, "the child");
    assert.equal(code, 0, stderr);
  },
);

/** Runs `unguarded.ts`, with libenet loaded before everything else or not. */
async function unguarded(preload: string) {
  await using server = await Host.listen({ hostname });
  const { LD_PRELOAD = "" } = process.env; // a sanitizer's has to be the first
  await using program = spawnRuntime(
    currentRuntime(),
    "unguarded.ts",
    [String(server.address.port)],
    { env: { LD_PRELOAD: `${LD_PRELOAD} ${preload}` } },
  );
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "the program");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

test(
  "Host.listen() is refused where libenet was loaded before, unless unguarded",
  // ENet that is built in is not shared with the process.
  { skip: onLinux.skip || !!process.env.ENETJS_ENET_SOURCE },
  async () => {
    const { listen, refused, ...others } = await unguarded("libenet.so.7");
    assert.match(listen, /^ENETJS_ERR_UNGUARDED Listening on 127\.0\.0\.1:0: .*unguarded: true$/);
    assert.equal(refused, listen);
    assert.deepEqual(others, { accepted: "open", compat: "ENETJS_ERR_UNGUARDED", port: true });
  },
);

test("Host.listen() needs no such option where the guard works", onLinux, async () => {
  const open = { listen: "open", refused: "open", accepted: "open", compat: "open", port: true };
  assert.deepEqual(await unguarded(""), open);
});
