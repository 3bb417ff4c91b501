/**
 * A certificate for what is measured over TLS on this machine.
 *
 * @module
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { capture, root } from "../tools/_run.ts";

/**
 * A file with a key and a certificate for `localhost` and 127.0.0.1 that signs itself, made with openssl.
 *
 * @returns `undefined` where openssl is missing
 */
export function certificateFile(): string | undefined {
  const file = `${root}/.cache/localhost.pem`;
  if (existsSync(file)) return file;
  const pem = capture([
    ...["openssl", "req", "-x509", "-nodes", "-days", "3650", "-keyout", "-", "-out", "-"],
    ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"],
    ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-addext", "basicConstraints=CA:FALSE"],
  ]);
  if (pem === undefined) return undefined;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, pem);
  return file;
}
