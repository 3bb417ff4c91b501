/**
 * Finds and loads libenetjs, once per thread.
 *
 * Places, in this order: the path in `ENETJS_LIBRARY`; `native/build` of a checkout; the platform
 * package from npm (`@enetjs/linux-x64`, …), a module whose default export is the library's path.
 *
 * @module
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ENetError } from "../lib/errors.ts";
import { LAYOUT } from "./layout.ts";
import { detectRuntime, type Runtime } from "./runtime.ts";
import { type Native, openNative, SYMBOLS } from "./symbols.ts";

/** A loaded libenetjs. */
export interface Library {
  /** The adapter that loaded it. */
  readonly runtime: Runtime;
  /** Its functions. */
  readonly native: Native;
  /** The file it came from. */
  readonly path: string;
  /** Whether `ENETJS_DEBUG` asks for released memory to be poisoned and late use to be traced. */
  readonly debug: boolean;
}

/** A place that was looked at in vain. */
interface Miss {
  readonly place: string;
  readonly problem: string;
}

const ABI_TABLE = { enetjs_abi_version: [] } as const;

/** The library's file name on this platform. */
function fileName(): string {
  if (process.platform === "win32") return "enetjs.dll";
  return process.platform === "darwin" ? "libenetjs.dylib" : "libenetjs.so";
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Opens a file and checks its version before anything else of it is used. */
function open(runtime: Runtime, path: string): Library {
  const version = openNative(runtime, path, ABI_TABLE).enetjs_abi_version();
  if (version !== LAYOUT.ABI_VERSION) {
    throw new ENetError(
      "ENETJS_ERR_ABI",
      `${path} has ABI version ${version}, this @enetjs/enet needs ${LAYOUT.ABI_VERSION}: ` +
        "in a checkout, rebuild it with `npx -y deno task build`; else install the matching version",
    );
  }
  const debug = runtime.env("ENETJS_DEBUG") === "1";
  return { runtime, native: openNative(runtime, path, SYMBOLS), path, debug };
}

function checkoutPath(): string | undefined {
  const url = new URL(`../native/build/${fileName()}`, import.meta.url);
  return url.protocol === "file:" ? fileURLToPath(url) : undefined;
}

async function packagePath(name: string): Promise<string> {
  const module = await import(name) as { default: string };
  return module.default;
}

function notFound(misses: readonly Miss[]): ENetError {
  const places = misses.map(({ place, problem }) => `  - ${place}: ${problem}`).join("\n");
  return new ENetError(
    "ENETJS_ERR_LIBRARY",
    `The native library of @enetjs/enet could not be loaded. Looked at:\n${places}\n` +
      "In a checkout, build it with `npx -y deno task build`; or set ENETJS_LIBRARY to the path of " +
      `${fileName()}. Under Deno, --allow-ffi must cover the path`,
  );
}

async function load(): Promise<Library> {
  const runtime = detectRuntime();
  const chosen = runtime.env("ENETJS_LIBRARY");
  const misses: Miss[] = [];
  const attempt = (path: string): Library | undefined => {
    try {
      return open(runtime, path);
    } catch (error) {
      if (error instanceof ENetError) throw error;
      misses.push({ place: path, problem: describe(error) });
    }
  };
  if (chosen !== undefined && chosen !== "") {
    const library = attempt(chosen);
    if (library) return library;
    throw notFound([{ place: `ENETJS_LIBRARY=${chosen}`, problem: misses[0].problem }]);
  }
  const checkout = checkoutPath();
  const library = checkout === undefined ? undefined : attempt(checkout);
  if (library) return library;
  const name = `@enetjs/${process.platform}-${process.arch}`;
  try {
    return attempt(await packagePath(name)) ?? Promise.reject(notFound(misses));
  } catch (error) {
    if (error instanceof ENetError) throw error;
    misses.push({ place: `npm package ${name}`, problem: describe(error) });
    throw notFound(misses);
  }
}

let loading: Promise<Library> | undefined;
let loaded: Library | undefined;

/**
 * Loads the native library, or returns the one that is loaded.
 *
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` when none is found, `ENETJS_ERR_ABI` when it has another
 *   version. A later call tries again.
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

/**
 * The native library, which this thread must have loaded.
 *
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` when it has not
 */
export function requireLibrary(): Library {
  if (loaded !== undefined) return loaded;
  throw new ENetError(
    "ENETJS_ERR_LIBRARY",
    "The native library is not loaded yet: create a host, or await versions(), first",
  );
}
