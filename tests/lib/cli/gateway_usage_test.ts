/** What `enet` and `enet gateway` say, and how they exit. */
import assert from "node:assert/strict";
import { appendFileSync, chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import process from "node:process";
import { test } from "node:test";
import { root } from "../../../tools/_run.ts";
import { spawnProgram, withDeadline } from "../../_helpers.ts";
import { skip, temporaryFolder } from "../gateway/_pipes.ts";
import { Client, ENET, Enet, STEP_MS } from "./_gateway.ts";
import { usageOf } from "./_run.ts";

/** Runs `enet` to its end. */
async function run(status: number, ...args: string[]): Promise<Enet> {
  await using enet = new Enet(args);
  await enet.ends(status);
  return enet;
}

test("Help and version go to standard output with 0, and fit 80 columns", async () => {
  const { version } = JSON.parse(readFileSync(`${root}/deno.json`, "utf8"));
  const [program, command, told] = await Promise.all([
    run(0, "--help"),
    run(0, "gateway", "-h", "--port", "1"),
    run(0, "gateway", "--version"),
  ]);
  assert.match(
    program.stdout,
    /^Usage: enet COMMAND \[OPTIONS\]\n[^]*\n {2}gateway +Serve WebSockets/,
  );
  assert.match(command.stdout, /^Usage: enet gateway \[OPTIONS\]\n[^]*\n {2}-p, --port N +listen/);
  assert.equal(told.stdout, `enet ${version}\n`);
  for (const { stdout, stderr } of [program, command, told]) {
    assert.equal(stderr, "");
    for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  }
});

test("Wrong usage is 2: a sentence on standard error, and nothing on standard output", async () => {
  const wrong: [string[], RegExp][] = [
    [[], /^enet: a command is missing\nTry: enet --help\n$/],
    [["gatway"], /^enet: there is no command "gatway" \(did you mean gateway\?\)\n/],
    [
      ["gateway", "--ports", "1"],
      /^enet gateway: there is no option --ports \(did you mean --port\?\)\nTry: enet gateway --help\n$/,
    ],
  ];
  for (const [args, message] of wrong) {
    const { stdout, stderr } = await run(2, ...args);
    assert.match(stderr, message);
    assert.equal(stdout, "");
  }
});

test("Options that do not go together are wrong usage", async () => {
  const wrong: Record<string, RegExp> = {
    "--ssl-cert x.pem": /^--ssl-cert and --ssl-key are needed both/,
    "--ssl-key x.pem": /^--ssl-cert and --ssl-key are needed both/,
    "--strict --frame line": /^--frame line is for plain mode/,
    "--path chat": /^--path must begin with \/ and have no query, not "chat"/,
    "--path /chat?room=1": /^--path must begin with \/ and have no query/,
    "--protocol a;b": /^--protocol must be a name without spaces and separators, not "a;b"/,
    "--origin https://a.example/":
      /^--origin must be an origin .*, not "https:\/\/a\.example\/" \(did you mean "https:\/\/a\.example"\?\)/,
    "--proxy nginx": /^--proxy must be an IP address, a prefix .* or "unix", not "nginx"/,
    "--to 127.0.0.1": /^--to: address must have a port/,
    "--pipein /tmp/x --pipeout /tmp/x": /must be two pipes/,
    "--unix-socket /tmp/x --port 1": /^--unix-socket takes the place of --addr and --port/,
    "--unix-socket /tmp/x --addr ::1": /^--unix-socket takes the place of --addr and --port/,
    "--metrics x:y": /^--metrics must be a port or ADDRESS:PORT, not "x:y"/,
    "--metrics 65536": /^--metrics must be a port/,
  };
  for (const [args, message] of Object.entries(wrong)) {
    assert.match(await usageOf(["gateway", ...args.split(" ")]), message, args);
  }
});

test("A failure is 1: an address in use, a certificate that is not there", async () => {
  const taken = createServer();
  await once(taken.listen(0, "127.0.0.1"), "listening");
  try {
    const { port } = taken.address() as { port: number };
    const [inUse, absent] = await Promise.all([
      run(1, "gateway", "--std", "--addr", "127.0.0.1", "--port", String(port)),
      run(1, "gateway", "--std", "--ssl-cert", "/no/cert", "--ssl-key", "/no/key"),
    ]);
    assert.match(inUse.stderr, /^enet gateway: .*in use/);
    assert.match(absent.stderr, /^enet gateway: .*\/no\/cert/);
  } finally {
    taken.close();
  }
});

test("A configuration file has the long names, and the command line wins", { skip }, async () => {
  using folder = temporaryFolder();
  const file = `${folder.path}/gateway.json`;
  const options = { port: 1, addr: "127.0.0.1", std: true, "echo-mode": true, path: "/chat" };
  writeFileSync(file, JSON.stringify(options));
  await using enet = new Enet(["gateway", "--config", file, "--port", "0", "--path", "/other"]);
  const url = await enet.url();
  assert.match(url, /^ws:\/\/127\.0\.0\.1:\d{2,}/);
  await assert.rejects(Client.open(`${url.replace(/\/$/, "")}/chat`), /was refused/);
  using client = await Client.open(`${url.replace(/\/$/, "")}/other`);
  client.send("echo");
  assert.equal(await client.next(), "echo");
  enet.endInput();
  await enet.ends(0);
});

test("The example of the help works as it stands, in a shell", { skip }, async () => {
  const { stdout } = await run(0, "gateway", "--help");
  const example = stdout.match(/^Example:\n {2}(.+)\n$/m)?.[1];
  assert.ok(example);
  using folder = temporaryFolder();
  writeFileSync(
    `${folder.path}/enet`,
    `#!/bin/sh\necho $$ > enet.pid\nexec ${ENET.join(" ")} "$@"\n`,
  );
  chmodSync(`${folder.path}/enet`, 0o755);
  writeFileSync(`${folder.path}/app.log`, "");
  const env = { PATH: `${folder.path}:${process.env.PATH}` };
  const shell = spawnProgram("sh", ["-c", `${example}; echo status $?`], { env, cwd: folder.path });
  let told = "";
  const url = Promise.withResolvers<string>();
  shell.process.stderr!.on("data", (text) => {
    told += text;
    const line = told.match(/^listening on (.*)\n/m);
    if (line) url.resolve(line[1].replace("0.0.0.0", "127.0.0.1"));
  });
  try {
    using client = await Client.open(await withDeadline(url.promise, STEP_MS, "the gateway"));
    appendFileSync(`${folder.path}/app.log`, "first line\nsecond line\n");
    assert.deepEqual([await client.next(), await client.next()], ["first line", "second line"]);
  } finally {
    process.kill(Number(readFileSync(`${folder.path}/enet.pid`, "utf8")), "SIGTERM");
    // A tail that does not watch its output notices at its next line that nobody reads.
    const lines = setInterval(() => appendFileSync(`${folder.path}/app.log`, "line\n"), 20);
    const { stdout } = await withDeadline(shell.ended, STEP_MS, "the end of the shell");
    clearInterval(lines);
    assert.equal(stdout, "status 0\n");
  }
});
