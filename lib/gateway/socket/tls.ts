/**
 * Certificate and key of a server.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { options as requireOptions, show } from "../../internal/validate.ts";
import type { SocketTls } from "./contract.ts";

const UNUSABLE = "The certificate and the key can't be used";

/**
 * The secure context of a certificate and its key.
 *
 * @throws {TypeError} When they are not both there.
 * @throws {Error} When they can't be used, with the reason.
 */
export function secureContext(tls: SocketTls): SecureContext {
  requireOptions(tls, "tls", ["certificate", "key"]);
  for (const name of ["certificate", "key"] as const) {
    const value: unknown = tls[name];
    if (typeof value !== "string" && !(value instanceof Uint8Array)) {
      throw new TypeError(`tls.${name} must be PEM, as a string or bytes, not ${show(value)}`);
    }
  }
  const pem = (value: string | Uint8Array) =>
    typeof value === "string" ? value : Buffer.from(value);
  const [cert, key] = [pem(tls.certificate), pem(tls.key)];
  // Deno's `createSecureContext` takes anything.
  const certificate = read(() => new X509Certificate(cert), "the certificate is not one in PEM");
  const privateKey = read(
    () => createPrivateKey(key),
    "the key is no private key in PEM, or it is encrypted",
  );
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Error(`${UNUSABLE}: the key is not that of the certificate`);
  }
  return read(() => createSecureContext({ cert, key, minVersion: "TLSv1.2" }), "TLS refuses them");
}

function read<T>(call: () => T, fault: string): T {
  try {
    return call();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${UNUSABLE}: ${fault} (${why})`, { cause: error });
  }
}
