/**
 * Captures as independent programs read them: tshark, with the dissector of `docs/enet.lua`, and tcpdump. Where they are
 * not installed, the tests say so and are skipped: `apt-get install tshark tcpdump`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { test } from "node:test";
import { generateKeyPair } from "../../lib/security/mod.ts";
import { Host, type HostOptions, type HostSecurity, PacketFlag } from "../../mod.ts";
import { root } from "../../tools/_run.ts";
import { ipv4, pcap } from "../lib/cli/_packets.ts";
import { outputOf } from "../lib/cli/_run.ts";

const SECONDS = 60;

function isThere(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    console.warn(`SKIPPED: captures in ${program}, because it is not installed`);
    return false;
  }
}

const skipTshark = !isThere("tshark");
const skipTcpdump = !isThere("tcpdump");
const folder = mkdtempSync(`${tmpdir()}/enetjs-wireshark-`);
const path = `${folder}/x.pcapng`;

/** Runs a program on a file; its standard output as rows of cells. */
function rowsOf(program: string, args: readonly string[]): string[][] {
  const stdio = ["ignore", "pipe", "pipe"] as const;
  const text = execFileSync(program, args, { stdio: [...stdio], timeout: SECONDS * 1000 })
    .toString();
  return text.trimEnd().split("\n").map((line) => line.split("\t"));
}

/** What tshark says of each packet: fields by name. */
const tshark = (file: string, fields: readonly string[]) =>
  rowsOf("tshark", [
    ...["-r", file, "-n", "-X", `lua_script:${root}/docs/enet.lua`, "-T", "fields"],
    ...["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"],
    ...fields.flatMap((field) => ["-e", field]),
  ]);

/** Captures a conversation. @returns how many datagrams it had */
async function capture(hostname: string, options: HostOptions = {}, security?: HostSecurity) {
  await using server = await Host.listen({ hostname, ...options, security }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet),
  });
  await using client = await Host.create(options);
  const captured = client.capture(path);
  const peer = await client.connect(server.address, {
    security: security && { serverKey: security.keyPair.publicKey },
  });
  peer.send(1, "unsequenced", PacketFlag.UNSEQUENCED);
  await peer.deliver(0, "text ".repeat(700));
  await peer.disconnect();
  return (await captured.close()).datagrams;
}

const GOOD = "1"; // of a checksum

test(
  "tshark finds right checksums and ENet's commands over IPv6",
  { skip: skipTshark },
  async () => {
    const count = await capture("::1");
    const rows = tshark(path, ["udp.checksum.status", "_ws.malformed", "enet.command"]);
    assertEquals(rows.length, count);
    for (const [udp, malformed] of rows) assertEquals([udp, malformed], [GOOD, ""]);
    const commands = new Set(rows.flatMap(([, , names]) => names.split(",")));
    for (const name of ["connect", "fragment", "unsequenced", "acknowledge", "disconnect"]) {
      assert(commands.has(name), name);
    }
  },
);

test("tshark and enet sniff agree about every command", { skip: skipTshark }, async () => {
  await capture("127.0.0.1", { checksum: "crc32" });
  const ours = (await outputOf(["sniff", path, "--json"])).trimEnd().split("\n")
    .map((line) => JSON.parse(line)).filter(({ type }) => type === "datagram");
  const fields = [
    "enet.command",
    "enet.channel",
    "enet.sequence",
    "enet.peer",
    "enet.checksum",
    "frame.time_epoch",
    "ip.checksum.status",
    "udp.checksum.status",
  ];
  const theirs = tshark(path, fields);
  assertEquals(theirs.length, ours.length);
  theirs.forEach(([names, channels, sequences, peer, checksum, time, ...sums], index) => {
    const { commands, timeMs, checksum: verdict, ...datagram } = ours[index];
    const all = (key: string) =>
      commands.map((command: Record<string, unknown>) => command[key]).join(",");
    assertEquals([names, channels, sequences], [all("name"), all("channel"), all("sequence")]);
    assertEquals(Number(peer), datagram.peer);
    assertEquals(verdict, "right");
    assertEquals(sums, [GOOD, GOOD]);
    assertMatch(checksum, /^0x/);
    assert(Math.abs(Number(time) * 1000 - timeMs) < 0.01);
  });
});

test("tshark names what is encrypted", { skip: skipTshark }, async () => {
  await capture("127.0.0.1", {}, { keyPair: await generateKeyPair() });
  const kinds = new Set(tshark(path, ["enet.encryption"]).map(([kind]) => kind));
  for (const kind of ["HELLO", "RETRY", "REPLY", "DATA"]) assert(kinds.has(kind), kind);
});

test("The dissector takes hostile datagrams without an error of Lua", { skip: skipTshark }, () => {
  let state = 1;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  const packets = Array.from({ length: 400 }, (_, round) => {
    const payload = Uint8Array.from({ length: round % 70 }, next);
    // A third begins as a datagram with commands.
    if (round % 3 === 0 && payload.length > 2) payload.set([0, 1, 1 + round % 12]);
    return ipv4(payload);
  });
  writeFileSync(`${folder}/hostile.pcap`, pcap(packets));
  const rows = tshark(`${folder}/hostile.pcap`, ["_ws.lua.text", "frame.number"]);
  assertEquals(rows.length, packets.length);
  assert(rows.every(([error]) => error === ""), rows.find(([error]) => error !== "")?.[0]);
});

const skipInterface = skipTcpdump || process.getuid?.() !== 0;

test("enet sniff captures from an interface, as root", { skip: skipInterface }, async () => {
  await using server = await Host.listen({ hostname: "127.0.0.1" }, {});
  await using client = await Host.create();
  const to = `127.0.0.1:${server.address.port}`;
  let isOver = false;
  const sniffing = outputOf(["sniff", "--interface", "lo", "--to", to, "--count", "5", "--json"])
    .finally(() => isOver = true);
  // It says nothing before the first datagram, so there is always another one.
  while (!isOver) await (await client.connect(to)).disconnect();
  const [{ protocol, ...datagram }] = (await sniffing).trimEnd().split("\n")
    .map((line) => JSON.parse(line));
  assertEquals(protocol, "enet");
  assert([datagram.from, datagram.to].includes(to));
});

test(
  "tcpdump reads a capture, and enet sniff what tcpdump writes",
  { skip: skipTcpdump },
  async () => {
    const count = await capture("127.0.0.1");
    const read = rowsOf("tcpdump", ["-n", "-vv", "-r", path]).flat().join("\n");
    assertEquals(read.match(/udp sum ok/g)?.length, count);
    assert(!read.includes("bad udp cksum"));
    execFileSync("tcpdump", ["-r", path, "-w", `${folder}/x.pcap`], { stdio: "ignore" });
    const [ours, theirs] = await Promise.all(
      [path, `${folder}/x.pcap`].map((file) => outputOf(["sniff", file])),
    );
    // A pcap file of tcpdump has microseconds.
    const untimed = (text: string) => text.replace(/^\d+\.\d+ /gm, "");
    assertEquals(untimed(theirs), untimed(ours));
    rmSync(folder, { recursive: true, force: true });
  },
);
