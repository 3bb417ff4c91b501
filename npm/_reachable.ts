/**
 * Follows imports from file to file.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { posix } from "node:path";

/** The module specifiers of JavaScript or of declarations. */
function specifiers(code: string): string[] {
  const withoutComments = code.replaceAll(/\/\*[^]*?\*\//g, "");
  const patterns = [/\bfrom\s*["']([^"']+)["']/g, /\bimport\s*\(?\s*["']([^"']+)["']/g];
  return patterns.flatMap((pattern) => [...withoutComments.matchAll(pattern)].map((m) => m[1]));
}

/**
 * The files that some files import, directly or not, and these themselves. From a declaration one
 * comes to declarations.
 *
 * @param folder that paths are relative to
 * @param entries as `"./lib/host.js"`
 * @throws {Error} when a file is missing
 */
export function reachable(folder: string, entries: readonly string[]): Set<string> {
  const found = new Set(entries);
  for (const path of found) { // A set's iteration comes to what is added meanwhile.
    for (const specifier of specifiers(readFileSync(`${folder}/${path}`, "utf8"))) {
      if (!specifier.startsWith(".")) continue;
      const target = posix.join(posix.dirname(path), specifier);
      found.add(`./${path.endsWith(".d.ts") ? target.replace(/\.js$/, ".d.ts") : target}`);
    }
  }
  return found;
}
