/** What docs/security.md names as shown by a test is there. */
import { assert } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { root } from "../../tools/_run.ts";
import { list } from "../../tools/test.ts";

const page = readFileSync(`${root}/docs/security.md`, "utf8");
const files = [...list("native/tests", "_test.c"), ...list("tests", "_test.ts")];
const sources = files.map((path) => readFileSync(`${root}/${path}`, "utf8"));

test("Every test file that docs/security.md names exists", () => {
  const names = [...page.matchAll(/`(?:tests\/lib\/)?(\w+_test\.(?:c|ts))`/g)].map(([, name]) =>
    name
  );
  assert(names.length > 10);
  for (const name of names) assert(files.some((path) => path.endsWith(`/${name}`)), name);
});

test("Every C test that docs/security.md names exists", () => {
  const names = [...page.matchAll(/`([a-z0-9]+(?:_[a-z0-9]+){2,})`/g)].map(([, name]) => name);
  assert(names.length > 20);
  for (const name of names) {
    assert(sources.some((source) => source.includes(`TEST(${name})`)), name);
  }
});
