/**
 * ENet's unmodified sources, to be built into libenetjs. Run as a program, it prints their folder.
 *
 * @module
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { fail, print, root, runOrThrow } from "./_run.ts";

/** The tag of ENet that the packages are built with. `native/enet.cmake` also has its checksum. */
export function enetTag(): string {
  return readFileSync(`${root}/native/enet.cmake`, "utf8").match(/^set\(enet_tags (\S+)/m)![1];
}

async function download(url: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new Error(
      `ENet's sources can't be downloaded from ${url} (${
        (error as Error).message
      }). Get ${enetTag()} ` +
        "of github.com/lsalzman/enet, and set ENETJS_ENET_SOURCE to its folder",
    );
  }
}

/**
 * The folder of ENet's sources: that in `ENETJS_ENET_SOURCE`, or one in `.cache`, which is downloaded once. The
 * build compares it with the checksum.
 *
 * @throws {Error} When the sources can't be downloaded; the message says what to do.
 */
export async function enetSource(): Promise<string> {
  const { ENETJS_ENET_SOURCE } = process.env;
  if (ENETJS_ENET_SOURCE) return ENETJS_ENET_SOURCE;
  const tag = enetTag();
  const folder = `${root}/.cache/enet-${tag}`;
  if (existsSync(folder)) return folder;
  const url = `https://github.com/lsalzman/enet/archive/refs/tags/${tag}.tar.gz`;
  mkdirSync(`${root}/.cache`, { recursive: true });
  const staging = mkdtempSync(`${root}/.cache/installing-`);
  const archive = `${staging}/enet.tar.gz`;
  const sources = `${staging}/enet`;
  mkdirSync(sources);
  try {
    writeFileSync(archive, await download(url));
    await runOrThrow(["tar", "-xzf", archive, "-C", sources, "--strip-components=1"]);
    renameSync(sources, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // Otherwise another download was there first.
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return folder;
}

if (import.meta.main) {
  try {
    print(`${await enetSource()}\n`);
  } catch (error) {
    fail(error);
  }
}
