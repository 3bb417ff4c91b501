import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ENetError, Versions } from "../../mod.ts";
import { currentRuntime, spawnRuntime, withDeadline } from "../_helpers.ts";

/** What a program that loads the library prints: the versions, or the error. */
type Loaded = Versions & Pick<ENetError, "name" | "code" | "message">;

async function load(library: string, module?: string): Promise<Loaded> {
  await using program = spawnRuntime(currentRuntime(), "load.ts", module ? [module] : [], {
    env: { ENETJS_LIBRARY: library },
  });
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "the program");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** The path of a file in this checkout. */
const checkout = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const SUFFIX = process.platform === "darwin" ? "dylib" : "so";

test("Loading rejects with ENETJS_ERR_LIBRARY when ENETJS_LIBRARY names no file", async () => {
  const { name, code, message } = await load("/nonexistent/libenetjs.so");
  assert.deepEqual([name, code], ["ENetError", "ENETJS_ERR_LIBRARY"]);
  assert.match(message, /could not be loaded/);
  assert.match(message, /- ENETJS_LIBRARY=\/nonexistent\/libenetjs\.so: missing, or .+/);
  assert.match(message, /^Remedy: unset ENETJS_LIBRARY$/m);
  assert.doesNotMatch(message, /npm package/, "what was chosen is not replaced");
});

test("Loading rejects with ENETJS_ERR_LIBRARY when ENETJS_LIBRARY is a text file", async () => {
  const path = checkout("deno.json");
  const { code, message } = await load(path);
  assert.equal(code, "ENETJS_ERR_LIBRARY");
  assert.ok(message.includes(`ENETJS_LIBRARY=${path}: `), message);
});

test("Loading rejects with ENETJS_ERR_LIBRARY when a library is not ours", {
  skip: process.platform !== "linux",
}, async () => {
  const { code, message } = await load("libc.so.6");
  assert.equal(code, "ENETJS_ERR_LIBRARY");
  assert.match(message, /enetjs_abi_version/);
});

test("Loading rejects with ENETJS_ERR_ABI when the library has another version", {
  skip: process.platform === "win32",
}, async () => {
  const path = checkout(`native/build/libwrong_abi.${SUFFIX}`);
  const { name, code, message } = await load(path);
  assert.deepEqual([name, code], ["ENetError", "ENETJS_ERR_ABI"]);
  assert.ok(message.includes(path), message);
  assert.match(message, /ABI version 999\b/);
  assert.match(message, /needs \d+\n/);
  assert.match(message, /^Remedy: unset ENETJS_LIBRARY$/m);
});

test("Loading lists every place and the remedy when there is no library anywhere", async () => {
  const folder = mkdtempSync(join(tmpdir(), "enetjs-"));
  try {
    for (const part of ["mod.ts", "lib", "ffi"]) {
      cpSync(checkout(part), join(folder, part), { recursive: true });
    }
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const { code, message } = await load("", pathToFileURL(join(folder, "mod.ts")).href);
    assert.equal(code, "ENETJS_ERR_LIBRARY");
    assert.match(
      message,
      /Looked at:\n {2}- .*native.build.*: .+\n {2}- npm package @enetjs\/.+: .+\n/,
    );
    assert.ok(message.includes(folder), message);
    assert.match(message, /^Remedy: npx -y deno task build$/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("Loading takes the library that ENETJS_LIBRARY names", {
  skip: process.platform === "win32",
}, async () => {
  const path = checkout(`native/build/libenetjs.${SUFFIX}`);
  assert.ok(existsSync(path));
  const { library, runtime, libenet } = await load(path);
  assert.deepEqual([library, runtime], [path, currentRuntime()]);
  assert.match(libenet, /^1\.3\.\d+$/);
});
