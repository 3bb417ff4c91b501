/** `host.capture` and ENETJS_TRACE: what is in the files, and what becomes of those that can't be written. */
import assert from "node:assert/strict";
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { CAPTURE_STAT } from "../../ffi/layout.ts";
import { Capture } from "../../lib/capture.ts";
import { type CapturedPacket, readCapture } from "../../lib/cli/sniff/records.ts";
import { readSecurity } from "../../lib/cli/sniff/security.ts";
import { findDatagram, type UdpDatagram } from "../../lib/cli/sniff/udp.ts";
import { generateKeyPair } from "../../lib/security/mod.ts";
import { Host } from "../../mod.ts";
import {
  connectedPair,
  currentRuntime,
  leakCheck,
  rejection,
  spawnRuntime,
  withDeadline,
} from "../_helpers.ts";

const hostname = "127.0.0.1";
const text = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(`${tmpdir()}/enetjs-capture-`);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The datagrams of a whole file. */
async function datagramsOf(path: string): Promise<UdpDatagram[]> {
  const report = { isCutOff: false };
  const packets: CapturedPacket[] = [];
  for await (const packet of readCapture(createReadStream(path), report)) packets.push(packet);
  assert.ok(!report.isCutOff);
  return packets.map((packet) => findDatagram(packet) as UdpDatagram);
}

test("Host.capture() writes what is sent and received, until it is closed", async (t) => {
  await leakCheck(t);
  using folder = temporaryFolder();
  const path = `${folder.path}/x.pcapng`;
  await using pair = await connectedPair();
  const capture = pair.client.capture(pathToFileURL(path));
  assert.equal(capture.path, path);
  await pair.peer.deliver(0, "in the file");
  const stats = await capture.close();
  assert.ok(!capture.running);
  assert.equal(capture.error, undefined);
  await pair.peer.deliver(0, "after its end");
  assert.deepEqual(capture.stats, stats);
  const datagrams = await datagramsOf(path);
  assert.equal(datagrams.length, stats.datagrams);
  assert.equal(statSync(path).size, stats.bytes);
  assert.deepEqual([stats.dropped, stats.files], [0, 1]);
  assert.ok(datagrams.some(({ payload }) => text(payload).includes("in the file")));
  assert.ok(!datagrams.some(({ payload }) => text(payload).includes("after its end")));
  const { port } = pair.server.address;
  assert.ok(datagrams.every(({ from, to }) => [from, to].includes(`${hostname}:${port}`)));
});

