/**
 * The set-up on a machine that lacks something. It installs packages of the system only in CI, for root,
 * or with `--install`; otherwise it says how to. A folder of scripts plays the machine.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { test } from "node:test";
import { run, type RunResult } from "../../tools/_run.ts";

const skip = process.platform === "win32" ? "its scripts are for a POSIX shell" : false;
const isRoot = process.getuid?.() === 0;

/** What is on the machine. cmake is not, until it is installed. */
const SCRIPTS = {
  cc: "while read -r _; do :; done", // Who writes to a pipe that nobody reads is told so.
  "pkg-config": "echo 1.3.17",
  sudo: '[ "$1" = -n ] && shift\nexec "$@"',
  "apt-get": `[ "$1" = --version ] && exit 0
echo "$@" >> "$BIN/log"
echo '#!/bin/sh' > "$BIN/cmake"
/bin/chmod +x "$BIN/cmake"`,
};

/** How a command ended on such a machine, and what it has made the package manager do. */
async function onMachine(
  command: readonly string[],
  variables: Record<string, string>,
): Promise<RunResult & { installed: string }> {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-setup-`);
  try {
    for (const [name, text] of Object.entries(SCRIPTS)) {
      writeFileSync(`${folder}/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    }
    symlinkSync("/usr/bin/env", `${folder}/env`);
    const env = { PATH: folder, BIN: folder, CC: "cc", CI: "", SUDO_USER: "", ...variables };
    const result = await run([process.execPath, "run", "-A", "--no-check", ...command], { env });
    const log = `${folder}/log`;
    return { ...result, installed: existsSync(log) ? readFileSync(log, "utf8") : "" };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const SETUP = ["tools/setup.ts"];
/** A person's own machine. */
const PERSONAL = { SUDO_USER: "somebody" };
const APT_GET = "install -y --no-install-recommends cmake make\n";

test("The set-up of a person's machine says what is missing and how to get it", {
  skip,
}, async () => {
  const building = [["tools/build.ts"], ["npm/build.ts"], ["bench/run.ts", "--only", "echo-64"]];
  for (const command of [SETUP, ["tools/test.ts", "native"], ...building]) {
    const { ok, output, installed } = await onMachine(command, PERSONAL);
    assert(!ok, output);
    assertEquals(installed, "");
    assertMatch(
      output,
      /^Missing: cmake\. This installs it:\n {2}(sudo )?apt-get install .*make$/m,
    );
    assertMatch(output, /^ {2}npx -y deno task setup$/m);
  }
});

for (
  const [where, command, variables] of [
    ["when it is asked to", [...SETUP, "--install"], PERSONAL],
    ["in CI", SETUP, { ...PERSONAL, CI: "true" }],
    ...isRoot ? [["for root on a fresh machine", SETUP, {}] as const] : [],
  ] as const
) {
  test(`The set-up installs what is missing ${where}`, { skip }, async () => {
    const { ok, output, installed } = await onMachine(command, variables);
    assert(ok, output);
    assertEquals(installed, APT_GET);
    assertMatch(output, /^Missing: cmake\. Installing: cmake make$/m);
  });
}

test("The tests refuse options that they do not know", { skip }, async () => {
  const { ok, output } = await onMachine(["tools/test.ts", "--nonsense"], PERSONAL);
  assert(!ok);
  assertMatch(output, /^--nonsense: the options are --install, --quick, --wake=portable$/m);
});
