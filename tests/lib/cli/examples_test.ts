/**
 * The examples in the help work as they stand, in a shell. Those of `enet gateway`, `enet keygen`, `enet token` and
 * `enet top` are run by their own tests.
 */
import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { after, test } from "node:test";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { announce } from "../../../lib/discovery/mod.ts";
import { Host } from "../../../mod.ts";
import { spawnProgram, until, withDeadline } from "../../_helpers.ts";
import { newPlace } from "../discovery/_discovery.ts";
import { skip, temporaryFolder } from "../gateway/_pipes.ts";
import { ENET, STEP_MS } from "./_gateway.ts";

/** What the output of each example has. */
const SAYS: Readonly<Record<string, RegExp>> = {
  ping: /^connected to .*\n(answer to \d.*\n){3}--- .*: 3 pings, 3 answered, 0 lost/,
  serve: /^chat on .*\n0 clients, 0 messages, 0 bytes\n/,
  connect: /^hello\n$/,
  bench: /^latency .*\nthroughput .* messages\/s of 64 bytes/,
  load: /\n20 of 20 connected, \d+ messages sent/,
  discover: /:\d+ {2}Ours {2}0 of 32 {2}/,
  completion: /^$/,
};

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());
// A shell that is told where its process is can be sent a signal.
writeFileSync(
  `${folder.path}/enet`,
  `#!/bin/sh\necho $$ > enet.pid\nexec ${ENET.join(" ")} "$@"\n`,
);
chmodSync(`${folder.path}/enet`, 0o755);

/** Runs an example. @param isStopped whether it ends by Ctrl-C */
async function runExample(example: string, isStopped: boolean): Promise<string> {
  const env = { PATH: `${folder.path}:${process.env.PATH}` };
  await using shell = spawnProgram("sh", ["-c", example], { env, cwd: folder.path });
  if (isStopped) {
    let printed = "";
    shell.process.stdout!.on("data", (text) => printed += text);
    await until(() => printed.includes("\n"), STEP_MS, example);
    process.kill(Number(readFileSync(`${folder.path}/enet.pid`, "utf8")), "SIGINT");
  }
  const { code, stdout, stderr } = await withDeadline(shell.ended, STEP_MS, example);
  assert.equal(code, 0, `${example}\n${stdout}\n${stderr}`);
  return stdout;
}

test("The examples of the help work as they stand", { skip }, async () => {
  await using host = await Host.listen({ hostname: "127.0.0.1", peers: 32 }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet, packet.flags),
  });
  // The one place where all servers of a network meet is not for tests.
  const { discoveryPort, interfaces } = await newPlace();
  await announce(host, { game: "star-chase", name: "Ours", discoveryPort, interfaces });
  const where = ` --discovery-port ${discoveryPort} --interface ${interfaces[0]}`;
  for (const { name, example } of COMMANDS) {
    const says = SAYS[name];
    if (says === undefined) continue;
    const port = name === "serve" ? 0 : host.address.port;
    const line = example.replace("7777", `${port}`) + (name === "discover" ? where : "");
    assert.match(await runExample(line, name === "serve"), says, example);
  }
});
