/**
 * Makes JavaScript and declarations from the sources: with dnt, or, where JSR cannot be reached, with
 * `deno pack`. Both make the same files.
 *
 * @module
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { print, root, runOrThrow } from "../tools/_run.ts";
import { exported, name, version } from "./_manifest.ts";
import { lowerSyntax } from "./_syntax.ts";

const DNT = "jsr:@deno/dnt@0.42.1";

/** The part of dnt that is used here. */
interface Dnt {
  build(options: Record<string, unknown>): Promise<void>;
}

/** Loads dnt, or says why that can't be. */
async function loadDnt(): Promise<Dnt | undefined> {
  try {
    return await import(DNT);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // What can't be fetched is a TypeError.
    print(`${DNT} is out of reach, so deno pack builds the package: ${error.message}\n`);
  }
}

async function buildWithDnt(dnt: Dnt, folder: string): Promise<void> {
  await dnt.build({
    entryPoints: exported.map(([name, path]) => ({ name, path: `${root}/${path}` })),
    outDir: folder,
    shims: {},
    package: { name, version },
    scriptModule: false,
    typeCheck: false, // `deno check` does that, with the compiler that the sources are written for.
    test: false,
    skipNpmInstall: true,
    skipSourceOutput: true,
    declarationMap: false,
    compilerOptions: { target: "Latest", lib: ["ESNext", "DOM"] },
  });
}

async function buildWithPack(folder: string): Promise<void> {
  const tarball = `${folder}/package.tgz`;
  const flags = ["--allow-dirty", "--no-source-maps", "--output", tarball];
  await runOrThrow([process.execPath, "pack", ...flags]);
  await runOrThrow(["tar", "-xzf", tarball, "-C", folder]);
}

/**
 * Writes the modules of the main package.
 *
 * @param folder where to; the layout below it is that of the sources
 */
export async function buildModules(folder: string): Promise<void> {
  const temporary = mkdtempSync(`${tmpdir()}/enetjs-npm-`);
  try {
    const dnt = await loadDnt();
    if (dnt) await buildWithDnt(dnt, temporary);
    else await buildWithPack(temporary);
    mkdirSync(folder, { recursive: true });
    cpSync(`${temporary}/${dnt ? "esm" : "package"}`, folder, { recursive: true });
    await lowerSyntax(folder);
  } finally {
    rmSync(temporary, { recursive: true });
  }
}
