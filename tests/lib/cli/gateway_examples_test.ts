/** The examples of `examples/gateway`. What `tail` does there is in `gateway_usage_test.ts`: it is the help's, too. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { root } from "../../../tools/_run.ts";
import { spawnProgram, withDeadline } from "../../_helpers.ts";
import { Client, ENET, STEP_MS } from "./_gateway.ts";

const PYTHON = "python3";
const skip = process.platform === "win32" || spawnSync(PYTHON, ["--version"]).status !== 0
  ? "this machine has no python3, so the chat in Python is not tested"
  : false;

test("The chat in Python tells clients apart, and ends well", { skip }, async () => {
  const gateway = ["gateway", "--std", "--strict", "--addr", "127.0.0.1", "--port", "0"];
  const args = [`${root}/examples/gateway/chat.py`, ...ENET, ...gateway];
  const python = spawnProgram(PYTHON, args, { name: "chat.py" });
  let told = "";
  const url = Promise.withResolvers<string>();
  python.process.stderr!.on("data", (text) => {
    told += text;
    const line = told.match(/^listening on (.*)\n/m);
    if (line) url.resolve(line[1]);
  });
  await using _ = python;
  using anna = await Client.open(await withDeadline(url.promise, STEP_MS, "the gateway"));
  assert.equal(await anna.next(), "You are 1.");
  assert.equal(await anna.next(), "1 has come.");
  using ben = await Client.open(await url.promise);
  assert.equal(await ben.next(), "You are 2.");
  for (const client of [anna, ben]) assert.equal(await client.next(), "2 has come.");
  anna.send("grüße");
  for (const client of [anna, ben]) assert.equal(await client.next(), "1: grüße");
  anna.socket.close();
  assert.equal(await ben.next(), "1 has left.");
  ben.send("/quit");
  assert.equal(await withDeadline(ben.closed, STEP_MS, "the close"), 1001);
  const { code, stdout } = await withDeadline(python.ended, STEP_MS, "the end of chat.py");
  assert.equal(stdout, "1 comes from 127.0.0.1\n2 comes from 127.0.0.1\n1 leaves\n2 leaves\n");
  assert.equal(code, 0);
});
