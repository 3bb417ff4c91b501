/** `@enetjs/enet/security` names no runtime, and needs no permission and no native library. */
import { assert, assertEquals, assertNotMatch } from "@std/assert";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { test } from "node:test";
import { importsOf } from "../../tools/_imports.ts";
import { root, run } from "../../tools/_run.ts";

const ENTRY = "lib/security/mod.ts";

test("The module of keys and tokens, and all that it imports, is of the web platform alone", async () => {
  const files = [...(await importsOf(root, [ENTRY])).keys()];
  assert(files.includes("lib/security/token.ts") && files.includes("lib/errors.ts"));
  for (const path of files) {
    const code = readFileSync(`${root}/${path}`, "utf8").replaceAll(/\/\*[^]*?\*\/|\/\/.*$/gm, "");
    assertNotMatch(
      code,
      /\b(Deno|Bun|Buffer|process)\.|\b(require|import)\(|"(node|npm|jsr):/,
      path,
    );
  }
});

test("It compiles with the types of a browser alone, and runs without permissions", async () => {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-security-`);
  const program = `${folder}/backend.ts`;
  writeFileSync(
    program,
    `import { createToken, generateIssuerKeyPair, readToken } from "${root}/${ENTRY}";
const { publicKey, secretKey } = await generateIssuerKeyPair();
const token = await createToken({ clientId: 7n, expiresAtMs: Date.now() + 60_000 }, secretKey);
const { clientId }: { clientId: bigint | string } = await readToken(token, publicKey);
console.log(clientId);
`,
  );
  const config = `${folder}/deno.json`;
  const compilerOptions = { lib: ["esnext", "dom", "dom.iterable", "dom.asynciterable"] };
  writeFileSync(config, JSON.stringify({ compilerOptions }));
  // A child with no permission at all is given those of this process.
  const flags = ["--check", "--no-prompt", "--allow-env=NOTHING", `--config=${config}`];
  try {
    const { ok, output } = await run([process.execPath, "run", ...flags, program]);
    assert(ok, output);
    assertEquals(output.trim().split("\n").at(-1), "7n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
