/**
 * Builds libenetjs, its C tests and the plugins of the examples.
 *
 * @module
 */

import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { fail, print, root, run } from "./_run.ts";
import { enetSource } from "./enet_source.ts";
import { setupBuild } from "./setup.ts";
import { type Target, TARGETS } from "./targets.ts";

/** Which sanitizer a library is built with. `address` includes the sanitizer of undefined behaviour. */
export type Sanitizer = "address" | "thread";

/** What can stand in for the memory pool, in a build for the bench; see `ENETJS_ALLOCATOR` in `CMakeLists.txt`. */
export type Allocator = "system" | "mimalloc";

const folders = {
  plain: "build",
  address: "build-asan",
  thread: "build-tsan",
  system: "build-system",
  mimalloc: "build-mimalloc",
  windows: "build-windows",
  arm64: "build-arm64",
  musl: "build-musl",
} as const;

/** A build for tests or benches only, or for another platform. */
export type Variant = Sanitizer | Allocator | Target;

const isSanitizer = (variant: Variant | undefined): variant is Sanitizer =>
  variant === "address" || variant === "thread";

async function cmake(args: string[]): Promise<void> {
  const { ok, ending, output } = await run(["cmake", ...args]);
  if (!ok) throw new Error(`${output}"cmake ${args.join(" ")}" failed: ${ending}`);
  for (const line of output.split("\n")) {
    if (/Building|Linking/.test(line)) print(`${line}\n`);
  }
}

const isTarget = (variant: Variant | undefined): variant is Target =>
  variant !== undefined && variant in TARGETS;

/** What tells CMake of another platform. */
function platformFlags(variant: Variant | undefined): string[] {
  if (!isTarget(variant)) return [];
  const { compiler, system, processor } = TARGETS[variant];
  return [
    `-DCMAKE_C_COMPILER=${compiler}`,
    "-DSODIUM_INCLUDE_DIR=", // That of this machine is for another compiler.
    "-DSODIUM_LIBRARY=",
    ...system ? [`-DCMAKE_SYSTEM_NAME=${system}`, `-DCMAKE_SYSTEM_PROCESSOR=${processor}`] : [],
  ];
}

/** The folder of ENet's sources that are built in, or an empty text where the system's libenet is linked. */
async function sourceFor(variant: Variant | undefined): Promise<string> {
  const needed = isTarget(variant) || process.platform !== "linux";
  return needed ? await enetSource() : process.env.ENETJS_ENET_SOURCE ?? "";
}

async function configure(folder: string, variant?: Variant): Promise<void> {
  const cache = `${folder}/CMakeCache.txt`;
  /** The folder of another libenet than the system's. */
  const libenet = process.env.ENETJS_LIBENET ?? "";
  const source = await sourceFor(variant);
  if (existsSync(cache)) {
    const values = readFileSync(cache, "utf8");
    const ours = values.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}/native\n`) &&
      values.includes(`ENETJS_ENET_SOURCE:PATH=${source}\n`) &&
      values.includes(`ENETJS_LIBENET:PATH=${libenet}\n`);
    const lists = ["CMakeLists.txt", "enet.cmake"].map((name) => `${root}/native/${name}`);
    const { mtimeMs } = statSync(cache);
    if (ours && lists.every((list) => mtimeMs > statSync(list).mtimeMs)) return;
    // cmake refuses the build folder of a checkout that was moved or copied, and never looks for libenet again.
    if (!ours) rmSync(folder, { recursive: true });
  }
  try {
    await cmake([
      ...["-S", `${root}/native`, "-B", folder],
      `-DCMAKE_BUILD_TYPE=${isSanitizer(variant) ? "Debug" : "Release"}`,
      ...platformFlags(variant),
      `-DENETJS_ENET_SOURCE=${source}`,
      `-DENETJS_LIBENET=${libenet}`,
      `-DENETJS_SANITIZE=${isSanitizer(variant) ? variant : ""}`,
      `-DENETJS_ALLOCATOR=${variant === "system" || variant === "mimalloc" ? variant : "pool"}`,
    ]);
    utimesSync(cache, new Date(), new Date()); // cmake does not touch it when nothing in it changes.
  } catch (error) {
    rmSync(cache, { force: true });
    throw error;
  }
}

/**
 * Brings a build up to date and says what it compiles.
 *
 * @param target What to build: the library alone, the plugins of the examples, or the library with C tests or C
 *   benches.
 * @returns The build folder, which holds the library and the test programs.
 * @throws {Error} When cmake or the compiler fails, with their output.
 */
export async function build(
  target: "enetjs" | "examples" | "tests" | "benches" = "enetjs",
  variant?: Variant,
): Promise<string> {
  const name = folders[variant ?? "plain"];
  const folder = `${root}/native/${name}`;
  mkdirSync(`${root}/.cache`, { recursive: true });
  using lock = await Deno.open(`${root}/.cache/${name}.lock`, { create: true, write: true });
  await lock.lock(true);
  await configure(folder, variant);
  const jobs = String(availableParallelism());
  await cmake(["--build", folder, "--config", "Release", "--target", target, "-j", jobs]);
  return folder;
}

if (import.meta.main) {
  try {
    await setupBuild();
    await build();
    await build("examples");
  } catch (error) {
    fail(error);
  }
}
