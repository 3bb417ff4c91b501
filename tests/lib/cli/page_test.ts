/** The page of the command line is made of the definitions, and its sessions are what commands print. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { commandHelp, programHelp } from "../../../lib/cli/frame/help.ts";
import { root } from "../../../tools/_run.ts";
import { temporaryFolder } from "../gateway/_pipes.ts";
import { madePart, MARK } from "./_page.ts";
import { echoServer, linesOf, runUntil } from "./_run.ts";
import { masked, recordSessions } from "./_sessions.ts";

const page = readFileSync(`${root}/docs/command-line.md`, "utf8");

/** Without what a formatter of Markdown changes: white space, and the rules of tables. */
const plain = (text: string) => text.replace(/-{3,}/g, "---").replace(/\s+/g, " ");

test("docs/command-line.md has the definitions and the sessions; else run: deno task docs", async () => {
  const sessions = await recordSessions();
  const made = madePart(sessions);
  const there = MARK + page.split(MARK)[1];
  const wanted = made.split("\n## ").map((part) => masked(plain(part)));
  const found = there.split("\n## ").map((part) => masked(plain(part)));
  wanted.forEach((part, index) => assert.equal(found[index]?.trim(), part.trim()));
  assert.equal(found.length, wanted.length);
});

test("The help of every command fits 80 columns, and names each option once", () => {
  for (const command of COMMANDS) {
    const help = commandHelp(command);
    const body = help.split("\nExample:\n")[0];
    for (const line of body.split("\n")) assert.ok(line.length <= 80, `${command.name}: ${line}`);
    for (const name of Object.keys(command.options)) {
      assert.equal(
        help.match(new RegExp(`^ {2}(-., | {4})--${name}( |$)`, "gm"))?.length,
        1,
        `${command.name} --${name}`,
      );
    }
    const letters = Object.values(command.options).flatMap(({ short }) => short ?? []);
    assert.equal(new Set(letters).size, letters.length, `letters of ${command.name}`);
  }
  for (const line of programHelp(COMMANDS).split("\n")) assert.ok(line.length <= 80, line);
});

test("The player in docs/command-line.md plays", async () => {
  const player = page.match(/^```ts\n([^]*?)^```$/m)?.[1];
  assert.ok(player);
  using folder = temporaryFolder();
  const path = `${folder.path}/player.ts`;
  // The type is erased: the file is outside of every package.
  writeFileSync(path, player);
  await using server = await echoServer();
  const line = ["load", server.address, "-n", "5", "-t", "60s", "--script", path, "--json"];
  const { stdout } = await runUntil(line, (printed) => printed.includes('"peers":5,'));
  const { counters, errors, connected } = linesOf(stdout).at(-1)!;
  assert.deepEqual([errors, connected], [{}, 5]);
  assert.ok((counters as { snapshots: number }).snapshots > 0);
});
