/**
 * Checks packages with publint and @arethetypeswrong/cli, and says how large they are.
 *
 * @module
 */
import { print, runOrThrow } from "../tools/_run.ts";
import { installNpm } from "../tools/others.ts";

const PUBLINT = "0.3.25";
const ATTW = "0.18.5";

/** A package as npm would publish it. */
export interface Packed {
  readonly name: string;
  readonly version: string;
  /** Of the tarball, in bytes. */
  readonly size: number;
  /** Of what is in it, in bytes. */
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** Asks npm what it would publish of a folder. */
export async function packed(folder: string): Promise<Packed> {
  const output = await runOrThrow(["npm", "pack", folder, "--json", "--dry-run", "--silent"]);
  const answer = JSON.parse(output.slice(output.search(/^[[{]/m)));
  return Object.values(answer)[0] as Packed;
}

/**
 * Checks a package, and prints its name and sizes.
 *
 * @throws {Error} with what is wrong
 */
export async function checkPackage(folder: string): Promise<void> {
  const publint = await installNpm("publint", PUBLINT);
  await runOrThrow(["node", `${publint}/src/cli.js`, "run", folder, "--strict", "--pack", "npm"]);
  const attw = await installNpm("@arethetypeswrong/cli", ATTW);
  const esm = ["--pack", folder, "--profile", "esm-only", "--no-emoji", "--no-color"];
  await runOrThrow(["node", `${attw}/dist/index.js`, ...esm]);
  const { name, version, size, unpackedSize } = await packed(folder);
  const kilobytes = (bytes: number) => `${Math.round(bytes / 1000)} kB`;
  print(`${name} ${version}: ${kilobytes(size)} packed, ${kilobytes(unpackedSize)} unpacked\n`);
}
