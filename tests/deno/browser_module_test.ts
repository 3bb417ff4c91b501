/**
 * The browser's half of the gateway as a page gets it: one small module that names no runtime.
 *
 * @module
 */
import { assert, assertEquals, assertNotMatch } from "@std/assert";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { test } from "node:test";
import { BROWSER_MODULE, bundleBrowserModule } from "../../npm/_bundle.ts";
import { root, run } from "../../tools/_run.ts";

const MOST_BYTES = 8000;

const folder = mkdtempSync(`${tmpdir()}/enetjs-browser-`);

test("It is one module of less than 8 kB, minified and compressed, and imports nothing", async () => {
  const file = `${folder}/enet.js`;
  await bundleBrowserModule(file);
  const code = readFileSync(file, "utf8");
  // Not with zlib: Deno's compresses less than that of web servers.
  const { length } = execFileSync("gzip", ["-c", file]);
  assert(length < MOST_BYTES, `${length} bytes`);
  assertNotMatch(code, /\bimport\b|\brequire\b/);
  assertNotMatch(code, /\b(Deno|Bun|Buffer|process|globalThis|node:)\b/);
  const { EnetSocket, PacketFlag } = await import(file);
  assertEquals([typeof EnetSocket.connect, PacketFlag.RELIABLE], ["function", 1]);
});

test("It compiles with the types of a browser alone", async () => {
  const program = `${folder}/page.ts`;
  writeFileSync(
    program,
    `import { EnetSocket, PacketFlag } from "${root}/${BROWSER_MODULE}.ts";
for await (const socket of EnetSocket.sessions(new URL("/", document.baseURI), { data: 1 })) {
  const isRoomLeft: boolean = socket.send(0, "hello", PacketFlag.UNRELIABLE);
  for await (const { channelId, packet } of socket) {
    document.body.append(packet.text() + channelId + isRoomLeft);
    new Blob([packet.bytes]);
  }
  const { reason, data } = await socket.closed;
  document.title = reason + data;
}
`,
  );
  const config = `${folder}/deno.json`;
  const compilerOptions = { lib: ["esnext", "dom", "dom.iterable", "dom.asynciterable"] };
  writeFileSync(config, JSON.stringify({ compilerOptions }));
  const { ok, output } = await run([process.execPath, "check", `--config=${config}`, program]);
  assert(ok, output);
});

// Last, and no hook: Deno 2.9 calls none after a file in which a test is skipped.
test("The folder is removed", () => rmSync(folder, { recursive: true }));
