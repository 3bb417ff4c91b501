/** `enet sniff`: what it explains, which captures it reads, and that no bytes of strangers harm it. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { readEnet } from "../../../lib/cli/sniff/enet.ts";
import { decompress } from "../../../lib/cli/sniff/range_coder.ts";
import { CaptureError, readCapture } from "../../../lib/cli/sniff/records.ts";
import { readSecurity } from "../../../lib/cli/sniff/security.ts";
import { findDatagram } from "../../../lib/cli/sniff/udp.ts";
import { Host, PacketFlag } from "../../../mod.ts";
import { root } from "../../../tools/_run.ts";
import { until } from "../../_helpers.ts";
import { randomOf } from "../../_relay.ts";
import { bytesOf, ipv4, pcap } from "./_packets.ts";
import { outputOf, runHere, usageOf } from "./_run.ts";

const folder = mkdtempSync(`${tmpdir()}/enetjs-sniff-`);
const SAMPLE = `${root}/examples/capture.pcapng`;

/** Writes a file for a test, and runs the command on it. */
async function sniffed(bytes: Uint8Array, ...options: string[]) {
  const path = `${folder}/x`;
  writeFileSync(path, bytes);
  return await runHere(["sniff", path, ...options]);
}

interface Printed {
  type: string;
  from: string;
  protocol: string;
  checksum: string;
  compressed?: number;
  fault?: string;
  commands: { name: string; bytes?: number; isAgain: boolean; fields: Record<string, number> }[];
}

const parse = (output: string): Printed[] =>
  output.trimEnd().split("\n").map((line) => JSON.parse(line));

const PING = bytesOf("8003 1234 85 ff 0007");

test("enet sniff explains each kind of command", async () => {
  const datagrams = [
    "8fff 0001 82ff0001 0003 ff ff 00000578 00010000 00000002 00000000 00000000 00001388 00000002 00000002 78563412 00000007",
    "0000 0100 0005 0005 1234",
    "8000 0002 860000050005 68656c6c6f",
    "0000 0701 0005 0002 0003 616263",
    "0000 4900 0005 0009 0001 61",
    "8000 0003 88000006 0006 0003 0000000a 00000001 00000fa0 00000003 616263",
    "8000 0004 8aff0007 00000001 00000002",
    "8000 0005 8bff0008 00001388 00000002 00000000",
    "8000 0006 84ff0009 0000002a",
  ].map(bytesOf);
  const { stdout, status } = await sniffed(pcap(datagrams.map((datagram) => ipv4(datagram))));
  assert.equal(status, 0);
  const wanted = [
    "0.000000 10.0.0.1:1000 > 10.0.0.2:7777 52 bytes",
    "  no peer yet, session 0, sent 1",
    "  connect      #1 id 12345678, peer 3, 2 channels, MTU 1400, window 65536, data 7",
    "1.000000 10.0.0.1:1000 > 10.0.0.2:7777 10 bytes",
    "  peer 0, session 0",
    "  acknowledge  channel 0 of #5, sent 4660",
    "  reliable     channel 0 #5 5 bytes",
    "  unreliable   channel 1 #5.2 3 bytes",
    "  unsequenced  channel 0 1 bytes group 9",
    "  fragment     channel 0 #6 3 bytes 2 of 10 of #6, at 3 of 4000",
    "  bandwidth limit #7 1 in, 2 out, in bytes a second",
    "  throttle     #8 5000 ms, up 2, down 0",
    "  disconnect   #9 data 42",
    "10.0.0.1:1000 > 10.0.0.2:7777 9 datagrams, 180 bytes",
    "9 packets, 9 datagrams explained",
  ];
  for (const line of wanted) assert.ok(stdout.split("\n").includes(line), `${line}\n${stdout}`);
});

