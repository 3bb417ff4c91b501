/** `enet ping`: what it measures, and what it says when nothing answers. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { generateKeyPair, keyToText } from "../../../lib/security/mod.ts";
import { Host } from "../../../mod.ts";
import { leakCheck } from "../../_helpers.ts";
import { temporaryFolder } from "../gateway/_pipes.ts";
import { linesOf, outputOf, runHere, runUntil, usageOf } from "./_run.ts";

const LOCAL = { hostname: "127.0.0.1" };
const FAST = ["-c", "3", "-i", "10ms"];
const addressOf = ({ address: { port } }: Host) => `127.0.0.1:${port}`;

/** The fault that a command line ends with. */
async function faultOf(...args: string[]): Promise<unknown> {
  const quick = args.includes("--connect-timeout") ? [] : ["--connect-timeout", "300ms"];
  const { status, stdout } = await runHere(["ping", ...args, ...quick, "--json"]);
  assert.equal(status, 1, stdout);
  return linesOf(stdout).at(-1)!.fault;
}

test("ENet's own pings are measured, and the server's program gets no message", async (t) => {
  await leakCheck(t);
  let messages = 0;
  await using host = await Host.listen(LOCAL, { receive: () => void messages++ });
  const lines = linesOf(await outputOf(["ping", addressOf(host), ...FAST, "--json"]));
  assert.deepEqual(lines.map(({ type }) => type), [
    "connected",
    "reply",
    "reply",
    "reply",
    "summary",
  ]);
  assert.deepEqual(lines.slice(1, 4).map(({ sequence }) => sequence), [1, 2, 3]);
  const { sent, answered, lost, minimumMs, maximumMs } = lines[4] as Record<string, number>;
  assert.deepEqual([sent, answered, lost], [3, 3, 0]);
  assert.ok(minimumMs > 0 && minimumMs <= maximumMs);
  assert.equal(messages, 0);
});

test("A round trip takes as long as the network does", async () => {
  await using host = await Host.listen({ ...LOCAL, conditions: { latencyMs: 40 } }, {});
  for (const how of [[], ["--size", "100"]]) {
    const lines = linesOf(await outputOf(["ping", addressOf(host), ...FAST, ...how, "--json"]));
    assert.ok(lines.at(-1)!.minimumMs as number >= 79, JSON.stringify(lines.at(-1)));
  }
});

test("Unreliable messages come back from an echo server, and show what is lost", async () => {
  // The client's datagrams are not lost: an attempt to connect would be retransmitted only after a second.
  await using host = await Host.listen(LOCAL, {
    connect: () => void (host.conditions = { send: { loss: 0.5 }, seed: 3 }),
    receive: (peer, channelId, packet) => void peer.send(channelId, packet, packet.flags),
  });
  const how = ["--unreliable", "-c", "20", "-i", "1ms", "-W", "30ms", "--json"];
  const { sent, answered, lost, loss } = linesOf(await outputOf(["ping", addressOf(host), ...how]))
    .at(-1) as Record<string, number>;
  assert.equal(sent, 20);
  assert.equal(answered + lost, 20);
  assert.ok(answered > 0 && lost > 0);
  assert.equal(loss, lost / 20);
});

test("Ctrl-C ends it with what is known so far", async () => {
  await using host = await Host.listen(LOCAL, {});
  const line = ["ping", addressOf(host)];
  const { status, stdout } = await runUntil(line, (printed) => printed.includes("answer to 1"));
  assert.equal(status, 0);
  assert.match(
    stdout,
    /\nanswer to 1: [^]*\n--- 127.*: 1 pings, 1 answered, 0 lost,.* loss \d+ %\nmin /,
  );
});

test("The end of the connection ends it", async () => {
  await using host = await Host.listen(LOCAL, {
    receive: (peer) => peer.disconnectNow(42),
  });
  const { status, stdout } = await runHere(["ping", addressOf(host), "--size", "1", "--flood"]);
  assert.match(stdout, /the connection has ended: remote, data 42\n/);
  assert.ok(status === 0 || status === 1);
});

test("It says what is at fault when the connection cannot be made", async () => {
  assert.equal(await faultOf("no-such-name.invalid:7777"), "name");
  await using full = await Host.listen({ ...LOCAL, peers: 1 }, {});
  await using other = await Host.create();
  await other.connect(full.address);
  assert.equal(await faultOf(addressOf(full), "--connect-timeout", "10s"), "full");
  await using strict = await Host.listen({ ...LOCAL, accept: () => 7 }, {});
  assert.equal(await faultOf(addressOf(strict), "--connect-timeout", "10s"), "refused");
  const gone = await Host.listen(LOCAL, {});
  const address = addressOf(gone);
  await gone.close();
  const fault = await faultOf(address);
  // Only Linux tells what ICMP has said.
  assert.ok(fault === "unreachable" || fault === "no answer", `${fault}`);
  const silent = await Host.listen({ ...LOCAL, filter: { deny: ["127.0.0.0/8"] } }, {});
  assert.equal(await faultOf(addressOf(silent)), "no answer");
  await silent.close();
});

test("An encrypted server is told from a silent one, and is pinged with its key", async () => {
  const keyPair = await generateKeyPair();
  const key = keyToText("host_public", keyPair.publicKey);
  using folder = temporaryFolder();
  const file = (name: string, text: string) => {
    writeFileSync(`${folder.path}/${name}`, `${text}\n`);
    return `${folder.path}/${name}`;
  };
  for (const psk of [undefined, new Uint8Array(32).fill(5)]) {
    await using host = await Host.listen({ ...LOCAL, security: { keyPair, psk } }, {});
    const address = addressOf(host);
    assert.equal(await faultOf(address), "encryption required");
    const wrong = keyToText("host_public", (await generateKeyPair()).publicKey);
    assert.equal(await faultOf(address, "--server-key", wrong), "encryption");
    const how = [
      "--server-key",
      key,
      ...psk ? ["--psk", file("psk", keyToText("shared_secret", psk))] : [],
    ];
    const [connected] = linesOf(await outputOf(["ping", address, "-c", "1", ...how, "--json"]));
    assert.equal(connected.encrypted, true);
  }
});

test("Wrong usage of commands that connect is refused before anything begins", async () => {
  const wrong: Record<string, RegExp> = {
    "": /^HOST:PORT is missing/,
    "localhost": /must have a port/,
    "::1:7777": /an IPv6 address stands in brackets, as in "\[::1\]:7777"/,
    "a:1 b:2": /^the argument "b:2" is one too many/,
    "a:1 --token file": /^--token is for --server-key: add it/,
    "a:1 --server-key KEY": /^--server-key: text must be "host_public_"/,
    "a:1 --unreliable --size 3": /^--size must be 8 at least with --unreliable, not 3/,
  };
  for (const [line, says] of Object.entries(wrong)) {
    assert.match(
      await usageOf(["ping", ...line.split(" ").filter((word) => word !== "")]),
      says,
      line,
    );
  }
});
