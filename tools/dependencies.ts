/**
 * The npm packages that the library imports, as `package.json` names them. Deno gets them itself; Bun and Node find
 * them in `node_modules` of the checkout.
 *
 * @module
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname } from "node:path";
import { print, root, run } from "./_run.ts";

type Versions = Readonly<Record<string, string>>;

/** The packages and their versions, as npm takes them: `{ "@enetjs/ws": "npm:ws@^8.23.0" }`. */
export const { dependencies, peerDependencies, peerDependenciesMeta, devDependencies }: {
  readonly dependencies: Versions;
  /** Packages that a program installs itself, if it needs what they are for. */
  readonly peerDependencies: Versions;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: true }>>;
  /** The same for the tests. */
  readonly devDependencies: Versions;
} = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));

/** The folder of a package in the checkout. */
export const dependencyFolder = (name: string): string => `${root}/node_modules/${name}`;

const missing = (): string[] =>
  Object.keys({ ...dependencies, ...devDependencies }).filter((name) =>
    !existsSync(`${dependencyFolder(name)}/package.json`)
  );

/** The packages in a folder of them, those of a scope as `"@scope/name"`. */
function packagesIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => !name.startsWith(".")).flatMap((name) =>
    name.startsWith("@") ? readdirSync(`${folder}/${name}`).map((part) => `${name}/${part}`) : name
  );
}

/**
 * Installs those that are missing.
 *
 * The installation goes to a temporary folder, from which packages are moved in one step each. So an interrupted
 * installation, or two at the same time, leave no incomplete package.
 *
 * @throws {Error} When npm can't install them.
 */
export async function setupDependencies(): Promise<void> {
  const absent = missing();
  if (absent.length === 0) return;
  print(`Missing: ${absent.join(", ")} from npm. Installing into node_modules\n`);
  mkdirSync(`${root}/.cache`, { recursive: true });
  const staging = mkdtempSync(`${root}/.cache/installing-`);
  try {
    cpSync(`${root}/package.json`, `${staging}/package.json`);
    const flags = ["--silent", "--no-fund", "--no-audit", "--no-package-lock", "--ignore-scripts"];
    const { ok, ending } = await run(["npm", "install", ...flags, "--prefix", staging]);
    if (!ok) throw new Error(`npm could not install ${absent.join(", ")}: ${ending}`);
    for (const name of packagesIn(`${staging}/node_modules`)) {
      const target = dependencyFolder(name);
      mkdirSync(dirname(target), { recursive: true });
      try {
        renameSync(`${staging}/node_modules/${name}`, target);
      } catch (error) {
        if (!existsSync(target)) throw error; // Otherwise another installation was there first.
      }
    }
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
