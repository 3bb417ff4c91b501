/** The pages hang together: links lead somewhere, `docs/README.md` lists them all, and `docs/settings.md` is true. */
import { assert, assertEquals } from "@std/assert";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { LIVE_SETTINGS, SETTING_NAMES, SETTINGS } from "../../lib/internal/settings.ts";
import { root } from "../../tools/_run.ts";

const read = (path: string) => readFileSync(`${root}/${path}`, "utf8");

/** Markdown files in a folder and below it. */
function markdownIn(folder: string): string[] {
  return readdirSync(`${root}/${folder}`, { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".md"));
}

const others = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md"];
if (existsSync(`${root}/native/README.md`)) others.push("native/README.md");
const pages = [...others, ...markdownIn("docs"), ...markdownIn("examples")];

/** A page without its blocks of code. */
const prose = (path: string) => read(path).replaceAll(/^```[^]*?^```$/gm, "");

/** Where the relative links and pictures of a page lead. */
function linksOf(path: string): URL[] {
  return [...prose(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target)
    .filter((target) => !/^https?:/.test(target))
    .map((target) => new URL(target, `file://${root}/${path}`));
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    `#${heading.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-")}`
  );
}

for (const page of pages) {
  test(`The links of ${page} lead to files and headings`, () => {
    for (const to of linksOf(page)) {
      assert(existsSync(to), `${to.pathname} is missing`);
      if (to.hash === "") continue;
      const path = to.pathname.slice(root.length + 1);
      assert(
        statSync(to).isFile() && anchorsOf(prose(path)).includes(to.hash),
        `${path}${to.hash}`,
      );
    }
  });
}

test("docs/README.md lists every page and every example", () => {
  const listed = linksOf("docs/README.md").map(({ pathname }) => pathname.slice(root.length + 1));
  const examples = readdirSync(`${root}/examples`).filter((name) => name.endsWith(".ts"))
    .map((name) => `examples/${name}`);
  for (const path of [...markdownIn("docs"), ...markdownIn("examples"), ...examples]) {
    assert(path === "docs/README.md" || listed.includes(path), `${path} is not listed`);
  }
});

test("The README stays short, and its first 40 lines are a start", () => {
  const lines = read("README.md").trimEnd().split("\n");
  assert(lines.length < 250, `${lines.length} lines`);
  const start = lines.slice(0, 40).join("\n");
  const needed = ["npm install", "bun add", "deno run --allow-ffi", "await using", "Linux x64"];
  for (const part of needed) assert(start.includes(part), part);
});

test("Examples import the library by its name, so that they can be pasted", () => {
  const examples = readdirSync(`${root}/examples`, { recursive: true, encoding: "utf8" })
    .map((name) => `examples/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".ts"));
  assert(examples.length > 15);
  for (const path of examples) {
    assert(!/from "(\.\.\/)+(mod\.ts|lib\/|ffi\/)/.test(read(path)), path);
  }
});

test("package.json, by which Node and Bun find the sources, has the exports of deno.json", () => {
  const { name, exports } = JSON.parse(read("deno.json"));
  const here = JSON.parse(read("package.json"));
  assertEquals(here.name, name);
  assertEquals(here.exports, exports);
});

/** A row of `docs/settings.md`. */
interface Row {
  readonly name: string;
  /** What stands there as the default. */
  readonly told: string;
  readonly live: boolean;
}

const rows: Row[] = [
  ...read("docs/settings.md").matchAll(/^\| `(\w+)` *\| (.*?) *\| (✓| ) \| /gm),
].map(([, name, told, live]) => ({ name, told, live: live === "✓" }));

test("docs/settings.md lists every setting once", () => {
  assert(SETTING_NAMES.length > 20);
  assertEquals(rows.map(({ name }) => name).sort(), SETTING_NAMES.toSorted());
});

/** The value that a default stands for, of those that are values. */
function valueOf(told: string): unknown {
  const quoted = told.match(/^`(.*)`$/);
  if (quoted) return JSON.parse(quoted[1]);
  const number = told.match(/^(\d+)(?: ([KM])iB)?(?:,.*)?$/);
  assert(number, told);
  return Number(number[1]) * { K: 1024, M: 1024 ** 2 }[number[2] ?? ""]! || Number(number[1]);
}

/** What stands for a default that is no plain value; what it is by default is tested where it is. */
const TOLD: Partial<Record<string, string>> = {
  accept: "none",
  hostname: "none",
  sharedPort: "none",
  security: "none",
  filter: "all",
  limits: "`connects`",
  peers: `${SETTINGS.peers.initial}, \`create\`: ${SETTINGS.peers.initialForCreate}`,
};

test("docs/settings.md tells the defaults", () => {
  for (const { name, told } of rows) {
    if (TOLD[name] !== undefined) assertEquals(told, TOLD[name]);
    else assertEquals(valueOf(told), SETTINGS[name as keyof typeof SETTINGS].initial, name);
  }
});

test("The doc comment of every setting tells its default", () => {
  // The last of a name counts: HostOptions leaves what HostSettings says.
  const source = ["options", "settings"].map((name) => read(`lib/${name}.ts`)).join("\n");
  const members = source.matchAll(/\/\*\*((?:(?!\/\*\*)[^])*?)\*\/\s+(\w+)\??: [^;]+;/g);
  const docs = new Map([...members].map(([, text, name]) => [name, text.replaceAll(/[`*]/g, "")]));
  for (const name of SETTING_NAMES) {
    if (TOLD[name] !== undefined) continue;
    const told = docs.get(name)?.match(/Default\s+(".*?"|[\d,]*\d|true|false|null)/)?.[1];
    assert(told !== undefined, name);
    assertEquals(JSON.parse(told.replaceAll(",", "")), SETTINGS[name].initial, name);
  }
});

test("docs/settings.md marks what can be assigned on a live host", () => {
  const told = rows.filter(({ live }) => live).map(({ name }) => name);
  assertEquals(told.sort(), LIVE_SETTINGS.toSorted());
});
