/** `enet keygen` and `enet token`: what they print and write, and how they exit. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { after, test } from "node:test";
import { keygen } from "../../../lib/cli/keygen/command.ts";
import { token } from "../../../lib/cli/token/command.ts";
import { keyToText, readIssuerKeyPair, readKeyPair, readToken } from "../../../lib/security/mod.ts";
import { root } from "../../../tools/_run.ts";
import { spawnProgram, withDeadline } from "../../_helpers.ts";
import { skip, temporaryFolder } from "../gateway/_pipes.ts";
import { asText, issuer, SERVERS, tokenOf } from "../security/_tokens.ts";
import { ENET, STEP_MS } from "./_gateway.ts";
import { outputOf, runHere, usageOf } from "./_run.ts";

const folder = mkdtempSync(`${tmpdir()}/enetjs-keys-`);
after(() => rmSync(folder, { recursive: true, force: true }));

const SECRET = keyToText("issuer_secret", issuer.secretKey);
const PUBLIC = keyToText("issuer_public", issuer.publicKey);
const SERVER = keyToText("host_public", SERVERS[0]);

/** Writes a file of the test. @returns its path */
function file(name: string, content: string): string {
  const path = `${folder}/${name}`;
  writeFileSync(path, content);
  return path;
}

const keyFile = file("issuer.key", `${SECRET}\n`);

/** Runs a command line within this process. @returns what it prints */
function output(...args: ["keygen" | "token", ...string[]]): Promise<string> {
  return outputOf(args);
}

/** The complaint of a command line that fails. */
async function failureOf(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runHere(args);
  assert.deepEqual([status, stdout], [1, ""]);
  return stderr.trimEnd();
}

/** Runs `enet` as a process to its end, which has this status. @returns its standard output, or the complaint */
async function enet(
  status: number,
  args: readonly string[],
  { issuerSecret = "", input = "" } = {},
): Promise<string> {
  const [command, ...rest] = ENET;
  await using program = spawnProgram(command, [...rest, ...args], {
    env: { ENETJS_ISSUER_SECRET: issuerSecret },
  });
  program.process.stdin!.end(input);
  const { code, stdout, stderr } = await withDeadline(program.ended, STEP_MS, args.join(" "));
  assert.equal(code, status, stderr);
  assert.equal(status === 0 ? stderr : stdout, "");
  return status === 0 ? stdout : stderr;
}

test("enet keygen prints keys of each kind, and the public key of a secret one", async () => {
  const [secretKey, publicKey] = (await output("keygen", "--stdout")).trimEnd().split("\n");
  assert.equal(keyToText("host_public", (await readKeyPair(secretKey)).publicKey), publicKey);
  const pair = JSON.parse(await output("keygen", "--kind", "issuer", "--stdout", "--json"));
  const read = await readIssuerKeyPair(pair.secretKey);
  assert.deepEqual(pair, {
    type: "key",
    secretKey: keyToText("issuer_secret", read.secretKey),
    publicKey: keyToText("issuer_public", read.publicKey),
  });
  const shared = await output("keygen", "--kind", "shared", "--stdout");
  assert.match(shared, /^shared_secret_[\w-]{43}\n$/);
  assert.equal(await output("keygen", "--from", keyFile), `${PUBLIC}\n`);
  const ofHost = await output(
    "keygen",
    "--from",
    file("host.secret", `${secretKey}\r\n`),
    "--json",
  );
  assert.deepEqual(JSON.parse(ofHost), { type: "key", publicKey });
});

test("A secret goes to a new file that only its owner reads, and is not printed", async () => {
  const path = `${folder}/host.key`;
  const told = JSON.parse(await output("keygen", "--out", path, "--json"));
  const secret = readFileSync(path, "utf8");
  assert.match(secret, /^host_secret_[\w-]{43}\n$/);
  const { publicKey } = await readKeyPair(secret.trim());
  assert.deepEqual(told, {
    type: "key",
    publicKey: keyToText("host_public", publicKey),
    file: path,
  });
  if (process.platform !== "win32") assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(
    await failureOf("keygen", "--out", path),
    `enet keygen: ${JSON.stringify(path)} is there already: take another name, or remove it first`,
  );
  assert.equal(readFileSync(path, "utf8"), secret);
});

