/**
 * Releases what is in `npm/dist`, and the sources: the platform packages, the main package, JSR. The
 * release workflow runs it on GitHub, where npm and JSR know whom they trust.
 *
 * `--dry-run` builds and checks all that this machine can, and says what would be published.
 * `--notes` prints the text of the release, and nothing else. `--matrix` prints the platforms to
 * build for.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { packed } from "./_check.ts";
import { name, packageName, version } from "./_manifest.ts";
import { currentPlatform, PLATFORMS } from "./platforms.ts";
import { sectionOf } from "./_changelog.ts";
import { fail, print, root, runOrThrow } from "../tools/_run.ts";

const dist = `${root}/npm/dist`;

async function command(line: string[]): Promise<void> {
  print(`$ ${line.join(" ")}\n`);
  await runOrThrow(line, { onOutput: print });
}

const changes = () => sectionOf(readFileSync(`${root}/CHANGELOG.md`, "utf8"), version);

/** What has to be done before a release, as far as the checkout shows. */
function obstacles(): string[] {
  const { GITHUB_REF_TYPE: type, GITHUB_REF_NAME: tag } = process.env;
  return [
    changes().heading.includes(version)
      ? ""
      : `CHANGELOG.md has no section "## ${version}"; its text is taken from "Unreleased"`,
    type === "tag" && tag === `v${version}`
      ? ""
      : `the tag must be v${version}, the version in deno.json`,
  ].filter((obstacle) => obstacle !== "");
}

/** The folders of the packages, the main one last: what it depends on has to be there first. */
function folders(): { name: string; folder: string }[] {
  return [
    ...PLATFORMS.map((platform) => ({ name: packageName(platform), folder: platform.name })),
    { name, folder: "enet" },
  ].map(({ name, folder }) => ({ name, folder: `${dist}/${folder}` }));
}

const PUBLISH_NPM = ["npm", "publish", "--access", "public", "--provenance"];
const PUBLISH_JSR = ["publish"];

async function dryRun(): Promise<void> {
  await command([process.execPath, "run", "-A", "npm/build.ts"]);
  await command([process.execPath, ...PUBLISH_JSR, "--dry-run", "--allow-dirty"]);
  const { heading, text } = changes();
  print(`\nRelease ${version}, with the text of "${heading}":\n\n${text}\n\n`);
  const here = currentPlatform().name;
  print("Would publish, in this order:\n");
  for (const { name: packageName, folder } of folders()) {
    const built = packageName === name || packageName === `@enetjs/${here}`;
    const what = built
      ? `${(await packed(folder)).files.length} files`
      : "built by the release workflow";
    print(`  npm ${packageName}@${version}: ${what}\n`);
  }
  print(`  jsr ${name}@${version}\n`);
  for (const obstacle of obstacles()) print(`Before a release: ${obstacle}\n`);
}

async function release(): Promise<void> {
  const missing = folders().filter(({ folder }) => !existsSync(`${folder}/package.json`));
  const problems = [
    ...obstacles(),
    ...missing.map(({ name, folder }) => `${name} is not built: there is no ${folder}`),
  ];
  if (problems.length > 0) throw new Error(problems.join("\n"));
  for (const { folder } of folders()) await command([...PUBLISH_NPM, folder]);
  await command([process.execPath, ...PUBLISH_JSR]);
}

/** What the release workflow builds, as GitHub Actions wants it. */
function matrix(): string {
  const include = PLATFORMS.map(({ name, runner, container }) => {
    return { name, runner, container: container ?? "" };
  });
  return JSON.stringify({ include });
}

const modes: Record<string, () => void | Promise<void>> = {
  "--dry-run": dryRun,
  "--notes": () => print(`${changes().text}\n`),
  "--matrix": () => print(`${matrix()}\n`),
};

try {
  const [mode, ...rest] = process.argv.slice(2);
  if (rest.length > 0 || (mode !== undefined && !(mode in modes))) {
    throw new Error(
      `${[mode, ...rest].join(" ")}: the options are ${Object.keys(modes).join(", ")}`,
    );
  }
  await (mode === undefined ? release : modes[mode])();
} catch (error) {
  fail(error);
}
