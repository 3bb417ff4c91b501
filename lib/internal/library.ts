/**
 * The native library as `lib/` gets it: `ffi/` finds and loads it, and its failure becomes an
 * {@linkcode ENetError} here.
 *
 * @module
 */
import { LoadError } from "../../ffi/_load_failure.ts";
import { type Library, loadedLibrary, loadLibrary as load } from "../../ffi/loader.ts";
import { ENetError } from "../errors.ts";

/**
 * Loads the native library, or returns the one that is loaded.
 *
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` when none is found, `ENETJS_ERR_ABI` when one was found
 *   that has another version. A later call tries again.
 */
export async function loadLibrary(): Promise<Library> {
  try {
    return await load();
  } catch (error) {
    throw error instanceof LoadError ? new ENetError(error.code, error.message) : error;
  }
}

/**
 * The native library, which this thread must have loaded.
 *
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` when it has not
 */
export function requireLibrary(): Library {
  const library = loadedLibrary();
  if (library !== undefined) return library;
  throw new ENetError(
    "ENETJS_ERR_LIBRARY",
    "The native library is not loaded yet: create a host, or await versions(), first",
  );
}