test("enet token makes a token that is read here and by --read", async () => {
  const before = Date.now();
  const text = await output(
    "token",
    ...["--client-number", "18446744073709551615", "--expires-in", "600", "--key", keyFile],
    ...["--server", SERVER, "--user-data", "team=rot ü"],
  );
  const read = await readToken(text.trimEnd(), PUBLIC, { server: SERVER });
  assert.equal(read.clientId, 2n ** 64n - 1n);
  assert.equal(new TextDecoder().decode(read.userData), "team=rot ü");
  assert.deepEqual(read.servers, [SERVER]);
  assert.ok(read.expiresAtMs >= before + 600_000 && read.expiresAtMs <= Date.now() + 600_000);

  const out = `${folder}/alice.token`;
  const data = ["--user-data-file", file("data", "\0a")];
  const made = JSON.parse(
    await output(
      "token",
      "--client-id",
      "alice",
      "--key",
      keyFile,
      "--out",
      out,
      "--json",
      ...data,
    ),
  );
  const alice = await readToken(readFileSync(out, "utf8").trim(), PUBLIC);
  const { id, expiresAtMs } = alice;
  assert.equal(alice.clientId, "alice");
  assert.deepEqual(made, { type: "made", file: out, id, expiresAtMs });
  if (process.platform !== "win32") assert.equal(statSync(out).mode & 0o777, 0o600);
  assert.deepEqual(JSON.parse(await output("token", "--read", out, "--issuer", PUBLIC, "--json")), {
    ...{ type: "read", verified: true, clientId: "alice", issuer: PUBLIC, id, expiresAtMs },
    ...{ servers: [], userData: "0061" },
  });
  const looked = await output("token", "--read", file("number.token", text));
  assert.match(looked, /^verified +no: anybody can have made it; verify it with --issuer$/m);
  assert.match(looked, /^client +18446744073709551615$/m);
  assert.match(looked, /^user data +11 bytes "team=rot ü"$/m);
});

test("enet token --read shows nothing that a terminal obeys", async () => {
  const clientId = "\x1b[2J\u009b2J\n\u202ea";
  const path = file("evil.token", asText(await tokenOf({ clientId })));
  const shown = await output("token", "--read", path);
  assert.match(shown, /^client +"\\u001b\[2J\\u\{9b\}2J\\n\\u\{202e\}a"$/m);
});

test("As processes, they read the environment and standard input, and have exit statuses", async () => {
  const expired = asText(await tokenOf({ expiresAtMs: 1 }));
  const [made, late, missing] = await Promise.all([
    enet(0, ["token", "--client-id", "alice"], { issuerSecret: SECRET }),
    enet(1, ["token", "--read", "-", "--issuer", PUBLIC], { input: `${expired}\n` }),
    enet(2, ["token", "--client-id", "alice"]),
  ]);
  assert.equal((await readToken(made.trimEnd(), PUBLIC)).clientId, "alice");
  assert.match(late, /^enet token: The token expired \d+ ms ago, at 1970-01-01T00:00:00\.001Z/);
  assert.match(missing, /is missing: name its file with --key, or set ENETJS_ISSUER_SECRET\n/);
});

