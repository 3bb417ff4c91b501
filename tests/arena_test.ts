/**
 * The arena of `examples/` counts what happens in it: every bot logs in and gets snapshots, and the server
 * disconnects the bots that break the rules, and no others.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { Arena } from "../examples/arena/server.ts";
import { CHANNEL, CHANNELS, VERSION } from "../examples/arena/protocol.ts";
import { Host } from "../mod.ts";
import { currentRuntime, type Program, spawnRuntime, until, withDeadline } from "./_helpers.ts";

const MAIN = "../../examples/arena/main.ts";

function start(args: readonly string[]): Program {
  const flags = currentRuntime() === "deno"
    ? { onlyFlags: ["run", "--no-check", "--no-prompt", "--allow-ffi"] }
    : {};
  return spawnRuntime(currentRuntime(), MAIN, args, flags);
}

/** The output of a program that ends by itself. */
async function outputOf(program: Program): Promise<string> {
  const { code, stdout, stderr } = await withDeadline(
    program.ended,
    60_000,
    "the end of the arena",
  );
  assert.equal(stderr, "", stdout);
  assert.equal(code, 0, stdout);
  return stdout;
}

/** What a line says behind its beginning, in order of the alphabet. */
function listOf(output: string, beginning: string): string[] {
  const line = output.split("\n").find((line) => line.startsWith(beginning));
  assert.ok(line, `"${beginning}" was not printed:\n${output}`);
  return line.slice(beginning.length).split(", ").sort();
}

/** What the bots say of a game of eight. */
function assertPlayed(output: string): void {
  assert.deepEqual(listOf(output, "logged in: "), ["8"]);
  assert.deepEqual(listOf(output, "got snapshots: "), ["8"]);
  assert.deepEqual(listOf(output, "kicked: "), ["bot 1 (CHEATING)", "bot 2 (IDLE)"]);
  assert.deepEqual(listOf(output, "came back: "), ["bot 3"]);
  const all = output.split("\n").find((line) => line.trim().startsWith("all"));
  const [players, snapshots, , lines, p50, p99] = all?.trim().split(/ +/).slice(1).map(Number) ??
    [];
  assert.equal(players, 8);
  for (const count of [snapshots, lines, p50, p99]) assert.ok(count > 0, output);
}

/** What the server says: bot 3 has logged in twice. */
function assertServed(output: string): void {
  assert.deepEqual(listOf(output, "server: 9 logins, 0 lost, kicked: "), ["CHEATING 1", "IDLE 1"]);
}

test("The arena runs in one process and ends by itself", async () => {
  await using program = start(["--bots", "8", "--seconds", "4"]);
  const output = await outputOf(program);
  assertPlayed(output);
  assertServed(output);
});

test("The arena runs in two processes", { skip: process.platform === "win32" }, async () => {
  await using server = start(["--listen", "0"]);
  const port = await server.line("listening on port ");
  await using bots = start(["--connect", `127.0.0.1:${port}`, "--bots", "8", "--seconds", "4"]);
  assertPlayed(await outputOf(bots));
  server.process.kill("SIGINT");
  // Deno takes every child that was sent a signal for killed by it: only the output tells.
  const { stdout } = await withDeadline(server.ended, 60_000, "the end of the server");
  assertServed(stdout);
});

/** A host whose players are in the arena. */
async function players(arena: Arena, count: number): Promise<Host> {
  const logins = arena.logins + count;
  const host = await Host.create({ peers: count }, {});
  for (let i = 0; i < count; i++) {
    const peer = await host.connect(arena.address, { channels: CHANNELS, data: VERSION });
    await peer.deliver(CHANNEL.LOGIN, "bot");
  }
  await until(() => arena.logins === logins, 10_000, "the logins");
  return host;
}

test("The arena keeps a room when the last two of another one leave at once", async () => {
  await using arena = await Arena.open("127.0.0.1", 0);
  await using first = await players(arena, 20);
  const second = await players(arena, 2);
  assert.equal(arena.rooms, 2);
  second[Symbol.dispose]();
  await until(() => arena.rooms < 2, 10_000, "the end of the second room");
  // The first room is full, so that the next player opens another.
  await using third = await players(arena, 1);
  assert.deepEqual([arena.rooms, first.peers.length, third.peers.length], [2, 20, 1]);
});
