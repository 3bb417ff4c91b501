/**
 * Writes modules in syntax that the oldest Node has. Modules without newer syntax stay as they are.
 *
 * @module
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { runOrThrow } from "../tools/_run.ts";
import { setupEsbuild, TARGET } from "../tools/esbuild.ts";

/** Has esbuild write all modules of a folder for a target. */
async function transform(folder: string, output: string, target: string): Promise<void> {
  const esbuild = await setupEsbuild();
  const flags = ["--platform=node", "--format=esm", `--target=${target}`, "--log-level=error"];
  // npm has put the executable in place of the script, but on Windows.
  const launcher = process.platform === "win32" ? ["node"] : [];
  await runOrThrow([
    ...[...launcher, `${esbuild}/bin/esbuild`, ...modulesIn(folder), ...flags],
    ...[`--outdir=${output}`, "--outbase=."],
  ], { cwd: folder });
}

function modulesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/")).filter((path) => path.endsWith(".js"));
}

/**
 * Replaces the modules of a folder that have newer syntax.
 *
 * @returns their paths, relative to it
 */
export async function lowerSyntax(folder: string): Promise<string[]> {
  const temporary = mkdtempSync(`${tmpdir()}/enetjs-syntax-`);
  try {
    const [old, same] = [`${temporary}/old`, `${temporary}/same`];
    await Promise.all([
      transform(folder, old, TARGET),
      transform(folder, same, "esnext"),
    ]);
    const read = (path: string) => readFileSync(path, "utf8");
    const newer = modulesIn(folder).filter((path) =>
      read(`${old}/${path}`) !== read(`${same}/${path}`)
    );
    for (const path of newer) cpSync(`${old}/${path}`, `${folder}/${path}`);
    return newer;
  } finally {
    rmSync(temporary, { recursive: true });
  }
}
