/**
 * Chromium, in which the tests drive a page. It is no requirement: without it these tests are skipped, and say so.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";

/** The path of the executable; undefined where there is none. */
export function chromium(): string | undefined {
  return ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
    .find((path) => existsSync(path));
}

/** Whether this is Debian, which has it as a package; Ubuntu's of the same name is none. */
export function isDebian(): boolean {
  const file = "/etc/os-release";
  return existsSync(file) && /^ID=debian$/m.test(readFileSync(file, "utf8"));
}
