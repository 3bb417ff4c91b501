/**
 * The options of `enet token`.
 *
 * @module
 */
import type { OptionTable, OptionValues } from "../frame/options.ts";

/** The environment variable that may have the issuer's secret key. */
export const ISSUER_VARIABLE = "ENETJS_ISSUER_SECRET";

/** The options of `enet token`. */
export const TOKEN_OPTIONS = {
  key: {
    kind: "text",
    value: "FILE",
    told: `$${ISSUER_VARIABLE}`,
    help: "the issuer's secret key is in this file; - is standard input",
  },
  "client-id": { kind: "text", value: "TEXT", help: "who the client is, 1 to 128 bytes" },
  "client-number": {
    kind: "text",
    value: "N",
    help: "who the client is, in place of text: 0 to 2^64 - 1",
  },
  "expires-in": {
    kind: "seconds",
    value: "S",
    minimum: 0.001,
    maximum: 315_360_000,
    told: "60",
    help: "seconds until the token expires",
  },
  server: {
    kind: "list",
    value: "KEY",
    told: "all that know the issuer",
    help: "public key of a server where the token is good, at most 8",
  },
  "user-data": {
    kind: "text",
    value: "TEXT",
    help: "text for the server's program, at most 256 bytes",
  },
  "user-data-file": { kind: "text", value: "FILE", help: "the same, as the bytes of this file" },
  out: {
    kind: "text",
    value: "FILE",
    help: "write the token to this new file, which only its owner can read",
  },
  read: {
    kind: "text",
    value: "FILE",
    help: "make no token: read the one in this file; - is standard input",
  },
  issuer: {
    kind: "text",
    value: "KEY",
    help: "with --read, verify the token by this public key of its issuer",
  },
} as const satisfies OptionTable;

/** The values of the options. */
export type TokenValues = OptionValues<typeof TOKEN_OPTIONS>;

/** Those that have no meaning with `--read`. */
export const CREATING_OPTIONS = [
  "key",
  "client-id",
  "client-number",
  "expires-in",
  "user-data",
  "user-data-file",
  "out",
] as const satisfies (keyof typeof TOKEN_OPTIONS)[];
