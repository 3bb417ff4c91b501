import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { currentRuntime, spawnRuntime, withDeadline } from "../_helpers.ts";

const usesKoffi = currentRuntime() === "node" && !process.getBuiltinModule("node:ffi");

test(
  "Without koffi, a Node without node:ffi tells both remedies",
  { skip: !usesKoffi },
  async () => {
    const flags = [
      "--require",
      fileURLToPath(new URL("../programs/no_koffi.cjs", import.meta.url)),
    ];
    await using program = spawnRuntime("node", "load.ts", [], { flags });
    const { stdout } = await withDeadline(program.ended, 60_000, "load.ts");
    const { code, message } = JSON.parse(stdout);
    assert.equal(code, "ENETJS_ERR_LIBRARY");
    assert.equal(
      message,
      `Node ${process.versions.node} has no node:ffi, and no koffi. ` +
        "Use Node 26.10 or later, or: npm install koffi",
    );
  },
);
