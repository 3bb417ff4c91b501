/**
 * Folders as users have them, with the packages installed from a registry.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import { buildMain, buildPlatform, writePlatform } from "../../npm/build.ts";
import { currentPlatform, PLATFORMS } from "../../npm/platforms.ts";
import { root } from "../../tools/_run.ts";
import { dependencies, dependencyFolder } from "../../tools/dependencies.ts";
import { type Runtime, runtimes } from "../../tools/setup.ts";
import {
  type Program,
  type ProgramEnd,
  type SpawnOptions,
  spawnProgram,
  withDeadline,
} from "../_helpers.ts";
import { type Registry, startRegistry } from "./_registry.ts";

/** A new folder, which is removed in the end. */
export function temporaryFolder(stack: AsyncDisposableStack): string {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-packages-`);
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A registry with all packages in it. */
export interface Published extends AsyncDisposable {
  readonly registry: Registry;
  /** The main package, as it was published. */
  readonly main: string;
  /** The package for this machine's platform. */
  readonly platform: string;
}

/**
 * Builds the packages and publishes them, and those they need. Packages of other platforms have no libraries in them.
 */
export async function publishAll(): Promise<Published> {
  await using stack = new AsyncDisposableStack();
  const folder = temporaryFolder(stack);
  const registry = stack.use(await startRegistry());
  const main = await buildMain(folder);
  const platform = await buildPlatform(folder);
  const others = PLATFORMS.filter(({ name }) => name !== currentPlatform().name)
    .map((platform) => writePlatform(platform, folder));
  const needed = Object.keys(dependencies).map(dependencyFolder);
  await Promise.all([main, platform, ...others, ...needed].map((path) => registry.publish(path)));
  const resources = stack.move();
  return { registry, main, platform, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** What a user types to install the library. */
export const INSTALL: Record<Runtime, readonly string[]> = {
  deno: ["deno", "add", "npm:@enetjs/enet"],
  bun: ["bun", "add", "@enetjs/enet"],
  node: ["npm", "install", "@enetjs/enet"],
};

/** The flags of a user of the library. */
const FLAGS: Record<Runtime, readonly string[]> = {
  deno: ["run", "--no-prompt", "--allow-ffi"],
  bun: [],
  node: ["--disable-warning=ExperimentalWarning"],
};

/** A user's folder for a runtime. */
export interface Project {
  readonly runtime: Runtime;
  readonly folder: string;
  /** Runs a command line in it to its end: `["bun", "add", "x"]`. */
  command(line: readonly string[]): Promise<ProgramEnd>;
  /** Runs a command line in it as a user types it, with `deno` and `bun` in PATH. */
  shell(line: string): Promise<ProgramEnd>;
  /** Starts a file of it, the way a user does. */
  start(file: string, args?: readonly string[], options?: SpawnOptions): Program;
  /** Starts an executable. */
  execute(path: string, args: readonly string[]): Program;
  /** Runs a file of it to its end. */
  run(file: string, args?: readonly string[], options?: SpawnOptions): Promise<ProgramEnd>;
  /** Writes a file of the checkout into it, with the imports of a user. */
  copy(file: string, name?: string): void;
}

/** A folder in which the runtimes have the names that users call them by. */
function binaries(stack: AsyncDisposableStack): string {
  const folder = temporaryFolder(stack);
  for (const [name, path] of Object.entries(runtimes())) symlinkSync(path, `${folder}/${name}`);
  return folder;
}

/** Makes an empty folder for a runtime. */
export function createProject(
  stack: AsyncDisposableStack,
  runtime: Runtime,
  env: Record<string, string>,
): Project {
  const folder = temporaryFolder(stack);
  const denoFolder = temporaryFolder(stack); // Deno runs packages from there.
  for (let above = dirname(folder); above !== dirname(above); above = dirname(above)) {
    for (const name of ["package.json", "deno.json", "node_modules"]) {
      assert(!existsSync(`${above}/${name}`), `${above}/${name} is in the way`);
    }
  }
  const start = (command: string, args: readonly string[], options: SpawnOptions = {}) =>
    spawnProgram(command, args, {
      cwd: folder,
      env: { ...env, DENO_DIR: denoFolder, ...options.env },
      name: args.join(" "),
    });
  const end = async (program: Program) => {
    await using child = program;
    return await withDeadline(child.ended, 60_000, "the program's end");
  };
  const project: Project = {
    runtime,
    folder,
    command: ([name, ...args]) =>
      end(start(name in FLAGS ? runtimes()[name as Runtime] : name, args)),
    shell: (line) =>
      end(start("sh", ["-c", line], { env: { PATH: `${binaries(stack)}:${process.env.PATH}` } })),
    start(file, args = [], options = {}) {
      const flags = options.onlyFlags ?? [...FLAGS[runtime], ...options.flags ?? []];
      return start(runtimes()[runtime], [...flags, file, ...args], options);
    },
    execute: start,
    run: (file, args, options) => end(project.start(file, args, options)),
    copy(file, name = file.split("/").at(-1)!) {
      const text = readFileSync(`${root}/${file}`, "utf8");
      writeFileSync(`${folder}/${name}`, text.replaceAll(/"[./]+\/mod\.ts"/g, '"@enetjs/enet"'));
    },
  };
  return project;
}

/** An empty folder in which the library has been installed as a user does it. */
export async function installedProject(
  stack: AsyncDisposableStack,
  runtime: Runtime,
  { env }: Registry,
): Promise<Project> {
  const project = createProject(stack, runtime, env);
  const { code, stdout, stderr } = await project.command(INSTALL[runtime]);
  assertEquals(code, 0, `${INSTALL[runtime].join(" ")}\n${stdout}${stderr}`);
  return project;
}
