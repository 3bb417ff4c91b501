/**
 * The npm packages: built, published to a registry of this machine, installed from it into empty
 * folders as users do it, and used there.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { once } from "node:events";
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { packed } from "../../npm/_check.ts";
import { exported, version } from "../../npm/_manifest.ts";
import { lowerSyntax } from "../../npm/_syntax.ts";
import { currentPlatform, libenetOf, librariesOf } from "../../npm/platforms.ts";
import { reachable } from "../../tools/_imports.ts";
import { dependencies, dependencyFolder, peerDependencies } from "../../tools/dependencies.ts";
import { installNpm } from "../../tools/others.ts";
import { print, root, run } from "../../tools/_run.ts";
import type { Runtime } from "../../tools/setup.ts";
import {
  createProject,
  installedProject,
  type Project,
  publishAll,
  temporaryFolder,
} from "./_installed.ts";

/** The page that tells the sizes, and how to compile programs. */
const page = readFileSync(`${root}/docs/packages.md`, "utf8");

const stack = new AsyncDisposableStack();

const names: readonly Runtime[] = ["deno", "bun", "node"];
const platform = currentPlatform();
const published = stack.use(await publishAll());
const installed = await Promise.all(
  names.map((name) => installedProject(stack, name, published.registry)),
);
const projects = Object.fromEntries(names.map((name, i) => [name, installed[i]])) as Record<
  Runtime,
  Project
>;
for (const project of installed) {
  project.copy("examples/echo_server.ts");
  project.copy("examples/echo_client.ts");
  project.copy("tests/programs/batched.ts");
  project.copy("tests/programs/load.ts");
}

// Deno downloads a runtime of its own to put into executables.
const byDeno = await compile("deno");
const skip = typeof byDeno !== "string" && /error sending request/.test(byDeno.problem)
  ? "deno compile can't download what it needs"
  : false;

test("The main package holds what its exports need, and nothing else", async () => {
  const { files } = await packed(published.main);
  const modules = exported.map(([, path]) => path.replace(/^\.\/|\.ts$/g, ""));
  const needed = [
    ...await reachable(published.main, modules.map((path) => `${path}.js`)),
    ...await reachable(published.main, modules.map((path) => `${path}.d.ts`)),
  ];
  assertEquals(
    files.map(({ path }) => path).sort(),
    ["LICENSE", "README.md", "package.json", ...needed].sort(),
  );
  for (const path of needed) {
    assert(existsSync(`${root}/${path.replace(/\.(d\.ts|js)$/, ".ts")}`), `${path} is of ours`);
  }
  for (const path of ["mod.js", "mod.d.ts", "lib/host.js", "lib/host.d.ts", "ffi/loader.js"]) {
    assert(needed.includes(path), path);
  }
});

const WEBRTC = `
import { Host } from "@enetjs/enet";
import { Gateway } from "@enetjs/enet/gateway";
await using host = await Host.listen({ hostname: "127.0.0.1" });
const options = { host, hostname: "127.0.0.1" };
const error = await Gateway.listen({ ...options, webrtc: true }).catch((error) => error);
console.log(error.code, error.message);
await using gateway = await Gateway.listen(options);
console.log("listening");
`;

const NATS = `
import { Host } from "@enetjs/enet";
import { nats, Rooms } from "@enetjs/enet/rooms";
await using host = await Host.listen({ hostname: "127.0.0.1" });
await using rooms = new Rooms(host, { backplane: nats({ servers: "127.0.0.1:1" }) });
const error = await rooms.ready.catch((error) => error);
console.log(error.code, error.message);
`;

