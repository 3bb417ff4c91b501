/**
 * A web backend that hands out connect tokens: whoever logs in over HTTP may connect to the game server for a minute,
 * once. It needs no native library. The game server takes the tokens with `security: { keyPair, tokens: { issuers } }`,
 * as `docs/encryption.md` says. Without arguments a client beside it logs in, and ends it; give it a port to keep it
 * running. Put TLS before it: whoever reads a token on its way can use it.
 *
 *     deno run --allow-net --allow-env=ENETJS_ISSUER_SECRET examples/token_backend.ts 8080
 *     bun examples/token_backend.ts 8080
 *     node examples/token_backend.ts 8080
 */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import {
  createToken,
  generateIssuerKeyPair,
  generateKeyPair,
  keyToText,
  readIssuerKeyPair,
  readToken,
} from "@enetjs/enet/security";

/** Make it with `enet keygen --kind issuer --out issuer.key`, and keep it: servers know its public key. */
const stored = process.env.ENETJS_ISSUER_SECRET;
const issuer = stored === undefined
  ? await generateIssuerKeyPair()
  : await readIssuerKeyPair(stored);
/** The public key of the game server, which `enet keygen --out host.key` prints. Here it is one for show. */
const gameServer = keyToText("host_public", (await generateKeyPair()).publicKey);

/** Who has an account, and which team they are in. A real backend asks its database, and compares hashes. */
const ACCOUNTS = new Map([["alice", { password: "correct horse", team: "red" }]]);
const LARGEST_BODY = 1024;

/** The login that a request has; anything else is `undefined`. */
async function readLogin(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    body += chunk;
    if (body.length > LARGEST_BODY) return undefined;
  }
  return new URLSearchParams(body);
}

/** What a client gets that may play: where the server is, how to know it, and the token. */
async function admission(name: string, team: string): Promise<string> {
  const token = await createToken({
    clientId: name,
    expiresAtMs: Date.now() + 60_000,
    servers: [gameServer],
    userData: JSON.stringify({ team }),
  }, issuer.secretKey);
  return JSON.stringify({ address: "game.example:7777", serverKey: gameServer, token });
}

const backend = createServer(async (request, response) => {
  const isLogin = request.method === "POST" && request.url === "/login";
  const login = isLogin ? await readLogin(request).catch(() => undefined) : undefined;
  const name = login?.get("name") ?? "";
  const account = ACCOUNTS.get(name);
  if (account === undefined || account.password !== login?.get("password")) {
    return void response.writeHead(403).end();
  }
  response.setHeader("content-type", "application/json").setHeader("cache-control", "no-store");
  response.end(await admission(name, account.team));
});

const port = Number(process.argv[2] ?? 0);
await once(backend.listen(port, "127.0.0.1"), "listening");
const url = `http://127.0.0.1:${(backend.address() as AddressInfo).port}/login`;
console.log(`logins at ${url}`);
console.log(`for the game server: issuers: ["${keyToText("issuer_public", issuer.publicKey)}"]`);

if (port === 0) {
  const login = (password: string) =>
    fetch(url, { method: "POST", body: new URLSearchParams({ name: "alice", password }) });
  console.log("a wrong password:", (await login("guess")).status);
  const { token, serverKey } = await (await login("correct horse")).json();
  // What the game server does, in native code.
  const { clientId, userData } = await readToken(token, issuer.publicKey, { server: serverKey });
  console.log(`${clientId} may connect:`, new TextDecoder().decode(userData));
  backend.close();
}
