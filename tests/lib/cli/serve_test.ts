/** `enet serve`, `enet connect` and `enet discover`, which meet each other. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { generateKeyPair, keyToText } from "../../../lib/security/mod.ts";
import { Host } from "../../../mod.ts";
import { leakCheck } from "../../_helpers.ts";
import { over6 } from "../_ipv6.ts";
import { newPlace } from "../discovery/_discovery.ts";
import { temporaryFolder } from "../gateway/_pipes.ts";
import { echoServer, linesOf, outputOf, runHere, runUntil, serving, usageOf } from "./_run.ts";

/** What `enet connect` prints, which ends as soon as it has printed this. */
async function exchange(args: readonly string[], input: string, last: string): Promise<string> {
  const line = ["connect", ...args, "--linger", "60s"];
  const { status, stdout } = await runUntil(line, (printed) => printed.includes(last), input);
  assert.equal(status, 0);
  return stdout;
}

test("Lines go to the server and come back, on the channel and as reliably as was said", async (t) => {
  await leakCheck(t);
  await using server = await echoServer();
  const how = [server.address, "--channel", "1"];
  assert.equal(await exchange(how, "one\ntwo\nthree", "three\n"), "one\ntwo\nthree\n");
  const unsequenced = [...how, "--flags", "unsequenced", "--json"];
  const lines = linesOf(await exchange(unsequenced, "grüße\n", "grüße"));
  assert.deepEqual(lines.map(({ type }) => type), ["connected", "message", "ended"]);
  assert.deepEqual(lines[1], { type: "message", channelId: 1, text: "grüße" });
  assert.deepEqual(lines[2], { type: "ended", reason: "local", data: 0 });
});

test("enet serve tells who comes and goes, and what is sent", async () => {
  const served = await serving(["--verbose", "--json"], async (address) => {
    await using host = await Host.create({}, {});
    const peer = await host.connect(address, { data: 7 });
    peer.send(1, "grüße");
    const { packet } = await peer.receive();
    assert.equal(packet.text(), "grüße");
  });
  const [, joined, message, ...others] = linesOf(served);
  assert.deepEqual([joined.type, joined.peer, joined.data], ["joined", 1, 7]);
  const said = { peer: 1, channelId: 1, bytes: 7, text: "grüße" };
  assert.deepEqual(message, { type: "message", ...said });
  assert.deepEqual(others.at(-1), { type: "summary", clients: 1, messages: 1, bytes: 7 });
});

test("--raw sends pieces as they are read, and writes bytes as they come", async () => {
  await using server = await echoServer();
  assert.equal(await exchange([server.address, "--raw"], "a\nb", "b"), "a\nb");
});

test("A slow reader of the output gets all that has come", async () => {
  await using server = await echoServer();
  const input = Array.from({ length: 20 }, (_, i) => `${i}\n`).join("");
  const line = ["connect", server.address, "--linger", "1s"];
  assert.equal(await outputOf(line, { input, slowMs: 100 }), input);
});

test("A chat passes messages on to all others", async () => {
  await serving(["chat"], async (address) => {
    await using host = await Host.create({}, {});
    const peer = await host.connect(address);
    const first = peer.receive();
    await outputOf(["connect", address, "--linger", "0"], { input: "hello\n" });
    const { packet } = await first;
    assert.equal(packet.text(), "2 has come");
  });
});

test("The end of the connection by the server ends enet connect, with its number", async () => {
  await using host = await Host.listen({ hostname: "127.0.0.1" }, {
    receive: (peer) => void peer.disconnectLater(42),
  });
  const line = ["connect", `127.0.0.1:${host.address.port}`, "--linger", "30s", "--json"];
  const { status, stdout } = await runHere(line, { input: "bye\n" });
  assert.equal(status, 0);
  assert.deepEqual(linesOf(stdout).at(-1), { type: "ended", reason: "remote", data: 42 });
});

over6("An encrypted server prints the key that clients need, over IPv6, too", async () => {
  const { secretKey } = await generateKeyPair();
  using folder = temporaryFolder();
  const key = `${folder.path}/host.key`;
  writeFileSync(key, `${keyToText("host_secret", secretKey)}\n`);
  const served = await serving(["--key", key, "--addr", "::1", "--json"], async (address) => {
    const publicKey = (await outputOf(["keygen", "--from", key])).trim();
    await using host = await Host.create({}, {});
    const peer = await host.connect(address, { security: { serverKey: publicKey } });
    peer.send(0, "hidden");
    assert.equal((await peer.receive()).packet.text(), "hidden");
  });
  const [listening, joined] = linesOf(served);
  assert.match(`${listening.publicKey}`, /^host_public_/);
  assert.equal(joined.encrypted, true);
});

test("What enet serve announces, enet discover finds", async () => {
  const { discoveryPort, interfaces: [name] } = await newPlace();
  const port = ["--discovery-port", `${discoveryPort}`];
  const where = [...port, "--interface", name];
  await serving(["--announce", "star chase", "--name", "Ours", ...port], async (address) => {
    const line = ["discover", "star chase", "-c", "1", "--timeout", "20s", ...where, "--json"];
    const [server] = linesOf(await outputOf(line));
    assert.deepEqual([server.status, server.name, server.address], ["found", "Ours", address]);
    const other = await runHere(["discover", "another", "--timeout", "10ms", ...where]);
    assert.deepEqual([other.status, other.stdout], [1, ""]);
    assert.equal(other.stderr, 'enet discover: no server of "another" has answered\n');
  });
});

test("Wrong usage of these commands is refused", async () => {
  const wrong: Record<string, RegExp> = {
    "serve sing": /^MODE must be echo or sink or chat, not "sing"/,
    "serve --plain": /^--psk, --issuer and --plain are for --key/,
    "serve --port 0 --announce x\ty": /^--announce: game must be a text in one line/,
    "connect a:1 --channel 2": /^--channel 2 needs --channels 3 at least/,
    "connect a:1 --raw --json": /^--raw and --json exclude each other/,
    "discover game --ask name": /must be the IP address of one machine/,
    "bench": /^say what to measure: HOST:PORT, or --local/,
    "bench a:1 --local": /^say what to measure/,
  };
  for (const [line, says] of Object.entries(wrong)) {
    assert.match(await usageOf(line.split(" ")), says, line);
  }
});