for (
  const [name, install] of [
    ["deno", "deno add npm:"],
    ["bun", "bun add "],
    ["node", "npm install "],
  ] as const
) {
  const remedy = `${install}node-datachannel`;

  test(`On ${name}, rooms over NATS say what to install`, async () => {
    const project = projects[name];
    assert(!existsSync(`${project.folder}/node_modules/@nats-io`), "it is optional");
    writeFileSync(`${project.folder}/nats.mjs`, NATS);
    const options = name === "deno" ? { onlyFlags: ["run", "-A"] } : {};
    const { code, stdout, stderr } = await project.run("nats.mjs", [], options);
    assertEquals(code, 0, stdout + stderr);
    const line = `^ENETJS_ERR_LIBRARY .*install it: ${install}@nats-io/transport-node$`;
    assertMatch(stdout, new RegExp(line, "m"));
  });

  test(`On ${name}, a gateway that is asked for WebRTC says what to install`, async () => {
    const project = projects[name];
    assert(!existsSync(`${project.folder}/node_modules/node-datachannel`), "it is optional");
    writeFileSync(`${project.folder}/webrtc.mjs`, WEBRTC);
    const options = name === "deno" ? { onlyFlags: ["run", "-A"] } : {};
    const { code, stdout, stderr } = await project.run("webrtc.mjs", [], options);
    assertEquals(code, 0, stdout + stderr);
    assertMatch(stdout, new RegExp(`^ENETJS_ERR_LIBRARY .*install it: ${remedy}$`, "m"));
    assertMatch(stdout, /^listening$/m);
  });
}

test("The declarations refuse what are no flags and no peers", async () => {
  projects.deno.copy("tests/programs/send_types.ts");
  const { code, stderr } = await projects.deno.command(["deno", "check", "send_types.ts"]);
  assertEquals(code, 0, stderr);
});

test("No module of the main package has newer syntax than Node 22", async () => {
  assertEquals(await lowerSyntax(published.main), []);
});

test("No module of the main package asks where it is", async () => {
  // Bundlers move modules, and dnt would put a replacement in place of import.meta.
  for (const path of await reachable(published.main, ["mod.js"])) {
    const code = readFileSync(`${published.main}/${path}`, "utf8");
    assertNotMatch(code, /\bimport\.meta\b|import-meta/, path);
  }
});

test("The platform package holds these files", async () => {
  const { files } = await packed(published.platform);
  assertEquals(
    files.map(({ path }) => path).sort(),
    [
      ...["LICENSE", "LICENSE-libenet", "LICENSE-libsodium"],
      ...["bun.js", "mod.d.ts", "mod.js", "package.json"],
      "enetjs_plugin.h",
      ...librariesOf(platform),
    ].sort(),
  );
});

test("The packages have one version, and no scripts run when they are installed", () => {
  const { version } = JSON.parse(readFileSync(`${root}/deno.json`, "utf8"));
  const [main, native] = [published.main, published.platform].map((folder) =>
    JSON.parse(readFileSync(`${folder}/package.json`, "utf8"))
  );
  assertEquals([main.version, native.version], [version, version]);
  assertEquals(main.optionalDependencies[native.name], version);
  assertEquals([main.scripts, native.scripts], [undefined, undefined]);
  assertEquals([main.dependencies, native.dependencies], [dependencies, undefined]);
  assertEquals(main.peerDependencies, peerDependencies);
  assertEquals(Object.keys(main.peerDependenciesMeta), Object.keys(peerDependencies));
  assert(Object.values(main.peerDependenciesMeta as object).every(({ optional }) => optional));
  assertEquals(
    [native.os, native.cpu, native.libc],
    [[platform.os], [platform.cpu], platform.libc && [platform.libc]],
  );
});

/** The executable of an older Node, from npm. */
async function oldNode(major: number): Promise<string | undefined> {
  const command = ["npx", "-y", `--package=node@${major}`, "node", "-p", "process.execPath"];
  const { ok, output } = await run(command, { limitMs: 120_000 });
  if (ok) return output.trim().split("\n").at(-1);
  print(`No test on Node ${major}, which npm can't get: ${output}\n`);
}

/** A server and a client, without `using`. */
const ECHO = `
import { Host } from "@enetjs/enet";
const server = await Host.listen({ hostname: "127.0.0.1" }, {
  receive: (peer, channelId, packet) => void peer.send(channelId, packet),
});
const client = await Host.create();
const peer = await client.connect(server.address);
peer.send(0, "hello");
console.log((await peer.receive()).packet.text());
await client.close();
await server.close();
`;

