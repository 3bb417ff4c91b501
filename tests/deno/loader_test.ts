/**
 * What happens when the installed native library can't be loaded: the error lists each place and
 * what was wrong there, and the command that it names corrects it.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { copyFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { version } from "../../npm/_manifest.ts";
import { packTarball } from "../../npm/build.ts";
import { currentPlatform } from "../../npm/platforms.ts";
import { root } from "../../tools/_run.ts";
import { build } from "../../tools/build.ts";
import type { Runtime } from "../../tools/setup.ts";
import type { SpawnOptions } from "../_helpers.ts";
import {
  createProject,
  installedProject,
  type Project,
  publishAll,
  temporaryFolder,
} from "./_installed.ts";

const stack = new AsyncDisposableStack();

const names: readonly Runtime[] = ["deno", "bun", "node"];
const platform = currentPlatform();
const own = `@enetjs/${platform.name}`;
const { registry, main, platform: packageFolder } = stack.use(await publishAll());

/** What a program sees that loads the library. */
async function load(project: Project, options?: SpawnOptions): Promise<Record<string, string>> {
  const { stdout, stderr } = await project.run("load.ts", [], options);
  assertNotEquals(stdout, "", stderr);
  return JSON.parse(stdout);
}

/** Folders with the library installed. Each test that breaks one of them mends it. */
const installed = new Map<Runtime, Project>();

/** A folder with the library installed, and where its platform package is. */
async function prepare(runtime: Runtime): Promise<{ project: Project; folder: string }> {
  const project = installed.get(runtime) ?? await installedProject(stack, runtime, registry);
  installed.set(runtime, project);
  project.copy("tests/programs/load.ts");
  const { library } = await load(project);
  assert(library?.endsWith(`/${platform.library}`), "it is loaded at first, and was mended");
  return { project, folder: library.slice(0, -platform.library.length - 1) };
}

/** The command that the message names. */
function remedy(message: string): string {
  const lines = message.split("\n");
  assertEquals(lines[0], "The native library of @enetjs/enet could not be loaded. Looked at:");
  return lines.at(-1)!.match(/^Remedy: (.*)$/)![1];
}

/** Does what the message says, and checks that the library is loaded then. */
async function mend(project: Project, message: string): Promise<void> {
  const command = remedy(message);
  const { code, stdout, stderr } = await project.shell(command);
  assertEquals(code, 0, `${command}\n${stdout}${stderr}`);
  const after = await load(project);
  assert(after.library, `${command}\n${stdout}${stderr}\n${after.message}`);
}

for (const name of names) {
  test(`The error on ${name} says when the platform package is missing`, async () => {
    const project = createProject(stack, name, registry.env);
    project.copy("tests/programs/load.ts");
    const add = name === "bun" ? ["bun", "add"] : ["npm", "install"];
    await project.command([...add, "--omit=optional", "@enetjs/enet"]);
    const { code, message } = await load(project);
    assertEquals(code, "ENETJS_ERR_LIBRARY");
    assert(message.includes(`\n  - npm package ${own}: not installed (`), message);
    assert(remedy(message).endsWith(`${own}@${version}`), message);
    await mend(project, message);
  });

  test(`The error on ${name} says when the library has another ABI version`, async () => {
    const { project, folder } = await prepare(name);
    const path = `${folder}/${platform.library}`;
    const wrong = platform.library.replace("enetjs", "wrong_abi");
    rmSync(path);
    copyFileSync(`${await build("tests")}/${wrong}`, path);
    const { code, message } = await load(project);
    assertEquals(code, "ENETJS_ERR_ABI");
    assertMatch(message, /: it has ABI version 999, this @enetjs\/enet needs \d+\n/);
    assert(message.includes(`\n  - ${path}: `), message);
    await mend(project, message);
  });

  test(
    `The error on ${name} says when libenet is missing`,
    { skip: platform.os !== "linux" },
    async () => {
      const { project, folder } = await prepare(name);
      const path = `${folder}/${platform.library}`;
      // Under a name that the system does not have either.
      const bytes = readFileSync(path).toString("latin1").replaceAll(
        "libenet.so.7",
        "libenet.so.0",
      );
      rmSync(path);
      writeFileSync(path, bytes, "latin1");
      const { code, message } = await load(project);
      assertEquals(code, "ENETJS_ERR_LIBRARY");
      assert(message.includes(`\n  - ${path}: libenet is missing beside it and on the system (`));
      await mend(project, message);
    },
  );

  test(`The error on ${name} says when the library is no library`, async () => {
    const { project, folder } = await prepare(name);
    const path = `${folder}/${platform.library}`;
    rmSync(path);
    writeFileSync(path, "nothing".repeat(1000));
    const { code, message } = await load(project);
    assertEquals(code, "ENETJS_ERR_LIBRARY");
    assert(message.includes(`\n  - ${path}: `), message);
    await mend(project, message);
  });
}

