/**
 * Everything a reader may copy runs: the TypeScript blocks of the README and of the pages in `docs/`, the
 * `@example` blocks of the doc comments, and the programs in `examples/`. Deno gets the permissions that the README and
 * the examples name, and no others.
 *
 * A block says what it prints, in whatever order: `console.log(…); // hello`. A comment that begins with "for example"
 * is not compared.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { after, test } from "node:test";
import { ERROR_MEANINGS } from "../mod.ts";
import { root, run } from "../tools/_run.ts";
import { currentRuntime, type ProgramEnd, spawnRuntime, withDeadline } from "./_helpers.ts";

/** A block of TypeScript in a document or doc comment. */
interface Block {
  /** `README.md:20`. */
  readonly place: string;
  readonly code: string;
}

mkdirSync(`${root}/.cache`, { recursive: true });
const folder = mkdtempSync(`${root}/.cache/blocks-`);
after(() => rmSync(folder, { recursive: true, force: true }));

/** Files below a folder of the checkout, in order. */
function filesIn(path: string): string[] {
  return readdirSync(`${root}/${path}`, { recursive: true, encoding: "utf8" })
    .map((name) => `${path}/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".ts")).sort();
}

/** The `ts` blocks of a file; in a source file, those of its doc comments. */
function blocksOf(file: string): Block[] {
  const text = readFileSync(`${root}/${file}`, "utf8");
  const fence = file.endsWith(".md")
    ? /^```ts\n([^]*?)^```$/gm
    : /^ *\* ```ts\n([^]*?)^ *\* ```$/gm;
  return [...text.matchAll(fence)].map((match) => ({
    place: `${file}:${text.slice(0, match.index).split("\n").length}`,
    code: file.endsWith(".md") ? match[1] : match[1].replace(/^ *\* ?/gm, ""),
  }));
}

/** The README and the pages behind it. */
const pages = [
  "README.md",
  ...readdirSync(`${root}/docs`).filter((name) => name.endsWith(".md")).map((name) =>
    `docs/${name}`
  ),
];

const blocks = [...pages, "mod.ts", ...filesIn("lib"), ...filesIn("ffi")].flatMap(blocksOf);

/** Where a block is written to, to be run. */
function fileOf({ place }: Block): string {
  return `${folder}/${place.replaceAll(/\W/g, "_")}.ts`;
}

for (const block of blocks) {
  // What runs beside this must not be found.
  const code = block.code.replaceAll('"star-chase"', `"star-chase-${process.pid}"`)
    .replaceAll('"session.pcapng"', `"${folder}/session.pcapng"`);
  writeFileSync(fileOf(block), code);
}

/** The blocks that are two processes; the first line of each is its name. */
const server = blocks.find(({ code }) => code.startsWith("// echo_server.ts\n"));
const client = blocks.find(({ code }) => code.startsWith("// echo_client.ts\n"));

/** The lines that a block says it prints. */
function printed(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\),?;? *\/\/ (.*)$/gm)]
    .map(([, line]) => line).filter((line) => !line.startsWith("for example"));
}

/** What the gateway needs on Deno, as docs/websockets.md says; everything else needs `--allow-ffi`. */
const GATEWAY = ["--allow-net", "--allow-env=WS_NO_BUFFER_UTIL,WS_NO_UTF_8_VALIDATE"];

/** What discovery needs, as docs/discovery.md says. */
const DISCOVERY = ["--allow-net", "--allow-sys=networkInterfaces"];

/** What captures need, as docs/capture.md says. */
const CAPTURE = ["--allow-write"];

/** The permissions that the pages name for what a block imports. */
function permissionsOf({ code }: Block): string[] {
  return [
    "--allow-ffi",
    ...code.includes('"@enetjs/enet/gateway"') ? GATEWAY : [],
    ...code.includes('"@enetjs/enet/discovery"') ? DISCOVERY : [],
    ...code.includes("serveMetrics") ? ["--allow-net"] : [],
    ...code.includes(".capture(") ? CAPTURE : [],
  ];
}

/** Runs a file on this runtime, on Deno with these permissions. */
async function runFile(path: string, permissions: string[], args: string[] = []) {
  const flags = {
    deno: ["run", "--no-check", "--no-prompt", ...permissions],
    bun: [],
    node: ["--disable-warning=ExperimentalWarning"],
  };
  await using program = spawnRuntime(
    currentRuntime(),
    `../../${path.slice(root.length + 1)}`,
    args,
    { onlyFlags: flags[currentRuntime()] },
  );
  return await withDeadline(program.ended, 60_000, path);
}

function assertSuccess({ code, signal, stdout, stderr }: ProgramEnd): void {
  assert.equal(code ?? signal, 0, `${stdout}\n${stderr}`);
  assert.equal(stderr, "");
}

/** Every line that a block says it prints is in the output. */
function assertPrinted({ code }: Block, stdout: string): void {
  const lines = stdout.split("\n");
  for (const expected of printed(code)) {
    const at = lines.indexOf(expected);
    assert.ok(at >= 0, `"${expected}" was not printed:\n${stdout}`);
    lines.splice(at, 1);
  }
}

test("There are blocks to run", () => {
  assert.ok(blocks.filter(({ place }) => place.startsWith("README.md")).length >= 4);
  assert.ok(blocks.filter(({ place }) => place.startsWith("docs/")).length >= 30);
  assert.ok(blocks.some(({ place }) => place.startsWith("mod.ts")));
  assert.ok(blocks.some(({ place }) => place.startsWith("lib/host.ts")));
});

for (const block of blocks) {
  if (block === server || block === client) continue;
  test(`The example at ${block.place} runs and prints what it says`, async () => {
    const end = await runFile(fileOf(block), permissionsOf(block));
    assertSuccess(end);
    assertPrinted(block, end.stdout);
  });
}

test("The README's server and client run as two processes, under 20 lines each", async () => {
  assert.ok(server && client);
  for (const { code } of [server, client]) assert.ok(code.trimEnd().split("\n").length < 20);
  const withPort = (block: Block, port: string) => {
    const path = fileOf(block);
    const text = readFileSync(path, "utf8");
    assert.match(text, /\b7777\b/);
    writeFileSync(path, text.replaceAll(/\b7777\b/g, port));
    return path;
  };
  const flags = currentRuntime() === "deno"
    ? { onlyFlags: ["run", "--no-check", "--no-prompt", "--allow-ffi"] }
    : {};
  const path = `../../${withPort(server, "0").slice(root.length + 1)}`;
  await using program = spawnRuntime(currentRuntime(), path, [], flags);
  const port = await program.line("listening on port ");
  const end = await runFile(withPort(client, port), ["--allow-ffi"]);
  assertSuccess(end);
  assertPrinted(client, end.stdout);
  const left = await program.line("left: ");
  if (process.platform === "win32") return;
  program.process.kill("SIGINT");
  const { stdout } = await withDeadline(program.ended, 60_000, "the end of the server");
  assertPrinted(server, stdout);
  assert.equal(left, "remote");
});

/** Programs of more than a file, which have tests of their own; and tests, which are run as such. */
const larger =
  /^examples\/(demo|arena|browser)\/|^examples\/(rendezvous|rooms)\/(?!main)|_test\.ts$/;

for (const path of filesIn("examples").filter((path) => !larger.test(path))) {
  test(`${path} runs without arguments`, async () => {
    const comment = readFileSync(`${root}/${path}`, "utf8").split("*/")[0];
    const command = comment.match(/deno run (--.*?) examples\//);
    assert.ok(command, "its comment says how to run it");
    assert.match(comment, / bun examples\//);
    assert.match(comment, / node examples\//);
    const output = await runFile(`${root}/${path}`, command[1].split(" "));
    assertSuccess(output);
    assert.doesNotMatch(output.stdout, /\[object Object\]/);
  });
}

test("examples/lossy_test.ts passes, run as its comment says", async () => {
  const file = "../../examples/lossy_test.ts";
  const onlyFlags = {
    deno: ["test", "--no-check", "--no-prompt", "--allow-ffi"],
    bun: ["test", "--timeout", "60000"],
    node: ["--disable-warning=ExperimentalWarning", "--test"],
  }[currentRuntime()];
  await using program = spawnRuntime(currentRuntime(), file, [], { onlyFlags });
  const { code, stdout, stderr } = await withDeadline(program.ended, 120_000, file);
  assert.equal(code, 0, `${stdout}\n${stderr}`);
  // Each runtime counts in its own words.
  assert.match(`${stdout}${stderr}`, /\b3 pass(ed)?\b|\bpass 3\b/);
});

test("The echo client gets its answers from the echo server", async () => {
  const flags = currentRuntime() === "deno" ? { onlyFlags: ["run", "--no-check", "-A"] } : {};
  const server = "../../examples/echo_server.ts";
  await using program = spawnRuntime(currentRuntime(), server, ["0"], flags);
  const port = await program.line("listening on 127.0.0.1:");
  const client = await runFile(`${root}/examples/echo_client.ts`, ["--allow-ffi"], [port]);
  assertSuccess(client);
  assert.match(client.stdout, /^one in .*\ntwo in .*\nthree in .*\n$/);
  if (process.platform !== "win32") {
    program.process.kill("SIGINT");
    // Deno takes every child that was sent a signal for killed by it: only the output tells.
    const { stdout } = await withDeadline(program.ended, 60_000, "the end of the echo server");
    assert.match(stdout, /\nclosed\n$/);
  }
});

test("docs/errors.md explains every code of ENetError, with the library's own words", () => {
  const page = readFileSync(`${root}/docs/errors.md`, "utf8");
  const rows = [...page.matchAll(/^\| `(ENETJS_ERR_\w+)` *\| (.*?) *\| (.*?) *\|$/gm)];
  const told = rows.map(([, code, meaning]) => [code, meaning]);
  assert.deepEqual(told.sort(), Object.entries(ERROR_MEANINGS).sort());
  for (const [, code, , remedy] of rows) assert.match(remedy, /\w.*\.$/, code);
});

test("docs/ffi.md names every error code of the FFI", () => {
  const page = readFileSync(`${root}/docs/ffi.md`, "utf8");
  const source = readFileSync(`${root}/ffi/errors.ts`, "utf8");
  for (const [code] of source.matchAll(/ENETJS_ERR_[A-Z_]+/g)) {
    assert.ok(code === "ENETJS_ERR_" || page.includes(`\`${code}\``), code);
  }
});

test("The blocks pass the type checker", { skip: currentRuntime() !== "deno" }, async () => {
  const { name, exports } = JSON.parse(readFileSync(`${root}/deno.json`, "utf8"));
  const imports = Object.entries<string>(exports).map(([entry, path]) => [
    `${name}${entry.slice(1)}`,
    new URL(`../${path}`, import.meta.url).href,
  ]);
  const map = `${folder}/import_map.json`;
  writeFileSync(map, JSON.stringify({ imports: Object.fromEntries(imports) }));
  const { ok, output } = await run([
    process.execPath,
    "check",
    "--no-config",
    `--import-map=${map}`,
    ...blocks.map(fileOf),
  ]);
  assert.ok(ok, output);
  assert.match(output, /README_md_/, "nothing was checked");
});
