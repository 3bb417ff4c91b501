/**
 * What a release is made of, and what stops one. Nothing is published.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch, assertThrows } from "@std/assert";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { name, packageName, version } from "../../npm/_manifest.ts";
import { currentPlatform, PLATFORMS } from "../../npm/platforms.ts";
import { sectionOf } from "../../npm/_changelog.ts";
import { root, run } from "../../tools/_run.ts";

const release = (args: string[], env: Record<string, string> = {}) =>
  run([process.execPath, "run", "-A", "--no-check", "npm/release.ts", ...args], { env });

const changelog = readFileSync(`${root}/CHANGELOG.md`, "utf8");

test("A dry run builds, passes publint and @arethetypeswrong/cli, and says what would be published", async () => {
  const { ok, output } = await release(["--dry-run"]);
  assert(ok, output);
  const lines = output.split("\n");
  const would = lines.slice(lines.indexOf("Would publish, in this order:") + 1);
  const order = would.map((line) => line.match(/^ {2}(npm|jsr) (\S+?)@([\d.]+)/))
    .filter((match) => match !== null).map(([, where, what, which]) => [where, what, which]);
  assertEquals(order, [
    ...PLATFORMS.map((platform) => ["npm", packageName(platform), version]),
    ["npm", name, version],
    ["jsr", name, version],
  ]);
  assertMatch(output, new RegExp(`npm @enetjs/${currentPlatform().name}@.*: \\d+ files`));
  assertMatch(output, /Success.* Dry run complete/);
  assert(output.includes(sectionOf(changelog, version).text), "the text of the release");
});

test("The text of a release is its section of the changelog", async () => {
  const { output } = await release(["--notes"]);
  assertEquals(output, `${sectionOf(changelog, version).text}\n`);
});

test("sectionOf() takes the section of the version, then the unreleased one", () => {
  const text =
    "# Changelog\n\n## Unreleased\n\nsoon\n\n## 1.1.0 - 2026-01-01\n\n### Added\n\n- b\n\n" +
    "## [1.0.0] - 2025-01-01\n\n- a\n";
  assertEquals(sectionOf(text, "1.1.0"), {
    heading: "1.1.0 - 2026-01-01",
    text: "### Added\n\n- b",
  });
  assertEquals(sectionOf(text, "1.0.0").text, "- a");
  assertEquals(sectionOf(text, "1.2.0").text, "soon");
  assertThrows(() => sectionOf("# Changelog\n\n## 1.0.0\n", "2.0.0"), Error, "## 2.0.0");
});

test("The release workflow builds for every platform in the list", async () => {
  const { output } = await release(["--matrix"]);
  const { include } = JSON.parse(output);
  assertEquals(
    include.map(({ name }: { name: string }) => name),
    PLATFORMS.map(({ name }) => name),
  );
});

test("A release stops at a tag of another version", async () => {
  const env = { GITHUB_REF_TYPE: "tag", GITHUB_REF_NAME: "v0.0.0" };
  const { ok, output } = await release([], env);
  assert(!ok);
  assert(output.includes(`the tag must be v${version}`), output);
  assertNotMatch(output, /^\$ npm publish/m);
});

test("A release refuses options that it does not know", async () => {
  const { ok, output } = await release(["--force"]);
  assert(!ok);
  assertMatch(output, /^--force: the options are --dry-run, --notes, --matrix$/m);
});
