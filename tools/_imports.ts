/**
 * Which file imports which, as Deno itself resolves it: types and `import()` included.
 *
 * @module
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { runOrThrow } from "./_run.ts";

/** The files that each file imports. Paths are relative to one folder, as `"lib/host.ts"`. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** The part of what `deno info --json` prints that is used here. */
interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

/**
 * Follows the imports of files, within a folder; what lies elsewhere is left out. A file that is
 * missing or can't be parsed may be a target, but is no key of the result.
 *
 * @param folder the folder, an absolute path
 * @param files where to begin, relative to it
 * @throws {Error} when Deno fails
 */
export async function importsOf(folder: string, files: readonly string[]): Promise<Imports> {
  const base = pathToFileURL(`${folder}/`).href;
  const temporary = mkdtempSync(`${tmpdir()}/enetjs-imports-`);
  try {
    // `deno info` takes one file.
    const all = `${temporary}/all.ts`;
    writeFileSync(all, files.map((path) => `import "${new URL(path, base)}";\n`).join(""));
    const output = await runOrThrow([process.execPath, "info", "--json", "--no-config", all]);
    const { modules }: Info = JSON.parse(output.slice(output.indexOf("{")));
    const imports = new Map<string, string[]>();
    for (const { specifier, error, dependencies = [] } of modules) {
      if (!specifier.startsWith(base) || error !== undefined) continue;
      const targets = dependencies.flatMap(({ code, type }) => [code?.specifier, type?.specifier])
        .filter((target) => target !== undefined && target.startsWith(base)) as string[];
      const paths = targets.map((target) => decodeURI(target.slice(base.length)));
      imports.set(decodeURI(specifier.slice(base.length)), [...new Set(paths)]);
    }
    return imports;
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/**
 * The files of a built package that `entries` import, directly or not, and the entries themselves. The
 * imports of a declaration name JavaScript files; the declarations beside those are taken.
 *
 * @param folder the package's folder
 * @param entries relative to it, as `"lib/host.js"`
 * @throws {Error} when a file is missing or can't be parsed
 */
export async function reachable(folder: string, entries: readonly string[]): Promise<Set<string>> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/")).filter((path) => /\.(js|d\.ts)$/.test(path));
  const imports = await importsOf(folder, files);
  const found = new Set(entries);
  for (const path of found) { // An iteration over a set also visits what is added during it.
    const targets = imports.get(path);
    if (targets === undefined) throw new Error(`${folder}/${path} is missing or broken`);
    for (const target of targets) {
      found.add(path.endsWith(".d.ts") ? target.replace(/\.js$/, ".d.ts") : target);
    }
  }
  return found;
}
