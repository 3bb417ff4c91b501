/**
 * Checks keys and certificates. The runtimes would find out what is wrong with them at different times, or not at
 * all.
 *
 * @module
 */
import { createPrivateKey, X509Certificate } from "node:crypto";

/** What TLS takes in PEM. */
interface Keys {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Throws a TypeError that names the option; the text of a key is never in it. */
export function checkKeys({ ca, cert, key }: Keys): void {
  if (ca !== undefined) parse("tls.ca", "a certificate", () => new X509Certificate(ca));
  if (cert === undefined && key === undefined) return;
  if (cert === undefined || key === undefined) {
    throw new TypeError(`tls.${cert === undefined ? "cert" : "key"} is missing`);
  }
  const certificate = parse("tls.cert", "a certificate", () => new X509Certificate(cert));
  const privateKey = parse("tls.key", "a private key", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new TypeError("tls.key must be the private key of tls.cert, and is that of another one");
  }
}

function parse<Parsed>(name: string, what: string, read: () => Parsed): Parsed {
  try {
    return read();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`${name} must be ${what} in PEM: ${why}`, { cause });
  }
}
