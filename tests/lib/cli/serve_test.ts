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
import { linesOf, outputOf, runHere, serving, usageOf } from "./_run.ts";

const BRIEF = ["--linger", "50ms"];

test("Lines go to the server and come back, on the channel and as reliably as was said", async (t) => {
  await leakCheck(t);
  const served = await serving(["--verbose", "--json"], async (address) => {
    const how = ["connect", address, ...BRIEF, "--channel", "1"];
    assert.equal(await outputOf(how, { input: "one\ntwo\nthree" }), "one\ntwo\nthree\n");
    const lines = linesOf(
      await outputOf([...how, "--flags", "unsequenced", "--json"], { input: "grüße\n" }),
    );
    assert.deepEqual(lines.map(({ type }) => type), ["connected", "message", "ended"]);
    assert.deepEqual(lines[1], { type: "message", channelId: 1, text: "grüße" });
    assert.deepEqual(lines[2], { type: "ended", reason: "local", data: 0 });
  });
  const lines = linesOf(served);
  const last = { type: "summary", clients: 2, messages: 4, bytes: 18 };
  assert.deepEqual(lines.at(-1), last);
  assert.deepEqual(lines.filter(({ type }) => type === "message").map(({ text }) => text), [
    ...["one", "two", "three", "grüße"],
  ]);
});

test("--raw sends pieces as they are read, and writes bytes as they come", async () => {
  await serving([], async (address) => {
    const output = await outputOf(["connect", address, ...BRIEF, "--raw"], { input: "a\nb" });
    assert.equal(output, "a\nb");
  });
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
    const how = ["connect", address, ...BRIEF, "--server-key", publicKey];
    assert.equal(await outputOf(how, { input: "hidden\n" }), "hidden\n");
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