test("Files without a key or token are failures, and name the file and not the key", async () => {
  const host = keyToText("host_secret", issuer.publicKey);
  const making = ["token", "--client-id", "a", "--key"] as const;
  const cut = asText(await tokenOf()).slice(0, -4);
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [[...making, "/no/file"], /no such file.*\/no\/file|\/no\/file.*no/i],
    [[...making, file("host", host)], /host": .* of the kind host_secret$/],
    [["keygen", "--from", file("public", PUBLIC)], /public" has no secret key with a public one/],
    [["keygen", "--from", file("cut", SECRET.slice(0, -1))], /cut": secretKey must be "issuer_se/],
    [
      ["token", "--read", file("cut.token", cut)],
      /is malformed: it is not base64url, or it was cut/,
    ],
  ];
  for (const [args, says] of wrong) {
    const complaint = await failureOf(...args);
    assert.match(complaint, says);
    for (const key of [host, SECRET]) assert.ok(!complaint.includes(key.slice(20, -1)));
  }
});

test("The commands of docs/encryption.md and the example of the help work in a shell", {
  skip,
}, async () => {
  const page = readFileSync(`${root}/docs/encryption.md`, "utf8");
  const commands = page.match(/^```sh\n([^]*?)^```$/m)?.[1];
  assert.match(`${commands}`, /^enet keygen --out host\.key/);
  using place = temporaryFolder();
  writeFileSync(`${place.path}/enet`, `#!/bin/sh\nexec ${ENET.join(" ")} "$@"\n`, { mode: 0o755 });
  // The example of `enet token` has that of `enet keygen` in it.
  assert.ok(token.example.includes(keygen.example));
  const script = `set -e\n${commands}\n${token.example}\n`;
  await using shell = spawnProgram("sh", ["-c", script], {
    cwd: place.path,
    env: { PATH: `${place.path}:${process.env.PATH}` },
  });
  const { code, stdout, stderr } = await withDeadline(shell.ended, STEP_MS, "the shell");
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(`${lines[0]}\n`, readFileSync(`${place.path}/host.public`, "utf8"));
  assert.deepEqual(lines.slice(1, 3), ["verified   yes", 'client     "alice"']);
  assert.match(lines.at(-1)!, /^token_/);
});

/** Fails unless a command refuses each line of arguments as wrong usage. */
async function refusesUsage(
  command: "keygen" | "token",
  wrong: readonly (readonly [string, RegExp])[],
): Promise<void> {
  for (const [line, says] of wrong) {
    const args = line === "" ? [] : line.split(" ");
    assert.match(await usageOf([command, ...args]), says, line);
  }
}

const ARGUMENT = /is the name of a file: other users of this machine see the arguments/;

test("Wrong usage of enet keygen is refused", async () => {
  const where = /^say where the secret key goes, with either --out or --stdout; or where it is/;
  await refusesUsage("keygen", [
    ["", where],
    ["--out a --stdout", where],
    ["--out a --from b", where],
    ["--stdout --from b", where],
    [`--from ${SECRET}`, ARGUMENT],
  ]);
});

test("Wrong usage of enet token is refused", async () => {
  const client = /^say who the client is, with either --client-id or --client-number$/;
  const making = (args: string) => `--key ${keyFile} ${args}`;
  await refusesUsage("token", [
    ["", client],
    ["--client-id a --client-number 1", client],
    [`--client-id a --key ${SECRET}`, ARGUMENT],
    [`--read ${asText(await tokenOf())}`, ARGUMENT],
    ["--client-id a --issuer x", /^--issuer: text must be "issuer_public_"/],
    [`--client-id a --issuer ${PUBLIC}`, /^--issuer is for --read: add it$/],
    [`--client-id a --server ${PUBLIC}`, /^--server: text must be "host_public_".*of the kind/],
    ["--client-id a --user-data b --user-data-file c", /are two ways to say the same/],
    ["--read a --client-id b", /^--client-id is for making a token: leave it out/],
    ["--read a --key b", /^--key is for making a token/],
    [`--read a --server ${SERVER}`, /^--server is for a token that is verified: add --issuer/],
    [
      `--read a --issuer ${PUBLIC} --server ${SERVER} --server ${SERVER}`,
      /^--server can be there once with --read/,
    ],
    [making("--client-number 1.5"), /^--client-number must be a number from 0 to 2\^64/],
    [making("--client-number 18446744073709551616"), /^the client id must be from 0 to/],
    [making(`--client-id ${"x".repeat(129)}`), /^the client id must have 1 to 128 bytes/],
    [making(`--client-id a --user-data ${"x".repeat(257)}`), /^the user data must have/],
    [making(`--client-id a${` --server ${SERVER}`.repeat(9)}`), /^--server must have 8 at most/],
  ]);
  const complaint = await enet(2, ["token", "--client-id", "a"]);
  assert.match(
    complaint,
    /key is missing: name its file with --key, or set ENETJS_ISSUER_SECRET\n/,
  );
});
