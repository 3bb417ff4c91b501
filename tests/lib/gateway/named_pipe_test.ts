import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { mkfifo, OPEN } from "../../../ffi/posix.ts";
import { PipeInput } from "../../../lib/gateway/pipe/byte_source.ts";
import { NamedPipe } from "../../../lib/gateway/pipe/named_pipe.ts";
import { spawnProgram, until, withDeadline } from "../../_helpers.ts";
import { openDescriptors, PipeEnd, skip, temporaryFolder } from "./_pipes.ts";

const modeOf = (path: string) => statSync(path).mode & 0o777;
const decode = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

test("A missing pipe is made with 0666 less the umask, and removed at the end", { skip }, () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/in`;
  const before = process.umask(0o027);
  try {
    using _ = new NamedPipe(path);
    assert.ok(statSync(path).isFIFO());
    assert.equal(modeOf(path), 0o640);
  } finally {
    process.umask(before);
  }
  assert.ok(!existsSync(path));
});

test("A pipe that was there stays, and so does what has taken the place of ours", { skip }, () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/in`;
  mkfifo(path, 0o600);
  new NamedPipe(path)[Symbol.dispose]();
  assert.ok(statSync(path).isFIFO());
  symlinkSync(path, `${folder.path}/link`);
  new NamedPipe(`${folder.path}/link`)[Symbol.dispose]();
  assert.ok(existsSync(`${folder.path}/link`));
  const other = `${folder.path}/other`;
  const ours = new NamedPipe(other);
  renameSync(other, `${other}.old`);
  mkfifo(other, 0o600);
  ours[Symbol.dispose]();
  assert.ok(statSync(other).isFIFO());
});

test("A path that is no pipe is refused, and not touched", { skip }, () => {
  using folder = temporaryFolder();
  const file = `${folder.path}/file`;
  writeFileSync(file, "precious");
  mkdirSync(`${folder.path}/folder`);
  symlinkSync(`${folder.path}/nowhere`, `${folder.path}/dangling`);
  for (const name of ["file", "folder"]) {
    assert.throws(() => new NamedPipe(`${folder.path}/${name}`), /exists and is no named pipe/);
  }
  assert.throws(() => new NamedPipe(`${folder.path}/dangling`), /ENOENT/);
  assert.throws(() => new NamedPipe(`${folder.path}/none/in`), /ENOENT/);
  assert.equal(readFileSync(file, "utf8"), "precious");
  // Also when it was a pipe at first.
  const path = `${folder.path}/in`;
  using pipe = new NamedPipe(path);
  unlinkSync(path);
  symlinkSync(file, path);
  const before = openDescriptors();
  for (const flags of [OPEN.READ, OPEN.WRITE]) {
    assert.throws(() => pipe.open(flags), /is no named pipe/);
  }
  assert.equal(openDescriptors(), before);
  assert.equal(readFileSync(file, "utf8"), "precious");
});

test("Writers come and go, and their end is no end of the pipe", { skip }, async () => {
  using folder = temporaryFolder();
  using pipe = new NamedPipe(`${folder.path}/in`);
  using input = await PipeInput.open(pipe, 65_536);
  for (const text of ["one", "two", "three"]) {
    const reading = input.read();
    using writer = PipeEnd.writer(pipe.path);
    writer.write(text);
    writer[Symbol.dispose]();
    assert.equal(decode(await withDeadline(reading, 30_000, text)), text);
  }
});

test(
  "A read takes what is there, up to its limit, and one that waits ends by dispose",
  { skip },
  async () => {
    const before = openDescriptors();
    using folder = temporaryFolder();
    using pipe = new NamedPipe(`${folder.path}/in`);
    const input = await PipeInput.open(pipe, 4);
    using writer = PipeEnd.writer(pipe.path);
    writer.write("123456");
    assert.equal(decode(await input.read()), "1234");
    assert.equal(decode(await input.read()), "56");
    const waiting = input.read();
    input[Symbol.dispose]();
    input[Symbol.dispose]();
    assert.equal(await withDeadline(waiting, 30_000, "the end"), undefined);
    assert.equal(await input.read(), undefined);
    writer[Symbol.dispose]();
    // Runtimes close sockets a little later.
    await until(() => openDescriptors() === before, 30_000, "all descriptors closed");
  },
);

test("discard() throws away what comes until all writers are gone", { skip }, async () => {
  using folder = temporaryFolder();
  using pipe = new NamedPipe(`${folder.path}/in`);
  using input = await PipeInput.open(pipe, 65_536);
  using first = PipeEnd.writer(pipe.path);
  using second = PipeEnd.writer(pipe.path);
  let isOver = false;
  const over = input.discard().then(() => isOver = true);
  first.write("lost");
  first[Symbol.dispose]();
  for (let i = 0; i < 100; i++) {
    second.write("also lost");
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.equal(isOver, false);
  second[Symbol.dispose]();
  await withDeadline(over, 30_000, "the end of all writers");
  using third = PipeEnd.writer(pipe.path);
  third.write("new");
  assert.equal(decode(await input.read()), "new");
  const discarding = input.discard();
  input[Symbol.dispose]();
  await withDeadline(discarding, 30_000, "the end by dispose");
});

test("Two writers on one pipe: small writes stay whole", { skip }, async () => {
  using folder = temporaryFolder();
  using pipe = new NamedPipe(`${folder.path}/in`);
  using input = await PipeInput.open(pipe, 65_536);
  const script = (letter: string) =>
    `i=0; while [ $i -lt 500 ]; do echo ${letter.repeat(99)}; i=$((i+1)); done > ${pipe.path}`;
  await using one = spawnProgram("sh", ["-c", script("a")]);
  await using two = spawnProgram("sh", ["-c", script("b")]);
  let text = "";
  while (text.length < 100_000) text += decode(await withDeadline(input.read(), 10_000, "a read"));
  const lines = text.trimEnd().split("\n");
  assert.equal(lines.length, 1000);
  for (const letter of "ab") {
    assert.equal(lines.filter((line) => line === letter.repeat(99)).length, 500);
  }
  for (const program of [one, two]) assert.equal((await program.ended).code, 0);
});
