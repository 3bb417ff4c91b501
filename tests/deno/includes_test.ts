/**
 * The rules of the C files. Dependence in `native/src` runs one way: `library.c`, then `channel/` and
 * `host/`, then `enet/`, then `wire/`, then `base/`. The compiler itself tells what a file includes, directly
 * or not. No line is longer than `native/.clang-format` allows.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { test } from "node:test";
import { capture, root, runOrThrow } from "../../tools/_run.ts";
import { list } from "../../tools/test.ts";

/** The floors of the house, the top one first. A file may include its own folder and lower floors. */
const FLOORS: readonly (readonly string[])[] = [
  ["library.c"],
  ["channel/", "host/"],
  ["enet/"],
  ["wire/"],
  ["base/"],
];

/** The floor and the folder of a file: `[1, "host/"]`. A file of no folder has floor −1. */
function placeOf(file: string): readonly [number, string] {
  for (const [floor, folders] of FLOORS.entries()) {
    const folder = folders.find((folder) => file.startsWith(folder));
    if (folder !== undefined) return [floor, folder];
  }
  return [-1, ""];
}

/** Where libenet's headers are, as the compiler is told; without pkg-config, where it looks anyway. */
const enetFlags = capture(["pkg-config", "--cflags", "libenet"])?.split(/\s+/).filter(Boolean) ??
  [];

/**
 * What files include, directly or not, as the compiler resolves it. Paths are relative to the folder;
 * what lies elsewhere is left out.
 */
async function includesOf(
  folder: string,
  files: readonly string[],
): Promise<Map<string, string[]>> {
  const compiler = process.env.CC ?? "cc";
  const flags = ["-D_GNU_SOURCE", `-I${folder}`, `-I${root}/native/include`, ...enetFlags];
  const includes = new Map<string, string[]>();
  for (const file of files) {
    const path = `${folder}/${file}`;
    // A rule of make: "file.o: file.c header.h \", with the rest on more lines.
    const rule = await runOrThrow([compiler, "-std=c11", "-MM", ...flags, "-x", "c", path]);
    const all = rule.slice(rule.indexOf(":") + 1).split(/[\s\\]+/);
    const ours = all.filter((target) => target.startsWith(`${folder}/`) && target !== path);
    includes.set(file, ours.map((target) => target.slice(folder.length + 1)));
  }
  return includes;
}

/** The includes that lead up, or to another folder of the same floor: `"wire/a.c → host/b.h"`. */
function upward(includes: Map<string, string[]>): string[] {
  return [...includes].flatMap(([file, targets]) => {
    const [floor, folder] = placeOf(file);
    return targets.filter((target) => {
      const [below, other] = placeOf(target);
      return floor < 0 || below < floor || (below === floor && other !== folder);
    }).map((target) => `${file} → ${target}`);
  });
}

const folder = `${root}/native/src`;
const house = await includesOf(
  folder,
  [...list("native/src", ".c"), ...list("native/src", ".h")].map((path) =>
    path.slice("native/src/".length)
  ),
);

test("No file of native/src includes one above it", () => {
  assert(
    house.get("host/service.c")!.includes("wire/datagram.h"),
    "includes of includes are followed",
  );
  assertEquals(upward(house), []);
});

test("Every file of native/src has its floor", () => {
  assertEquals([...house.keys()].filter((file) => placeOf(file)[0] < 0), []);
});

test("An include that leads up is found, also by way of another and beside a comment", async () => {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-includes-`);
  const files: Record<string, string> = {
    "host/internal.h": "struct host;\n",
    "host/a.c": '#include "wire/b.h"\n#include "channel/d.h"\n',
    "channel/d.h": "struct channel;\n",
    "wire/b.h": '#  include "base/c.h"\n',
    "wire/b.c":
      '#define HEADER "host/internal.h"\n#include HEADER\n/*\n#include "channel/d.h"\n*/\n',
    "base/c.h": '#include "enet/e.h"\n',
    "enet/e.h": "struct enet;\n",
  };
  try {
    for (const name of ["host", "channel", "enet", "wire", "base"]) mkdirSync(`${folder}/${name}`);
    for (const [path, text] of Object.entries(files)) writeFileSync(`${folder}/${path}`, text);
    assertEquals(upward(await includesOf(folder, Object.keys(files))).sort(), [
      "base/c.h → enet/e.h",
      "host/a.c → channel/d.h",
      "wire/b.c → host/internal.h",
      "wire/b.h → enet/e.h",
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("No line of C is longer than native/.clang-format allows", () => {
  const limit = Number(
    readFileSync(`${root}/native/.clang-format`, "utf8").match(/^ColumnLimit: (\d+)$/m)?.[1],
  );
  const files = ["native", "bench/c", "examples"].flatMap((folder) =>
    [".c", ".h"].flatMap((end) => list(folder, end))
  ).filter((path) => !path.startsWith("native/build"));
  const long = files.flatMap((path) =>
    readFileSync(`${root}/${path}`, "utf8").split("\n").flatMap((line, i) =>
      line.length > limit ? [`${path}:${i + 1} has ${line.length} columns`] : []
    )
  );
  assert(limit > 0 && files.includes("bench/c/echo.c"));
  assertEquals(long, []);
});

for (const file of ["enetjs.h", "enetjs_layout.h"]) {
  test(`The contents at the top of ${file} name its sections in order`, () => {
    const header = readFileSync(`${root}/native/include/${file}`, "utf8");
    const top = header.slice(header.indexOf("Sections, in this order"), header.indexOf("#ifndef"));
    const named = [...top.matchAll(/^ \* - (.+)$/gm)].map(([, name]) => name);
    const sections = [...header.matchAll(/^\/\* ---- (.+?) -+ \*\/$/gm)].map(([, name]) => name);
    assertEquals(named, sections);
  });
}

test("native/README.md names functions that are in the files beside them", () => {
  const page = readFileSync(`${root}/native/README.md`, "utf8");
  const rows = page.split("\n").filter((line) =>
    line.startsWith("|") && line.includes(".c`](src/")
  );
  const pairs = rows.flatMap((row) => {
    const [, path] = row.match(/\]\((src\/[^)]+)\)/)!;
    return [...row.matchAll(/ `(\w+)` /g)].map(([, name]) => [path, name]);
  });
  assert(pairs.length >= 20, `${pairs.length} rows`);
  const missing = pairs.filter(([path, name]) =>
    // A definition begins in the first column.
    !new RegExp(`^[a-z].*\\b${name}\\(`, "m").test(readFileSync(`${root}/native/${path}`, "utf8"))
  );
  assertEquals(missing, []);
});