test("A capture ends with its host, whose last words are in it", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/x.pcapng`;
  const host = await Host.create();
  const capture = host.capture(path);
  await host.close();
  await capture.close();
  assert.deepEqual(await datagramsOf(path), []);
  assert.throws(() => host.capture(path), { code: "ENETJS_ERR_CLOSED" });
});

test("With plain: true, a capture has what encryption hides from the other", async () => {
  using folder = temporaryFolder();
  const [wire, plain] = ["wire", "plain"].map((name) => `${folder.path}/${name}.pcapng`);
  const keyPair = await generateKeyPair();
  await using server = await Host.listen({ hostname, security: { keyPair } }, {});
  await using client = await Host.create();
  await using onWire = client.capture(wire);
  await using inPlain = client.capture(plain, { plain: true });
  const peer = await client.connect(server.address, {
    security: { serverKey: keyPair.publicKey },
  });
  await peer.deliver(0, "a secret");
  await Promise.all([onWire.close(), inPlain.close()]);
  const [sealed, open] = await Promise.all([wire, plain].map(datagramsOf));
  const tells = ({ payload }: UdpDatagram) => text(payload).includes("a secret");
  assert.ok(!sealed.some(tells));
  assert.ok(sealed.every(({ payload }) => readSecurity(payload) !== undefined));
  assert.ok(open.some(tells));
  // A session has a number in ENet; the file has its real address.
  const ends = open.flatMap(({ from, to }) => [from, to]);
  assert.deepEqual(
    new Set(ends),
    new Set([`${hostname}:${server.address.port}`, `${hostname}:${client.address.port}`]),
  );
});

test("ENETJS_TRACE captures every host, and no fault of it stops one", async () => {
  using folder = temporaryFolder();
  const said: string[] = [];
  const { warn } = console;
  console.warn = (line: string) => void said.push(line);
  process.env.ENETJS_TRACE = `${folder.path}/trace.pcapng`;
  try {
    await using _pair = await connectedPair();
    process.env.ENETJS_TRACE = `${folder.path}/nowhere/trace.pcapng`;
    await using _host = await Host.create();
  } finally {
    delete process.env.ENETJS_TRACE;
    console.warn = warn;
  }
  assert.ok(existsSync(`${folder.path}/trace.pcapng`));
  assert.ok(existsSync(`${folder.path}/trace-2.pcapng`));
  assert.equal(said.length, 1);
  assert.match(said[0], /^ENETJS_TRACE: .*nowhere/);
});

test("A process that is killed leaves files that are read up to their ends", async () => {
  using folder = temporaryFolder();
  const paths = ["trace", "trace-2"].map((name) => `${folder.path}/${name}.pcapng`);
  await using program = spawnRuntime(currentRuntime(), "capturing.ts", [], {
    env: { ENETJS_TRACE: paths[0] },
  });
  await program.line("talking");
  program.process.kill("SIGKILL");
  await withDeadline(program.ended, 30_000, "the end");
  for (const path of paths) {
    let count = 0;
    // The last packet may be cut off: the system may have been in the middle of a write.
    for await (const packet of readCapture(createReadStream(path), { isCutOff: false })) {
      assert.equal(typeof findDatagram(packet), "object");
      count++;
    }
    assert.ok(count > 100, `${count}`);
  }
});

test("Host.capture() refuses what can't be written, with the reason", async () => {
  using folder = temporaryFolder();
  await using host = await Host.create();
  const fails = (path: string, code = "ENETJS_ERR_FILE") =>
    rejection(Promise.try(() => host.capture(path)), code);
  assert.match(
    await fails(`${folder.path}/nowhere/x`),
    /Capturing to .*nowhere.*ENOENT|No such file/,
  );
  assert.match(await fails(folder.path), /EISDIR|directory/);
  host.capture(`${folder.path}/x`);
  assert.match(await fails(`${folder.path}/x`, "ENETJS_ERR_FILE_IN_USE"), /another capture/);
  for (const path of ["", "a\0b", 7, undefined]) {
    assert.throws(() => host.capture(path as string), TypeError);
  }
  assert.throws(() => host.capture("x", { maximumBytes: 1 }), RangeError);
  assert.throws(() => host.capture("x", { files: 0 }), RangeError);
  assert.throws(() => host.capture("x", { plain: 1 } as object), TypeError);
  assert.throws(() => host.capture("x", { size: 1 } as object), /size/);
});

test("Capture.close() rejects when the disk was full, and the counters stay", async () => {
  const capture = new Capture("full.pcapng", {
    state(out) {
      const values = new Float64Array(out.buffer);
      values.fill(0);
      values[CAPTURE_STAT.DROPPED] = 3;
      values[CAPTURE_STAT.ERROR] = 28;
      return true;
    },
    end: () => {},
  });
  assert.equal(
    await rejection(capture.close(), "ENETJS_ERR_FILE"),
    "Capturing to full.pcapng: the system reports ENOSPC",
  );
  assert.equal(capture.stats.dropped, 3);
  assert.ok(!capture.running);
});

test("A named pipe that nobody reads is an error, and no wait", {
  skip: process.platform === "win32",
}, async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/pipe`;
  const { execFileSync } = await import("node:child_process");
  execFileSync("mkfifo", [path]);
  await using host = await Host.create();
  assert.throws(() => host.capture(path), { code: "ENETJS_ERR_FILE" });
  // And one that is read is no regular file.
  const reader = openSync(path, 2);
  try {
    assert.throws(() => host.capture(path), { code: "ENETJS_ERR_FILE" });
  } finally {
    closeSync(reader);
  }
});
