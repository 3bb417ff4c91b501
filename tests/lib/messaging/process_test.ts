/** Two processes: one is killed, one is busy. */
import assert from "node:assert/strict";
import { Messenger } from "../../../lib/messaging/mod.ts";
import { block, currentRuntime, errorOf, spawnRuntime, until } from "../../_helpers.ts";
import { describe, describeEnd, logging, onBoth } from "./_messaging.ts";

/** What makes a udp connection notice silence soon; tcp notices a killed process without. */
const SOON = { heartbeatMs: 100, lostMs: 1000 };

async function start(protocol: string, options: object = {}) {
  const url = `${protocol}://127.0.0.1:0`;
  const program = spawnRuntime(currentRuntime(), "messenger_peer.ts", [
    url,
    JSON.stringify(options),
  ]);
  return { program, to: await program.line("listening ") };
}

onBoth("a killed process fails pending gets and ends the connection", async (protocol, log) => {
  const { program, to } = await start(protocol);
  await using _ = program;
  const client = await Messenger.connect(to, SOON, logging(log, "client"));
  assert.equal((await client.get("echo x")).text(), "x");
  const gets = Array.from({ length: 100 }, () => errorOf(client.get("wait", { timeoutMs: 0 })));
  await client.get("echo y");
  program.process.kill("SIGKILL");
  for (const outcome of new Set((await Promise.all(gets)).map(describe))) log.add("get", outcome);
  log.add("client", describeEnd(await client.closed));
}, {
  client: ["ready", "closed lost ENETJS_ERR_STALE", "lost ENETJS_ERR_STALE"],
  get: ["ENETJS_ERR_STALE unknown"],
});

onBoth("a busy program keeps its connection, on either side", async (protocol) => {
  // On udp heartbeats go on; on tcp 30 s of silence are allowed.
  const options = protocol === "udp" ? SOON : {};
  const { program, to } = await start(protocol, options);
  await using _ = program;
  await using client = await Messenger.connect(to, { ...options, getTimeoutMs: 0 });
  assert.equal((await client.get("busy 2500")).text(), "was busy");
  block(2500);
  assert.equal((await client.get("echo back")).text(), "back");
  assert.equal(client.end, undefined);
});

onBoth("a process that exits without closing is lost to the other side", async (protocol, log) => {
  const { program, to } = await start(protocol);
  await using _ = program;
  const client = await Messenger.connect(to, SOON, logging(log, "client"));
  await client.get("echo x");
  // Windows aside, a program that gets SIGTERM ends at once.
  program.process.kill("SIGTERM");
  await until(() => client.end, 20_000, "the end");
}, { client: ["ready", "closed lost ENETJS_ERR_STALE"] });

onBoth("memory stays flat over 50,000 gets", async (protocol) => {
  const args = [protocol, "64", "50000"];
  await using child = spawnRuntime(currentRuntime(), "messenger_flat.ts", args);
  const { code, signal, stdout, stderr } = await child.ended;
  assert.equal(code, 0, `${signal}\n${stdout}\n${stderr}`);
});