test("enet sniff names datagrams of encryption, and what is not ENet's", async () => {
  const hello = new Uint8Array(256);
  hello.set(bytesOf("0f010200 00000009"));
  const data = new Uint8Array(131);
  data.set(bytesOf("3f 00000001 10000000 00000005"));
  const foreign = new TextEncoder().encode("?? no ENet");
  const { stdout } = await sniffed(pcap([hello, data, foreign].map((bytes) => ipv4(bytes))));
  assert.match(stdout, /encryption: HELLO, index 9, pattern 2, without cookie/);
  assert.match(stdout, /encryption: DATA, index 1, epoch 1, number 5, 102 bytes of ENet/);
  assert.match(stdout, /not ENet's: its commands make no sense/);
  assert.match(stdout, /2 encrypted, 1 not ENet's/);
});

test("enet sniff reads pcap of each byte order, and common links", async () => {
  const ip = ipv4(PING);
  const ethernet = (type: string) =>
    Uint8Array.from([...new Uint8Array(12), ...bytesOf(type), ...ip]);
  const files = [
    pcap([ip], { littleEndian: false, nanoseconds: true }),
    pcap([ethernet("0800")], { linkType: 1 }),
    pcap([ethernet("8100 0005 0800")], { linkType: 1 }),
    pcap([Uint8Array.from([2, 0, 0, 0, ...ip])], { linkType: 0 }),
    pcap([Uint8Array.from([...new Uint8Array(14), 8, 0, ...ip])], { linkType: 113 }),
    pcap([Uint8Array.from([8, 0, ...new Uint8Array(18), ...ip])], { linkType: 276 }),
    pcap([ip], { linkType: 228 }),
  ];
  for (const file of files) {
    const [datagram] = parse((await sniffed(file, "--json")).stdout);
    assert.deepEqual(datagram.commands?.map(({ name }) => name), ["ping"]);
  }
  const skipped = [ip, ipv4(PING, 6)];
  const { stdout } = await sniffed(pcap(skipped, { linkType: 101 }));
  assert.match(stdout, /2 packets, 1 datagram explained, 1 skipped: not UDP/);
});

test("enet sniff filters by address, and ends after a count", async () => {
  const file = pcap([ipv4(PING), ipv4(PING), ipv4(PING)]);
  const of = async (...options: string[]) =>
    parse((await sniffed(file, "--json", ...options)).stdout)
      .filter(({ type }) => type === "datagram").length;
  assert.equal(await of("--to", "10.0.0.2:7777"), 3);
  assert.equal(await of("--to", ":1000"), 3);
  assert.equal(await of("--to", "10.0.0.3:7777"), 0);
  assert.equal(await of("--count", "2"), 2);
  assert.equal(await of("--quiet"), 0);
});

test("enet sniff recognizes a checksum, verifies it, and sees what is sent again", async () => {
  const path = `${folder}/sum.pcapng`;
  const settings = { checksum: "crc32", compression: "range-coder" } as const;
  const received: string[] = [];
  await using server = await Host.listen({ hostname: "127.0.0.1", ...settings }, {
    receive: (_peer, _channel, packet) => void received.push(packet.text()),
  });
  await using client = await Host.create(settings);
  const capture = client.capture(path);
  const peer = await client.connect(server.address);
  const messages = [
    "abcabcabc".repeat(20),
    JSON.stringify({ x: 1.5, y: -2, name: "somebody", list: [1, 2, 3] }).repeat(20),
    "text that goes beyond one datagram, and so becomes fragments. ".repeat(300),
  ];
  for (const message of messages) await peer.deliver(0, message);
  peer.send(0, "z".repeat(500), PacketFlag.UNSEQUENCED);
  await until(() => received.length === 4, 20_000, "four messages");
  await peer.disconnect();
  const { datagrams } = await capture.close();
  const lines = parse(await outputOf(["sniff", path, "--json"]));
  const seen = lines.filter(({ type }) => type === "datagram");
  assert.equal(seen.length, datagrams);
  assert.deepEqual(seen.filter(({ checksum, fault }) => checksum !== "right" || fault), []);
  assert.ok(seen.some(({ compressed }) => compressed !== undefined));
  const names = new Set(seen.flatMap(({ commands }) => commands.map(({ name }) => name)));
  for (
    const name of ["connect", "verify connect", "reliable", "fragment", "unsequenced", "disconnect"]
  ) {
    assert.ok(names.has(name), name);
  }
  const fresh = seen.flatMap(({ commands }) => commands.filter(({ isAgain }) => !isAgain));
  const bytes = fresh.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
  assert.equal(bytes, messages.join("").length + 500);
});

test("enet sniff tells what is wrong with a file, and what it knows of it", async () => {
  const file = pcap([ipv4(PING), ipv4(PING)]);
  const cut = await sniffed(file.subarray(0, file.length - 3));
  assert.equal(cut.status, 0);
  assert.match(cut.stderr, /ends within a packet/);
  assert.match(cut.stdout, /1 packet, 1 datagram explained/);
  const damaged = file.slice();
  damaged.fill(0xFF, file.length - 36 - 8, file.length - 36 - 4); // the length of the second packet
  const bad = await sniffed(damaged);
  assert.equal(bad.status, 1, bad.stdout);
  assert.match(bad.stderr, /damaged at byte/);
  assert.match(bad.stdout, /1 datagram explained/);
  for (const content of ["", "PNG", "this is no capture at all"]) {
    const { status, stderr } = await sniffed(new TextEncoder().encode(content));
    assert.equal(status, 1);
    assert.match(stderr, /nothing in it|neither a pcap nor a pcapng/);
  }
  assert.equal((await runHere(["sniff", `${folder}/nothing`])).status, 1);
});

test("enet sniff says what is missing on the command line", async () => {
  assert.match(await usageOf(["sniff"]), /either a FILE or --interface/);
  assert.match(await usageOf(["sniff", "x", "--interface", "lo"]), /either/);
  assert.match(
    await usageOf(["sniff", "x", "--to", "example.com:7"]),
    /--to must be an IP address/,
  );
  assert.match(await usageOf(["sniff", "x", "--to", "10.0.0.1:70000"]), /--to must be/);
});

/** Reads a whole capture, and all that is in it, as the command does. */
async function readAll(bytes: Uint8Array): Promise<number> {
  let count = 0;
  async function* chunks() {
    yield bytes;
  }
  try {
    for await (const packet of readCapture(chunks(), { isCutOff: false })) {
      const datagram = findDatagram(packet);
      if (typeof datagram === "string") continue;
      readSecurity(datagram.payload);
      readEnet(datagram.payload, { hasChecksum: undefined, connectId: 7 });
      count++;
    }
  } catch (error) {
    assert.ok(error instanceof CaptureError, String((error as Error).stack));
  }
  return count;
}

test("Damaged captures and datagrams are read to an end without any other error", async () => {
  const sample = readFileSync(SAMPLE);
  const random = randomOf(5);
  const number = (below: number) => Math.floor(random() * below);
  assert.ok(await readAll(sample) > 5);
  for (let round = 0; round < 500; round++) {
    const bytes = Uint8Array.from(sample.subarray(0, 1 + number(sample.length)));
    for (let change = 0; change < 1 + round % 8; change++) {
      const at = number(bytes.length);
      bytes[at] = round % 3 === 0 ? 0xFF : number(256);
    }
    await readAll(bytes);
  }
  for (let round = 0; round < 1500; round++) {
    const bytes = Uint8Array.from({ length: number(60) }, () => number(256));
    if (round % 2 === 0 && bytes.length > 1) bytes[0] = 0xC0; // compressed
    readSecurity(bytes);
    readEnet(bytes, { hasChecksum: [true, false, undefined][round % 3], connectId: 1 });
  }
});

test("Decompression ends: what has no end becomes no more bytes than a datagram has", () => {
  const random = randomOf(9);
  let most = 0;
  for (let round = 0; round < 100; round++) {
    const bytes = Uint8Array.from({ length: 1400 }, () => Math.floor(random() * 256));
    most = Math.max(most, decompress(bytes, 4096)?.length ?? 4096);
  }
  assert.ok(most <= 4096);
  assert.equal(decompress(new Uint8Array(0), 4096)?.length, 0);
  rmSync(folder, { recursive: true, force: true });
});