/** The sizes that the page tells, of a package. */
function toldSizes(name: string): number[] {
  const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\``));
  assert(row, `docs/packages.md has a row for ${name}`);
  return [...row.matchAll(/(\d+) kB/g)].map(([, kilobytes]) => Number(kilobytes) * 1000);
}

test("The sizes in docs/packages.md are right within a tenth", async () => {
  for (const folder of [published.main, published.platform]) {
    const { name, size, unpackedSize } = await packed(folder);
    const told = toldSizes(name);
    const is = `${name} has ${Math.round(size / 1000)} kB, ${Math.round(unpackedSize / 1000)} kB`;
    [size, unpackedSize].forEach((bytes, i) => {
      assert(Math.abs(told[i] - bytes) < bytes / 10, `${is}: correct docs/packages.md`);
    });
  }
});

for (const name of names) {
  test(`On ${name} every export can be imported, and has names`, async () => {
    const specifiers = exported.map(([path]) => path.replace(/^\./, "@enetjs/enet"));
    writeFileSync(
      `${projects[name].folder}/exports.ts`,
      `const counts = [];
for (const specifier of ${JSON.stringify(specifiers)}) {
  counts.push(Object.keys(await import(specifier)).length);
}
console.log(JSON.stringify(counts));
`,
    );
    const { stdout, stderr } = await projects[name].run("exports.ts");
    assertMatch(stdout, /^\[/, stderr);
    const counts: number[] = JSON.parse(stdout);
    assert(counts.length === specifiers.length && counts.every((count) => count > 0), stdout);
  });
}

for (const name of ["bun", "node"] as const) {
  test(`On ${name} only what is needed on this platform is installed`, () => {
    const packages = readdirSync(`${projects[name].folder}/node_modules/@enetjs`).sort();
    assertEquals(packages, ["enet", platform.name, "ws"]);
  });
}

test("The declarations compile with lib ES2023 and DOM, and without @types/node", async () => {
  const compiler = await installNpm("typescript", "5.9.3");
  const { folder, copy } = projects.node;
  copy("tests/programs/types.ts");
  const compilerOptions = {
    ...{ target: "ES2023", lib: ["ES2023", "DOM"], types: [], strict: true, noEmit: true },
    ...{ module: "ESNext", moduleResolution: "Bundler", skipLibCheck: false },
  };
  writeFileSync(
    `${folder}/tsconfig.json`,
    JSON.stringify({ compilerOptions, files: ["types.ts"] }),
  );
  const { ok, output } = await run(["node", `${compiler}/bin/tsc`, "-p", folder]);
  assert(ok, output);
});

const older: Record<number, string | undefined> = { 20: await oldNode(20), 22: await oldNode(22) };

for (const major of [20, 22]) {
  const old = older[major];
  const skip = old === undefined && `npm can't get Node ${major}`;
  test(
    `Node ${major} makes tokens, and says which version hosts need`,
    { skip },
    async () => {
      const { folder, command } = projects.node;
      writeFileSync(
        `${folder}/old.mjs`,
        `import { Host } from "@enetjs/enet";
import { dlopen } from "@enetjs/enet/ffi";
import "@enetjs/enet/channel";
import "@enetjs/enet/compat";
import "@enetjs/enet/discovery";
import "@enetjs/enet/messaging";
import "@enetjs/enet/rooms";
import { createToken, generateIssuerKeyPair, generateKeyPair, readToken } from "@enetjs/enet/security";
const [host, issuer] = [await generateKeyPair(), await generateIssuerKeyPair()];
const claims = { clientId: "alice", expiresAtMs: Date.now() + 60_000, servers: [host.publicKey] };
const token = await readToken(await createToken(claims, issuer.secretKey), issuer.publicKey);
console.log(token.clientId);
for (const call of [() => Host.listen(), async () => dlopen(null, { abs: { parameters: ["int"], result: "int" } })]) {
  await call().catch(({ name, code, message }) => console.log(name, code, message));
}
`,
      );
      const { code, stdout, stderr } = await command([old!, "old.mjs"]);
      assertEquals(code, 0, stderr);
      const says = `Node ${major}\\.\\d+\\.\\d+ has no node:ffi, and no koffi\\. ` +
        "Use Node 26\\.10 or later, or: npm install koffi";
      assertMatch(
        stdout,
        new RegExp(
          `^alice\nENetError ENETJS_ERR_LIBRARY ${says}\nFfiError ENETJS_ERR_FFI_UNSUPPORTED ${says}\n$`,
        ),
      );
    },
  );
}

test("Node 22 runs hosts once koffi is installed", {
  skip: older[22] === undefined && "npm can't get Node 22",
}, async () => {
  // Beside the program, so that the other tests have a project without it.
  const { folder, command } = projects.node;
  for (const name of ["koffi", "@koromix"]) {
    const target = `${folder}/with_koffi/node_modules/${name}`;
    cpSync(dependencyFolder(name), target, { recursive: true });
  }
  writeFileSync(`${folder}/with_koffi/echo.mjs`, ECHO);
  const { code, stdout, stderr } = await command([older[22]!, "with_koffi/echo.mjs"]);
  assertEquals([code, stdout], [0, "hello\n"], stderr);
});

for (const name of names) {
  test(`Installed on ${name}, ENETJS_DEBUG names the line of the program`, async () => {
    projects[name].copy("tests/programs/packet_debug.ts");
    const { code, stderr } = await projects[name].run("packet_debug.ts", [], {
      env: { ENETJS_DEBUG: "1" },
      flags: name === "deno" ? ["--allow-env"] : [],
    });
    assertEquals(code, 0, stderr);
  });
}

/** The libraries that have libenet in their path and are mapped into a process. */
function mapped(pid: number): string[] {
  const paths = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")
    .map((line) => line.replace(/^(\S+\s+){5}/, "")).filter((path) => /libenet/.test(path));
  return [...new Set(paths)].sort();
}

for (const serverName of names) {
  test(`The installed echo server on ${serverName} answers all clients, on the packaged libenet`, {
    skip: process.platform !== "linux",
  }, async () => {
    const server = projects[serverName].start("echo_server.ts", ["0"]);
    await using _ = server;
    const port = await server.line("listening on 127.0.0.1:");
    const paths = mapped(server.process.pid!);
    assertEquals(
      paths.map((path) => path.split("/").at(-1)),
      [...libenetOf(platform), platform.library].sort(),
    );
    const [first, second = first] = paths.map((path) => path.replace(/\/[^/]+$/, ""));
    assertEquals(first, second, "both come from one folder");
    assertMatch(first, new RegExp(`/@enetjs/${platform.name}`));
    await Promise.all(names.map(async (clientName) => {
      const { code, stdout, stderr } = await projects[clientName].run("echo_client.ts", [port]);
      assertEquals(code, 0, stderr);
      assertMatch(stdout, /^one in .*\ntwo in .*\nthree in .*\n$/, clientName);
    }));
  });

  test(`Installed on ${serverName}, datagrams pass many at a time`, {
    skip: process.platform !== "linux",
  }, async () => {
    const { stdout, stderr } = await projects[serverName].run("batched.ts");
    assertEquals(JSON.parse(stdout), { datagrams: "batched", length: 1 << 20 }, stderr);
  });
}

/** How users run the program `enet`. */
const ENET: Record<Runtime, string> = {
  deno: "deno run -A npm:@enetjs/enet/cli",
  bun: "bun x @enetjs/enet", // which is bunx
  node: "npx @enetjs/enet",
};

for (const name of names) {
  test(`Installed on ${name}, "${ENET[name]}" is the program enet`, {
    skip: process.platform === "win32",
  }, async () => {
    const gateway = `${ENET[name]} gateway --addr 127.0.0.1 --port 0 --std`;
    const { code, stdout, stderr } = await projects[name].shell(
      `${ENET[name]} --version && printf bye | ${gateway}`,
    );
    assertEquals(stdout, `enet ${version}\n`, stderr);
    assertMatch(stderr, /^listening on ws:\/\/127\.0\.0\.1:\d+$/m);
    assertEquals(code, 0, stderr);
  });
}

/** Runs an executable from an empty folder: a server, for a client from the packages. */
async function serveFrom(executable: string): Promise<string[]> {
  const env = { PATH: "", TMPDIR: temporaryFolder(stack) };
  const elsewhere = createProject(stack, "node", env);
  await using server = elsewhere.execute(executable, ["0"]);
  const port = await server.line("listening on 127.0.0.1:");
  const paths = process.platform === "linux" ? mapped(server.process.pid!) : [];
  const { code, stdout, stderr } = await projects.node.run("echo_client.ts", [port]);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^one in .*\ntwo in .*\nthree in .*\n$/);
  return paths;
}

