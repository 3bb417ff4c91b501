/**
 * Reads CHANGELOG.md.
 *
 * @module
 */

/** The section of a version. */
export interface Section {
  /** Its heading, without the marks: `"0.1.0 - 2026-11-21"` or `"Unreleased"`. */
  readonly heading: string;
  readonly text: string;
}

/**
 * The section of a version, or where there is none, that of what is not released yet.
 *
 * @throws {Error} when there is neither
 */
export function sectionOf(changelog: string, version: string): Section {
  const sections = changelog.split(/^## /m).slice(1).map((part) => {
    const [heading] = part.split("\n", 1);
    return { heading: heading.trim(), text: part.slice(heading.length).trim() };
  });
  const named = (name: string) =>
    sections.find(({ heading }) => heading.replace(/^\[(.*?)\]/, "$1").split(" ", 1)[0] === name);
  const found = named(version) ?? named("Unreleased");
  if (!found) throw new Error(`CHANGELOG.md has no section "## ${version}"`);
  return found;
}
