/**
 * Finds and loads libenetjs, once per thread.
 *
 * Places, in this order: the path in `ENETJS_LIBRARY`, and then no other; `native/build` of a
 * checkout; the platform package from npm (`@enetjs/linux-x64`, …), a module whose default export is
 * the library's path.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AbiMismatch, LoadError, loadFailure, type Miss, missOf } from "./_load_failure.ts";
import { buildFolder, importPackage, type PlatformPackage, platforms } from "./_origin.ts";
import { libraryName, platformName } from "./_platform.ts";
import { isEmbedded, unpack } from "./_unpack.ts";
import type { Runtime } from "./contract.ts";
import { FfiError } from "./errors.ts";
import { LAYOUT } from "./layout.ts";
import { detectRuntime } from "./runtime.ts";
import { type Native, openNative, SYMBOLS } from "./symbols.ts";
import { type WakeKind, wakeKindOf } from "./wake.ts";

/** A loaded libenetjs. */
export interface Library {
  /** The adapter that loaded it. */
  readonly runtime: Runtime;
  /** Its functions. */
  readonly native: Native;
  /** The file it came from. */
  readonly path: string;
  /** How its threads wake this thread. */
  readonly wake: WakeKind;
  /** Whether `ENETJS_DEBUG` asks for released memory to be poisoned and late use to be traced. */
  readonly debug: boolean;
}

/** What does not depend on the file. */
type Basis = Pick<Library, "runtime" | "wake">;

const ABI_TABLE = { enetjs_abi_version: [] } as const;

/** Refuses a library of another version. */
function checkAbi(version: number): void {
  if (version === LAYOUT.ABI_VERSION) return;
  throw new AbiMismatch(
    `it has ABI version ${version}, this @enetjs/enet needs ${LAYOUT.ABI_VERSION}`,
  );
}

/** Opens a file and checks its version before anything else of it is used. */
function open({ runtime, wake }: Basis, path: string): Library {
  checkAbi(openNative(runtime, path, ABI_TABLE).enetjs_abi_version());
  const debug = runtime.env("ENETJS_DEBUG") === "1";
  return { runtime, native: openNative(runtime, path, SYMBOLS), path, wake, debug };
}

/** Opens the library at a place, or says why not. */
function tryOpen(basis: Basis, place: string, find: () => string): Library | Miss {
  try {
    return open(basis, find());
  } catch (error) {
    return missOf(place, error);
  }
}

/** Opens the library of the platform package, or says why not. */
async function tryPackage(basis: Basis, platform: string): Promise<Library | Miss> {
  let found: PlatformPackage;
  try {
    found = await importPackage(platform);
  } catch (error) {
    return packageMissing(platform, error);
  }
  const { default: path, abi, files } = found;
  return tryOpen(basis, path, () => {
    checkAbi(abi);
    return files !== undefined && isEmbedded(path) ? join(unpack(files), libraryName()) : path;
  });
}

/** Says that a package can't be imported, and which other packages can. */
async function packageMissing(platform: string, error: unknown): Promise<Miss> {
  const installed: string[] = [];
  for (const other of platforms.filter((name) => name !== platform)) {
    await importPackage(other).then(() => installed.push(`@enetjs/${other}`), () => {});
  }
  const words = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
  return {
    place: `npm package @enetjs/${platform}`,
    cause: "uninstalled",
    problem: `not installed${
      installed.length > 0 ? `, only ${installed.join(", ")}` : ` (${words})`
    }`,
  };
}

/** The adapter and its wake-up, or the error that the library cannot be loaded on this runtime. */
function requireBasis(): Basis {
  try {
    const runtime = detectRuntime();
    return { runtime, wake: wakeKindOf(runtime) };
  } catch (error) {
    if (!(error instanceof FfiError)) throw error;
    throw new LoadError("ENETJS_ERR_LIBRARY", error.message);
  }
}

async function load(): Promise<Library> {
  const basis = requireBasis();
  const { runtime } = basis;
  const chosen = runtime.env("ENETJS_LIBRARY");
  if (chosen) {
    const found = tryOpen(basis, `ENETJS_LIBRARY=${chosen}`, () => chosen);
    if ("native" in found) return found;
    throw loadFailure({ runtime: runtime.name, first: "chosen" }, [found]);
  }
  const misses: Miss[] = [];
  if (buildFolder !== undefined) {
    const path = fileURLToPath(new URL(libraryName(), buildFolder));
    const found = tryOpen(basis, path, () => path);
    if ("native" in found) return found;
    misses.push(found);
  }
  const platform = platformName();
  const found = await tryPackage(basis, platform);
  if ("native" in found) return found;
  const first = buildFolder === undefined ? "package" : "checkout";
  throw loadFailure({ runtime: runtime.name, first, platform }, [...misses, found]);
}

let loading: Promise<Library> | undefined;
let loaded: Library | undefined;

/**
 * Loads the native library, or returns the one that is loaded.
 *
 * @throws {LoadError} `ENETJS_ERR_LIBRARY` when none is found, `ENETJS_ERR_ABI` when one was found
 *   that has another version. A later call tries again.
 */
export function loadLibrary(): Promise<Library> {
  loading ??= load().then((library) => loaded = library, (error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

/** The native library, if this thread has loaded it. */
export function loadedLibrary(): Library | undefined {
  return loaded;
}
