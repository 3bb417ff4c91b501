/**
 * Finds Chromium, in which some tests open a page. Without it these tests are skipped, and say so.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";

/** The path of the executable; undefined where there is none. */
export function chromium(): string | undefined {
  return ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
    .find((path) => existsSync(path));
}

/** Whether this is Debian, whose package has Chromium; Ubuntu's package of that name only installs a snap. */
export function isDebian(): boolean {
  const file = "/etc/os-release";
  return existsSync(file) && /^ID=debian$/m.test(readFileSync(file, "utf8"));
}
