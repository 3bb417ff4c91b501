/**
 * npm packages that a program installs itself, because few programs need them.
 *
 * @module
 */
import process from "node:process";

/** What installs a package, for the runtime that runs this. */
export function installLine(name: string): string {
  if ("deno" in process.versions) return `deno add npm:${name}`;
  return "bun" in process.versions ? `bun add ${name}` : `npm install ${name}`;
}

/** Why the import of a package has failed, and what to do. */
export function whyNotLoaded(name: string, error: unknown): string {
  const { code = "", message } = Object(error);
  const isAbsent = String(code).endsWith("MODULE_NOT_FOUND") ||
    /not a dependency|not prefixed/.test(message);
  return isAbsent
    ? `the package ${name} is not installed; install it: ${installLine(name)}`
    : `the package ${name} can't be loaded here: ${message}`;
}
