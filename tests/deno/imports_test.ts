/**
 * Dependence runs one way: `mod.ts`, then `lib/`, then `ffi/`; and `npm/`, then `tools/`, then `ffi/`. Within them no
 * file depends on itself by way of others. Types count.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { type Imports, importsOf } from "../../tools/_imports.ts";
import { root } from "../../tools/_run.ts";
import { list } from "../../tools/test.ts";

/** A part of the house: its floors, the top one first. A file may depend on its own floor and on lower ones. */
type Floors = readonly string[];

/** What is published. */
const LIBRARY: Floors = ["mod.ts", "lib/", "ffi/"];

/** What the tasks run. */
const TASKS: Floors = ["npm/", "tools/", "ffi/"];

/**
 * The circles: each is a largest set of files that all depend on each other, directly or not.
 * Tarjan's algorithm.
 */
function circles(imports: Imports): string[][] {
  const number = new Map<string, number>();
  const lowest = new Map<string, number>();
  const path: string[] = [];
  const found: string[][] = [];
  const visit = (file: string) => {
    number.set(file, number.size);
    let low = number.get(file)!;
    path.push(file);
    for (const target of imports.get(file) ?? []) {
      if (!number.has(target)) visit(target);
      if (path.includes(target)) low = Math.min(low, lowest.get(target) ?? number.get(target)!);
    }
    lowest.set(file, low);
    if (low !== number.get(file)) return;
    const circle = path.splice(path.indexOf(file)).sort();
    if (circle.length > 1 || imports.get(file)?.includes(file)) found.push(circle);
  };
  for (const file of imports.keys()) if (!number.has(file)) visit(file);
  return found;
}

/** The imports that lead up, or out of the part: `"ffi/loader.ts → lib/errors.ts"`. */
function upward(imports: Imports, floors: Floors): string[] {
  const floorOf = (file: string) => floors.findIndex((floor) => file.startsWith(floor));
  return [...imports].flatMap(([file, targets]) =>
    targets.filter((target) => floorOf(target) < floorOf(file))
      .map((target) => `${file} → ${target}`)
  );
}

/** The imports of small files, for testing what judges them. */
async function importsAmong(files: Record<string, string>): Promise<Imports> {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-imports-`);
  try {
    for (const name of ["lib", "ffi"]) mkdirSync(`${folder}/${name}`);
    for (const [path, text] of Object.entries(files)) writeFileSync(`${folder}/${path}`, text);
    return await importsOf(folder, Object.keys(files));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const modules = (folders: readonly string[]) => folders.flatMap((folder) => list(folder, ".ts"));
const house = await importsOf(root, ["mod.ts", ...modules(["lib", "ffi"])]);
// What npm makes is in npm/dist. A file that is no module, such as deno.json, imports nothing.
const tasks = new Map(
  [...await importsOf(root, modules(["npm", "tools"]).filter((path) => !path.includes("/dist/")))]
    .map(([file, targets]) => [file, targets.filter((target) => target.endsWith(".ts"))]),
);

test("mod.ts depends on lib/, lib/ on ffi/, and nothing the other way or on other folders", () => {
  assert(house.get("mod.ts")!.includes("lib/host.ts"), "the imports are followed");
  assertEquals(upward(house, LIBRARY), []);
});

test("npm/ depends on tools/, both on ffi/, and nothing the other way or on other folders", () => {
  assert(tasks.get("npm/build.ts")!.includes("tools/build.ts"), "the imports are followed");
  assertEquals(upward(tasks, TASKS), []);
});

test("Nothing outside lib/ imports lib/internal/", () => {
  const outside = [...house].filter(([file]) => !file.startsWith("lib/"));
  assertEquals(
    outside.filter(([, targets]) => targets.some((target) => target.startsWith("lib/internal/"))),
    [],
  );
});

test("No file depends on itself by way of others", () => {
  assertEquals(circles(house), []);
  assertEquals(circles(tasks), []);
});

test("No file exports a variable, which others would see before and after it is set", () => {
  const variable = /^export (let|var) /m;
  const files = [...house.keys()];
  assertEquals(files.filter((path) => variable.test(readFileSync(`${root}/${path}`, "utf8"))), []);
});

test("A circle is found, also one of types and by import()", async () => {
  const imports = await importsAmong({
    "ffi/a.ts": 'import type { B } from "./b.ts";\nexport type A = B;\n',
    "ffi/b.ts": 'export type B = import("./c.ts").C;\n',
    "ffi/c.ts": 'export type C = 1;\nexport const a = () => import("./a.ts");\n',
    "ffi/d.ts": '// import "./e.ts";\nexport * from "./a.ts";\n',
    "ffi/e.ts": 'export * from "./d.ts";\n',
  });
  assertEquals(circles(imports), [["ffi/a.ts", "ffi/b.ts", "ffi/c.ts"]]);
});

test("An import that leads up, or to another folder, is found", async () => {
  const imports = await importsAmong({
    "mod.ts": 'export * from "./lib/a.ts";\n',
    "lib/a.ts": 'export * from "../ffi/b.ts";\n',
    "ffi/b.ts": 'export type { A } from "../lib/c.ts";\n',
    "lib/c.ts": 'import "../other.ts";\nexport type A = 1;\n',
    "other.ts": "",
  });
  assertEquals(upward(imports, LIBRARY), ["ffi/b.ts → lib/c.ts", "lib/c.ts → other.ts"]);
});
