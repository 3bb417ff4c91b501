import { assert, assertEquals, assertMatch } from "@std/assert";
import { test } from "node:test";
import { versions } from "../../mod.ts";
import { LIBRARY } from "../ffi/_ffi.ts";
import { type ProgramEnd, spawnRuntime, withDeadline } from "../_helpers.ts";

const { library } = await versions();

/** With one permission at least, for a child with none is given those of this process. */
async function run(
  permissions: [string, ...string[]],
  env = {},
  file = "permissions.ts",
  args: string[] = [],
): Promise<ProgramEnd> {
  const onlyFlags = ["run", "--no-check", "--no-prompt", ...permissions];
  await using program = spawnRuntime("deno", file, args, { onlyFlags, env });
  return await withDeadline(program.ended, 60_000, file);
}

test("Sending and receiving need no permission but --allow-ffi for the library's path", async () => {
  const { code, stdout, stderr } = await run([`--allow-ffi=${library}`]);
  assertEquals(stderr, "");
  assertEquals(stdout, "echo 3\necho 1048576\nbye\n");
  assertEquals(code, 0);
});

test("Packets do by copies what they do without, where pointers are not permitted", async () => {
  const { code, stdout, stderr } = await run(
    [`--allow-ffi=${library}`],
    {},
    "permissions_packets.ts",
  );
  assertEquals(stderr, "");
  assertEquals(stdout, "done\n");
  assertEquals(code, 0);
});

test("The public FFI does without pointers what it can, where they are not permitted", async () => {
  const file = "ffi_permissions.ts";
  const { code, stdout, stderr } = await run([`--allow-ffi=${LIBRARY}`], {}, file, [LIBRARY]);
  assertEquals(stderr, "");
  const unsupported = ["process", "dlsym", "alloc", "toPointer", "toString", "view", "callback"];
  assertEquals(stdout.trimEnd().split("\n"), [
    "call 6",
    "struct 2",
    "errno 0",
    "missing ENETJS_ERR_FFI_LIBRARY",
    "other ENETJS_ERR_FFI_LIBRARY",
    ...unsupported.map((name) => `${name} ENETJS_ERR_FFI_UNSUPPORTED`),
  ]);
  assertEquals(code, 0);
});

test("Channels between threads need no permission, and plugins need --allow-ffi without a path", async () => {
  const file = "permissions_channel.ts";
  const scoped = await run([`--allow-ffi=${library}`], {}, file);
  assertEquals(scoped.stderr, "");
  assertEquals(scoped.stdout, "hello\nENETJS_ERR_PERMISSION\n");
  const all = await run(["--allow-ffi"], {}, file);
  assertEquals(all.stdout, "hello\nENETJS_ERR_PLUGIN_MISSING\n");
});

for (const permission of ["--deny-ffi", "--allow-ffi=/somewhere/else.so"]) {
  test(`With ${permission} the error is ENETJS_ERR_LIBRARY and names path and remedy`, async () => {
    const { code, stdout, stderr } = await run([permission]);
    assertEquals(stderr, "");
    const [first, ...message] = stdout.split("\n");
    assertEquals(first, "ENETJS_ERR_LIBRARY");
    assert(message.join("\n").includes(library), stdout);
    assertMatch(message.join("\n"), /--allow-ffi/);
    assertEquals(code, 0);
  });
}

test("ENETJS_LIBRARY counts where --allow-env covers it, and asks for nothing elsewhere", async () => {
  const env = { ENETJS_LIBRARY: "/somewhere/else.so" };
  const without = await run([`--allow-ffi=${library}`], env);
  assertEquals(without.stdout, "echo 3\necho 1048576\nbye\n");
  const covered = await run([`--allow-ffi=${library}`, "--allow-env=ENETJS_LIBRARY"], env);
  assertMatch(covered.stdout, /^ENETJS_ERR_LIBRARY\n/);
  assertMatch(covered.stdout, /ENETJS_LIBRARY=\/somewhere\/else\.so/);
});

test("A host name that may not be resolved is a lack of permission, and is not tried again", async () => {
  const { stdout } = await run([`--allow-ffi=${library}`], {}, "permissions_resolve.ts");
  assertEquals(
    stdout,
    'ENETJS_ERR_PERMISSION Resolving the host name "game.test" needs a permission: run with --allow-net\n',
  );
});

test("Finding servers names the permission that is missing", async () => {
  const announce = { game: "permissions", name: "nobody hears it" };
  const given = [JSON.stringify({ listen: { hostname: "127.0.0.1" }, announce, unref: true })];
  const ffi = `--allow-ffi=${library}`;
  const missing = { "networkInterfaces": [ffi], net: [ffi, "--allow-sys=networkInterfaces"] };
  for (const [name, permissions] of Object.entries(missing)) {
    const { code, stderr } = await run(permissions as [string], {}, "discovery.ts", given);
    assertMatch(stderr, new RegExp(`ENetError: .*Requires (sys|net) access.*${name}`));
    assertEquals(code, 1);
  }
});
