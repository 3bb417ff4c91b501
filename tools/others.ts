/**
 * ENet as others have it, for the tests of interoperability: Debian's python3-enet and the npm
 * package `enet`.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { capture, print, root, run } from "./_run.ts";
import { installPackages } from "./setup.ts";

const NPM_VERSION = "0.2.9";
const npmFolder = `${root}/.cache/npm-enet`;

/** The folder of the npm package `enet`, once {@linkcode setupOthers} has run. */
export const npmEnet: string = `${npmFolder}/node_modules/enet`;

/** The system's Python, if it has python3-enet. */
export function pythonEnet(): string | undefined {
  const python = "/usr/bin/python3";
  return capture([python, "-c", "import enet"]) === undefined ? undefined : python;
}

/** Installs what is missing of both, as far as this machine has them. */
export async function setupOthers(): Promise<void> {
  if (!existsSync(`${npmEnet}/package.json`)) {
    print("Missing: the npm package enet, to test against. Installing it\n");
    const result = await run([
      "npm",
      "install",
      "--silent",
      "--no-fund",
      "--no-audit",
      "--prefix",
      npmFolder,
      `enet@${NPM_VERSION}`,
    ], {});
    if (!result.ok) throw new Error(`npm could not install enet@${NPM_VERSION}: ${result.ending}`);
  }
  if (pythonEnet() === undefined && capture(["apt-get", "--version"]) !== undefined) {
    await installPackages("apt-get", ["python3-enet"], "python3-enet, to test against");
  }
}