// Bun copies folders, and takes what is missing from the registry.
for (const name of ["deno", "node"] as const) {
  test(`The error on ${name} says when the package is a link to where it was built`, async () => {
    const dist = `${temporaryFolder(stack)}/npm/dist`;
    cpSync(main, `${dist}/enet`, { recursive: true });
    cpSync(packageFolder, `${dist}/${platform.name}`, { recursive: true });
    await packTarball(`${dist}/enet`);
    await packTarball(`${dist}/${platform.name}`);
    const project = createProject(stack, name, registry.env);
    project.copy("tests/programs/load.ts");
    await project.command(["npm", "install", `${dist}/enet`, `${dist}/${platform.name}`]);
    // Deno reads without permission only what is in node_modules.
    const { code, message } = await load(
      project,
      name === "deno" ? { flags: ["--allow-read"] } : {},
    );
    assertEquals(code, "ENETJS_ERR_LIBRARY");
    assertMatch(remedy(message), /^npm install ".*\.tgz" ".*\.tgz"$/);
    await mend(project, message);
  });
}

const other = platform.os === "darwin" ? ["linux", "x64"] : ["darwin", "arm64"];

test("The error names the platform when the package of another one is installed", async () => {
  const project = createProject(stack, "node", registry.env);
  project.copy("tests/programs/load.ts");
  const [os, cpu] = other;
  await project.command(["npm", "install", `--os=${os}`, `--cpu=${cpu}`, "@enetjs/enet"]);
  const { code, message } = await load(project);
  assertEquals(code, "ENETJS_ERR_LIBRARY");
  assertMatch(
    message,
    new RegExp(`- npm package ${own}: not installed, only @enetjs/${os}-${cpu}`),
  );
  await mend(project, message);
});

for (const name of ["bun", "node"] as const) {
  const preload = name === "bun" ? "--preload" : "--import";
  const pretend = (what: Record<string, string>): SpawnOptions => ({
    flags: [preload, `${root}/tests/programs/pretend.ts`],
    env: { PRETEND: JSON.stringify(what) },
  });

  test(`On ${name} with musl, the package for glibc does not fit`, {
    skip: platform.os !== "linux",
  }, async () => {
    const { project } = await prepare(name);
    const { code, message } = await load(project, pretend({ libc: "musl" }));
    assertEquals(code, "ENETJS_ERR_LIBRARY");
    const musl = `@enetjs/${process.platform}-${process.arch}-musl`;
    assert(message.includes(`\n  - npm package ${musl}: not installed, only ${own}\n`), message);
    assert(remedy(message).endsWith(`${musl}@${version}`), message);
  });

  test(`On ${name} there is no package for a platform that is not in the list`, async () => {
    const { project } = await prepare(name);
    const { code, message } = await load(project, pretend({ arch: "riscv64" }));
    assertEquals(code, "ENETJS_ERR_LIBRARY");
    assertMatch(remedy(message), /^there is no package for \w+-riscv64\b.* ENETJS_LIBRARY /);
  });
}

test("The error on Deno says when the permission is missing", async () => {
  const { project, folder } = await prepare("deno");
  const path = `${folder}/${platform.library}`;
  const flags = (permission: string) => ({ onlyFlags: ["run", "--no-prompt", permission] });
  const { code, message } = await load(project, flags("--deny-ffi"));
  assertEquals(code, "ENETJS_ERR_LIBRARY");
  assert(message.includes(`\n  - ${path}: not permitted (`), message);
  assertEquals(remedy(message), "run the program with --allow-ffi");
  const { library } = await load(project, flags(`--allow-ffi=${path}`));
  assertEquals(library, path);
});

// Last, and no hook: Deno 2.9 calls none after a file in which a test is skipped.
test("The registry ends, and all folders are removed", async () => {
  await stack.disposeAsync();
  assert(!existsSync(packageFolder));
});
