/**
 * The folder that a compiled program copies its libraries to: no other user can put a library there.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { afterEach, beforeEach, test } from "node:test";
import { isEmbedded, unpack } from "../../ffi/_unpack.ts";

const skip = process.platform === "win32";
const { TMPDIR } = process.env;
let folder = "";
let files: Record<string, string> = {};

beforeEach(() => {
  delete process.env.TMPDIR;
  folder = mkdtempSync(`${tmpdir()}/enetjs-unpack-`);
  mkdirSync(`${folder}/tmp`);
  process.env.TMPDIR = `${folder}/tmp`;
  writeFileSync(`${folder}/x-1234.so`, "library");
  writeFileSync(`${folder}/y-5678.7`, "dependency");
  files = { "libx.so": `${folder}/x-1234.so`, "liby.so.7": `${folder}/y-5678.7` };
});

afterEach(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  rmSync(folder, { recursive: true });
});

test("unpack() copies files beside one another, under their names", { skip }, () => {
  const target = unpack(files);
  assert.ok(target.startsWith(`${folder}/tmp/enetjs-${process.getuid!()}/`), target);
  assert.deepEqual(readdirSync(target).sort(), ["libx.so", "liby.so.7"]);
  assert.equal(readFileSync(`${target}/libx.so`, "utf8"), "library");
  assert.equal(readFileSync(`${target}/liby.so.7`, "utf8"), "dependency");
  assert.equal(statSync(`${target}/..`).mode & 0o777, 0o700);
});

test("unpack() leaves what is there already, and replaces what differs", { skip }, () => {
  const target = unpack(files);
  const { ino } = statSync(`${target}/libx.so`);
  writeFileSync(`${target}/liby.so.7`, "something else");
  assert.equal(unpack(files), target);
  assert.equal(statSync(`${target}/libx.so`).ino, ino);
  assert.equal(readFileSync(`${target}/liby.so.7`, "utf8"), "dependency");
});

test("unpack() gives other files another folder", { skip }, () => {
  const first = unpack(files);
  writeFileSync(`${folder}/x-1234.so`, "another version");
  assert.notEqual(unpack(files), first);
});

test("unpack() refuses a folder that others may write to", { skip }, () => {
  const own = `${folder}/tmp/enetjs-${process.getuid!()}`;
  mkdirSync(own);
  chmodSync(own, 0o777);
  assert.throws(() => unpack(files), /is not a folder of this user alone/);
});

test("unpack() refuses a link in place of its folder", { skip }, () => {
  mkdirSync(`${folder}/elsewhere`, { mode: 0o700 });
  symlinkSync(`${folder}/elsewhere`, `${folder}/tmp/enetjs-${process.getuid!()}`);
  assert.throws(() => unpack(files), /is not a folder of this user alone/);
  assert.deepEqual(readdirSync(`${folder}/elsewhere`), []);
});

test("isEmbedded() knows the files in an executable of Bun", () => {
  for (const path of ["/$bunfs/root/libx.so", "B:\\~BUN\\root\\x.dll", "B:/~BUN/root/x.dll"]) {
    assert.ok(isEmbedded(path), path);
  }
  for (const path of ["/home/bunfs/x.so", "/a/$bunfs/x.so", "C:\\BUN\\x.dll", "x.so"]) {
    assert.ok(!isEmbedded(path), path);
  }
});
