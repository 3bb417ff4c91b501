/** What commands share: colour, width, what is live, JSON, and completion. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { PassThrough } from "node:stream";
import process from "node:process";
import { after, test } from "node:test";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { completionScript } from "../../../lib/cli/completion/scripts.ts";
import { Terminal } from "../../../lib/cli/frame/terminal.ts";
import { cut, printable, table } from "../../../lib/cli/frame/text.ts";
import { linesOf, outputOf, runHere } from "./_run.ts";

const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
after(() => {
  for (const [name, value] of Object.entries({ NO_COLOR, FORCE_COLOR, TERM })) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

/** A terminal, and what it has printed. */
function terminalOf({ isTTY = true, isJson = false, columns = 20 } = {}) {
  const stdout = Object.assign(new PassThrough({ encoding: "utf8" }), { isTTY, columns });
  const stderr = Object.assign(new PassThrough({ encoding: "utf8" }), { isTTY });
  const terminal = new Terminal({
    name: "test",
    streams: { stdin: new PassThrough(), stdout, stderr },
    isJson,
    linesTo: "stdout",
    stop: new AbortController().signal,
    onSignal: () => ({ [Symbol.dispose]() {} }),
  });
  return { terminal, printed: () => stdout.read() ?? "", reported: () => stderr.read() ?? "" };
}

test("Colour is for terminals, and the environment decides before", () => {
  const styled = (options: Parameters<typeof terminalOf>[0], env: Record<string, string>) => {
    for (const name of ["NO_COLOR", "FORCE_COLOR", "TERM"]) delete process.env[name];
    Object.assign(process.env, env);
    return terminalOf(options).terminal.style("red", "x") !== "x";
  };
  assert.equal(styled({}, { TERM: "xterm" }), true);
  assert.equal(styled({}, { TERM: "dumb" }), false);
  assert.equal(styled({}, { NO_COLOR: "1", FORCE_COLOR: "1" }), false);
  assert.equal(styled({ isTTY: false }, {}), false);
  assert.equal(styled({ isTTY: false }, { FORCE_COLOR: "1" }), true);
  assert.equal(styled({ isJson: true }, { FORCE_COLOR: "1" }), false);
});

test("Live lines are replaced, cut to the width, and gone at the end", () => {
  const { terminal, printed } = terminalOf({ columns: 5 });
  terminal.live(["a", "too long"]);
  assert.equal(printed(), "\x1b[?25la\ntoo l\n");
  terminal.live(["b"]);
  assert.equal(printed(), "\x1b[2F\x1b[0J\x1b[?25h\x1b[?25lb\n");
  terminal.say("text");
  assert.equal(printed(), "\x1b[1F\x1b[0J\x1b[?25htext\n");
  terminal.live(["c"]);
  printed();
  terminal.close();
  assert.equal(printed(), "\x1b[1F\x1b[0J\x1b[?25h");
  const piped = terminalOf({ isTTY: false });
  piped.terminal.live(["a"]);
  assert.deepEqual([piped.printed(), piped.terminal.columns], ["", 80]);
});

test("Text is cut by what is seen, laid out in columns, and harmless", () => {
  assert.equal(cut("\x1b[31mabc\x1b[39m", 2), "\x1b[31mab\x1b[39m");
  assert.equal(cut("ä𝄞b", 2), "ä𝄞");
  assert.deepEqual(table([["a", 1], ["long", 100]]), ["a       1", "long  100"]);
  assert.equal(printable("\x1b[2J\u202eok\n"), "\\u{1b}[2J\\u{202e}ok\\u{a}");
});

test("With --json, a failure is a line on standard output, too", async () => {
  const line = ["keygen", "--from", "/no/such/file", "--json"];
  const { status, stdout, stderr } = await runHere(line);
  const [{ type, message, code }] = linesOf(stdout);
  assert.deepEqual([status, type, code], [1, "error", "ENOENT"]);
  assert.equal(stderr, `enet keygen: ${message}\n`);
});

test("enet completion prints scripts that have every command and option", async () => {
  for (const shell of ["bash", "zsh", "fish"] as const) {
    const script = await outputOf(["completion", shell]);
    assert.equal(script, completionScript(shell, COMMANDS));
    for (const { name, options } of COMMANDS) {
      assert.match(script, new RegExp(`\\b${name}\\b`), shell);
      for (const option of Object.keys(options)) {
        assert.ok(
          script.includes(shell === "fish" ? `-l ${option}` : `--${option}`),
          `${shell} ${option}`,
        );
      }
    }
  }
});

/** How a shell says whether a script is well formed. */
const CHECKS = { bash: ["-n"], zsh: ["-n"], fish: ["--no-execute"] };

for (const shell of ["bash", "zsh", "fish"] as const) {
  const isThere = spawnSync(shell, ["-c", "true"]).status === 0;
  test(`${shell} takes its script`, { skip: isThere ? false : `there is no ${shell}` }, () => {
    const input = completionScript(shell, COMMANDS);
    const { status, stderr } = spawnSync(shell, CHECKS[shell], { input, encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
  });
}

const bash = spawnSync("bash", ["-c", "true"]).status === 0;

test("bash completes commands, options, choices and nothing else", { skip: !bash }, () => {
  const complete = (...words: string[]) => {
    const script = `compopt() { echo "$@"; }\n${completionScript("bash", COMMANDS)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_enet; echo "\${COMPREPLY[@]}"`;
    return spawnSync("bash", ["-c", script], { encoding: "utf8" }).stdout.trim();
  };
  assert.equal(complete("enet", "pi"), "ping");
  assert.equal(complete("enet", "ping", "--unr"), "--unreliable");
  assert.equal(complete("enet", "gateway", "--slow", ""), "drop close wait");
  assert.equal(complete("enet", "serve", "c"), "chat");
  assert.equal(complete("enet", "ping", "--size", ""), "");
  assert.equal(complete("enet", "token", "--key", ""), "-o default");
});
