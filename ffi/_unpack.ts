import { createHash, randomUUID } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** Whether a path lies in an executable that Bun compiled; the system cannot open such a file. */
export function isEmbedded(path: string): boolean {
  return /^(\/\$bunfs|[A-Za-z]:[\\/]~BUN)[\\/]/.test(path);
}

/** A folder for temporary files that only this user can write to. */
function privateFolder(): string {
  const user = process.getuid?.();
  const folder = join(tmpdir(), `enetjs-${user ?? "user"}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  // Another user who could write to it could replace the library.
  if (user !== undefined && (uid !== user || (mode & 0o170022) !== 0o040000)) {
    throw new Error(`${folder} is not a folder of this user alone`);
  }
  return folder;
}

function holds(path: string, bytes: Uint8Array): boolean {
  try {
    return readFileSync(path).equals(bytes);
  } catch {
    return false;
  }
}

/**
 * Copies embedded files beside one another to where the system can open them. The folder is named
 * after their contents and stays: every thread and every later process finds the same files.
 *
 * @param files where each is, by file name
 * @returns the folder
 */
export function unpack(files: Readonly<Record<string, string>>): string {
  const contents = Object.entries(files).map(([name, path]) => [name, readFileSync(path)] as const);
  const hash = createHash("sha256");
  for (const [, bytes] of contents) hash.update(bytes);
  const folder = join(privateFolder(), hash.digest("hex").slice(0, 32));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [name, bytes] of contents) {
    const path = join(folder, name);
    if (holds(path, bytes)) continue;
    const unfinished = `${path}.${randomUUID()}`;
    writeFileSync(unfinished, bytes);
    renameSync(unfinished, path); // At once, for another process may be about to load it.
  }
  return folder;
}
