/**
 * Builds the npm packages into `npm/dist`: the main package, and the one for this machine's
 * platform. Arguments choose one of them: `main`, `platform`.
 *
 * @module
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { LAYOUT } from "../ffi/layout.ts";
import { fail, print, root, run } from "../tools/_run.ts";
import { build as buildNative } from "../tools/build.ts";
import { checkPackage } from "./_check.ts";
import {
  exported,
  mainManifest,
  type Manifest,
  packageName,
  platformManifest,
  version,
} from "./_manifest.ts";
import { buildModules } from "./_modules.ts";
import { reachable } from "./_reachable.ts";
import { currentPlatform, type Platform, PLATFORMS } from "./platforms.ts";

/** Where the packages are built. */
export const dist: string = `${root}/npm/dist`;

/** The folder of the main package. */
export const mainFolder: string = `${dist}/enet`;

/** The folder of a platform package. */
export const platformFolder = (platform: Platform): string => `${dist}/${platform.name}`;

/** Writes what every package has. */
function writeCommon(folder: string, manifest: Manifest): void {
  writeFileSync(`${folder}/package.json`, JSON.stringify(manifest, null, 2) + "\n");
  cpSync(`${root}/LICENSE`, `${folder}/LICENSE`);
}

/** What stands in place of `ffi/_origin.ts`. Bundlers take a caught `import()` for optional. */
function originModule(): string {
  const imports = PLATFORMS.map((platform) =>
    `  ${JSON.stringify(platform.name)}: () => import("${packageName(platform)}").catch(fail),\n`
  );
  return `// Made by npm/build.ts.
const packages = {
${imports.join("")}};

function fail(error) {
  throw error;
}

export const buildFolder = undefined;
export const version = "${version}";
export const platforms = Object.keys(packages);

export async function importPackage(platform) {
  if (!platforms.includes(platform)) throw new Error("there is no such package");
  return packages[platform]();
}
`;
}

/** Removes the files that no exported module, and no exported type, needs. */
function prune(folder: string): void {
  const entries = exported.map(([, path]) => path.replace(/\.ts$/, ""));
  const needed = new Set([
    ...reachable(folder, entries.map((path) => `${path}.js`)),
    ...reachable(folder, entries.map((path) => `${path}.d.ts`)),
  ]);
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (/\.\w+$/.test(path) && !needed.has(`./${path.replaceAll("\\", "/")}`)) {
      rmSync(`${folder}/${path}`);
    }
  }
}

/** Builds the main package. */
export async function buildMain(): Promise<void> {
  rmSync(mainFolder, { recursive: true, force: true });
  await buildModules(mainFolder);
  writeFileSync(`${mainFolder}/ffi/_origin.js`, originModule());
  prune(mainFolder);
  writeCommon(mainFolder, mainManifest());
  cpSync(`${root}/README.md`, `${mainFolder}/README.md`);
}

/** Writes everything of a platform package but the libraries. */
export function writePlatform(platform: Platform, folder: string): void {
  const { library, libenet } = platform;
  mkdirSync(folder, { recursive: true });
  writeCommon(folder, platformManifest(platform));
  cpSync(`${root}/npm/LICENSE-libenet`, `${folder}/LICENSE-libenet`);
  const abi = `export const abi = ${LAYOUT.ABI_VERSION};\n`;
  writeFileSync(
    `${folder}/mod.js`,
    `import { fileURLToPath } from "node:url";
export default fileURLToPath(new URL("${library}", import.meta.url));
${abi}`,
  );
  writeFileSync(
    `${folder}/bun.js`,
    `// Bun embeds these files in the executables that it compiles.
import library from "./${library}" with { type: "file" };
import libenet from "./${libenet}" with { type: "file" };
export default library;
export const files = { "${library}": library, "${libenet}": libenet };
${abi}`,
  );
  writeFileSync(
    `${folder}/mod.d.ts`,
    `/** The path of libenetjs. */
declare const library: string;
export default library;
/** Its ABI version. */
export declare const abi: number;
`,
  );
}

/** Builds the package for this machine's platform. */
export async function buildPlatform(): Promise<void> {
  const platform = currentPlatform();
  const folder = platformFolder(platform);
  rmSync(folder, { recursive: true, force: true });
  writePlatform(platform, folder);
  const native = await buildNative();
  const { ok, output } = await run(["cmake", "--install", native, "--prefix", folder, "--strip"]);
  if (!ok) throw new Error(output);
  for (const file of [platform.library, platform.libenet]) readFileSync(`${folder}/${file}`);
  print(`${packageName(platform)}${platform.tested ? "" : " (untested)"}\n`);
}

if (import.meta.main) {
  try {
    const parts = { platform: buildPlatform, main: buildMain };
    const asked = process.argv.slice(2);
    const unknown = asked.find((part) => !(part in parts));
    if (unknown) throw new Error(`${unknown}: there are only ${Object.keys(parts).join(" and ")}`);
    for (const [part, build] of Object.entries(parts)) {
      if (asked.length === 0 || asked.includes(part)) await build();
    }
    for (const name of readdirSync(dist)) await checkPackage(`${dist}/${name}`);
  } catch (error) {
    fail(error);
  }
}
