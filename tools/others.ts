/**
 * Other programs to test against: Debian's python3-enet and the npm package `enet`, which are other bindings of ENet,
 * and the server of NATS.
 *
 * @module
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { capture, print, root, run } from "./_run.ts";
import { installLine, installPackages, mayInstall } from "./setup.ts";

const NPM_VERSION = "0.2.9";

/** Where a package of npm is installed that is used beside the library. */
const npmFolder = (name: string) => `${root}/.cache/npm-${name}`;

/** The folder of the npm package `enet`, once {@linkcode setupOthers} has run. */
export const npmEnet: string = `${npmFolder("enet")}/node_modules/enet`;

/** The system's Python, if it has python3-enet. */
export function pythonEnet(): string | undefined {
  const python = "/usr/bin/python3";
  return capture([python, "-c", "import enet"]) === undefined ? undefined : python;
}

/**
 * Installs a package of npm, unless it is there, and returns its folder.
 *
 * The installation goes to a temporary folder, which is renamed at the end. So an interrupted
 * installation, or two at the same time, leave no incomplete package.
 *
 * @param overrides versions to take of what it depends on, where its own choice can't be had
 */
export async function installNpm(
  name: string,
  version: string,
  overrides: Record<string, string> = {},
): Promise<string> {
  const prefix = npmFolder(name);
  const folder = `${prefix}/node_modules/${name}`;
  if (existsSync(`${folder}/package.json`)) return folder;
  print(`Missing: the npm package ${name}. Installing it\n`);
  mkdirSync(`${root}/.cache`, { recursive: true });
  const staging = mkdtempSync(`${root}/.cache/installing-`);
  try {
    writeFileSync(`${staging}/package.json`, JSON.stringify({ overrides }));
    const flags = ["--silent", "--no-fund", "--no-audit", "--prefix", staging];
    const { ok, ending } = await run(["npm", "install", ...flags, `${name}@${version}`]);
    if (!ok) throw new Error(`npm could not install ${name}@${version}: ${ending}`);
    mkdirSync(dirname(prefix), { recursive: true });
    renameSync(staging, prefix);
  } catch (error) {
    if (!existsSync(folder)) throw error; // Otherwise another installation was there first.
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return folder;
}

/** Installs the npm package `enet` where it is missing. */
export async function setupNpmEnet(): Promise<string> {
  return await installNpm("enet", NPM_VERSION);
}

/** The server of NATS, if there is one. Debian's package puts it into a folder that only root has in its PATH. */
export function natsServer(): string | undefined {
  return ["nats-server", "/usr/sbin/nats-server"].find((path) =>
    capture([path, "--version"]) !== undefined
  );
}

/**
 * The server of NATS, for tests of rooms and for the benchmark. It is installed where it is missing.
 *
 * @throws {Error} When it is missing and can't be installed; the message says what to run.
 */
export async function setupNats(): Promise<string> {
  if (natsServer() === undefined) await installPackages("apt-get", ["nats-server"], "nats-server");
  const path = natsServer();
  if (path === undefined) throw new Error("nats-server is installed, but does not run");
  return path;
}

/**
 * Installs those that are missing. python3-enet and nats-server are packages of the system. Where they may not be
 * installed, the tests against them are skipped.
 */
export async function setupOthers(): Promise<void> {
  await setupNpmEnet();
  const names: string[] = [];
  if (pythonEnet() === undefined) names.push("python3-enet");
  if (natsServer() === undefined) names.push("nats-server");
  if (names.length === 0 || capture(["apt-get", "--version"]) === undefined) return;
  const what = names.join(" and ");
  if (mayInstall()) await installPackages("apt-get", names, `${what}, to test against`);
  else print(`No test against ${what} without it: ${installLine("apt-get", names)}\n`);
}