/** Compiles the echo server with a command of docs/packages.md, and moves it to where nothing else is. */
async function compile(runtime: "deno" | "bun"): Promise<string | { problem: string }> {
  const line = page.match(new RegExp(`^(${runtime} .*compile.*) echo\\.ts`, "m"));
  assert(line, "docs/packages.md says how");
  const { folder } = projects[runtime];
  const executable = `echo${process.platform === "win32" ? ".exe" : ""}`;
  const output = runtime === "deno" ? "--output" : "--outfile";
  const command = [...line[1].split(" "), output, executable, "echo_server.ts"];
  const { code, stderr } = await projects[runtime].command(command);
  if (code !== 0) return { problem: stderr };
  const target = `${temporaryFolder(stack)}/${executable}`;
  renameSync(`${folder}/${executable}`, target);
  return target;
}

test("An echo server compiled by Bun runs from another folder, on the packaged libenet", async () => {
  const executable = await compile("bun");
  assert(typeof executable === "string", JSON.stringify(executable));
  for (const path of await serveFrom(executable)) {
    if (path !== executable) {
      assertMatch(path, /\/enetjs-packages-\w+\/enetjs-\d+\/[0-9a-f]{32}\//);
    }
  }
});

test("An echo server compiled by Deno runs from another folder, on the packaged libenet", {
  skip,
}, async () => {
  assert(typeof byDeno === "string", JSON.stringify(byDeno));
  for (const path of await serveFrom(byDeno)) assert(path.startsWith(byDeno), path);
});

test("The sources from JSR find the library in the platform package", async () => {
  // As on JSR, the version is in the addresses.
  const prefix = `/@enetjs/enet/${version}/`;
  const sources = createServer((request, response) => {
    const path = request.url!.slice(prefix.length);
    if (!request.url!.startsWith(prefix) || !existsSync(`${root}/${path}`)) {
      response.statusCode = 404;
    } else response.setHeader("content-type", "application/typescript");
    response.end(response.statusCode === 404 ? "" : readFileSync(`${root}/${path}`));
  });
  await once(sources.listen(0, "127.0.0.1"), "listening");
  try {
    const { port } = sources.address() as AddressInfo;
    const project = createProject(stack, "deno", published.registry.env);
    const host = `127.0.0.1:${port}`;
    project.copy("tests/programs/load.ts");
    const { stdout, stderr } = await project.run(
      "load.ts",
      [`http://${host}${prefix}mod.ts`],
      { flags: [`--allow-import=${host}`] },
    );
    const { library, datagrams } = JSON.parse(stdout || `"${stderr}"`);
    assertEquals(typeof datagrams, "string");
    assert(library.endsWith(`/@enetjs/${platform.name}/${version}/${platform.library}`), stdout);
  } finally {
    sources.close();
  }
});

// Last, and no hook: Deno 2.9 calls none after a file in which a test is skipped.
test("The registry ends, and all folders are removed", async () => {
  await stack.disposeAsync();
  assert(!existsSync(published.platform));
});
