/**
 * Builds the npm packages into `npm/dist`: the main package, and the one for this machine's platform. It
 * makes a tarball of each beside its folder, which can be installed. An argument chooses one of them:
 * `main` or `platform`.
 *
 * @module
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import process from "node:process";
import { LAYOUT } from "../ffi/layout.ts";
import { reachable } from "../tools/_imports.ts";
import { fail, print, root, runOrThrow } from "../tools/_run.ts";
import { build as buildNative } from "../tools/build.ts";
import { setupBuild } from "../tools/setup.ts";
import { BROWSER_MODULE, bundleBrowserModule } from "./_bundle.ts";
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
import { currentPlatform, librariesOf, type Platform, PLATFORMS } from "./platforms.ts";

const dist = `${root}/npm/dist`;

/** Writes what every package has. */
function writeCommon(folder: string, manifest: Manifest): void {
  writeFileSync(`${folder}/package.json`, JSON.stringify(manifest, null, 2) + "\n");
  cpSync(`${root}/LICENSE`, `${folder}/LICENSE`);
}

/** The text of the module that replaces `ffi/_origin.ts`. Bundlers treat an `import()` with a catch as optional. */
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

/** Lets declarations compile for programs whose own `lib` lacks `Symbol.dispose`, such as ES2023. */
function referenceLibraries(folder: string): void {
  for (const [, path] of exported) {
    const file = `${folder}/${path.replace(/\.ts$/, ".d.ts")}`;
    writeFileSync(
      file,
      // A declaration needs no interpreter line, and the reference must be the first line.
      `/// <reference lib="esnext.disposable" />\n${
        readFileSync(file, "utf8").replace(/^#!.*\n/, "")
      }`,
    );
  }
}

/**
 * Makes the built modules import the packages from npm by the names in the sources. dnt writes their names on npm
 * instead, but Bun replaces an import of `ws` by a module of its own.
 */
function nameDependencies(folder: string): void {
  const file = `${folder}/lib/gateway/socket/_ws.js`;
  const text = readFileSync(file, "utf8").replace('import("ws")', 'import("@enetjs/ws")');
  if (!text.includes('import("@enetjs/ws")')) throw new Error(`${file} does not import @enetjs/ws`);
  writeFileSync(file, text);
}

/** Removes the files that no exported module, and no exported type, needs. */
async function prune(folder: string): Promise<void> {
  const entries = exported.map(([, path]) => path.replace(/^\.\/|\.ts$/g, ""));
  const needed = new Set([
    ...await reachable(folder, entries.map((path) => `${path}.js`)),
    ...await reachable(folder, entries.map((path) => `${path}.d.ts`)),
  ]);
  for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (/\.\w+$/.test(path) && !needed.has(path.replaceAll("\\", "/"))) {
      rmSync(`${folder}/${path}`);
    }
  }
}

/**
 * Builds the main package.
 *
 * @param folder where packages are built
 * @returns the package's folder
 */
export async function buildMain(folder: string = dist): Promise<string> {
  const main = `${folder}/enet`;
  rmSync(main, { recursive: true, force: true });
  await buildModules(main);
  writeFileSync(`${main}/ffi/_origin.js`, originModule());
  nameDependencies(main);
  await bundleBrowserModule(`${main}/${BROWSER_MODULE}.js`);
  await prune(main);
  referenceLibraries(main);
  writeCommon(main, mainManifest());
  cpSync(`${root}/README.md`, `${main}/README.md`);
  return main;
}

/** The licenses of the libraries that a platform package holds beside libenetjs. */
function licensesOf({ libsodium }: Platform): string[] {
  return ["LICENSE-libenet", ...libsodium === undefined ? [] : ["LICENSE-libsodium"]];
}

/**
 * Writes everything of a platform package but the libraries.
 *
 * @param folder where packages are built
 * @returns the package's folder
 */
export function writePlatform(platform: Platform, folder: string = dist): string {
  const { name, library } = platform;
  const libraries = librariesOf(platform);
  const target = `${folder}/${name}`;
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  writeCommon(target, platformManifest(platform));
  for (const license of licensesOf(platform)) {
    cpSync(`${root}/npm/${license}`, `${target}/${license}`);
  }
  const abi = `export const abi = ${LAYOUT.ABI_VERSION};\n`;
  writeFileSync(
    `${target}/mod.js`,
    `import { fileURLToPath } from "node:url";
export default fileURLToPath(new URL("${library}", import.meta.url));
${abi}`,
  );
  writeFileSync(
    `${target}/bun.js`,
    `// Bun embeds these files in the executables that it compiles.
${libraries.map((file, i) => `import file${i} from "./${file}" with { type: "file" };`).join("\n")}
export default file0;
export const files = { ${libraries.map((file, i) => `"${file}": file${i}`).join(", ")} };
${abi}`,
  );
  writeFileSync(
    `${target}/mod.d.ts`,
    `/** The path of libenetjs. */
declare const library: string;
export default library;
/** Its ABI version. */
export declare const abi: number;
`,
  );
  return target;
}

/**
 * Builds the package for this machine's platform.
 *
 * @param folder where packages are built
 * @returns the package's folder
 */
export async function buildPlatform(folder: string = dist): Promise<string> {
  const platform = currentPlatform();
  const target = writePlatform(platform, folder);
  const native = await buildNative();
  const output = await runOrThrow(["cmake", "--install", native, "--prefix", target, "--strip"]);
  const absent = librariesOf(platform).filter((file) => !existsSync(`${target}/${file}`));
  if (absent.length > 0) throw new Error(`The build has no ${absent.join(" and no ")}:\n${output}`);
  print(`${packageName(platform)}\n`);
  return target;
}

/**
 * Makes the tarball of a built package, beside its folder, in place of one of another version.
 *
 * @returns its path
 */
export async function packTarball(folder: string): Promise<string> {
  const destination = dirname(folder);
  const old = new RegExp(`^enetjs-${basename(folder)}-\\d.*\\.tgz$`);
  for (const file of readdirSync(destination)) if (old.test(file)) rmSync(`${destination}/${file}`);
  const output = await runOrThrow([
    ...["npm", "pack", folder, "--silent", "--pack-destination", destination],
  ]);
  return `${destination}/${output.trim().split("\n").at(-1)}`;
}

if (import.meta.main) {
  try {
    const parts = { platform: buildPlatform, main: buildMain };
    const asked = process.argv.slice(2).filter((part) => part !== "--install");
    const unknown = asked.find((part) => !(part in parts));
    if (unknown) throw new Error(`${unknown}: there are only ${Object.keys(parts).join(" and ")}`);
    await setupBuild();
    for (const [part, build] of Object.entries(parts)) {
      if (asked.length > 0 && !asked.includes(part)) continue;
      const folder = await build();
      await checkPackage(folder);
      print(`${await packTarball(folder)}\n`);
    }
  } catch (error) {
    fail(error);
  }
}
