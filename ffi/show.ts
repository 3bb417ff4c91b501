/** Secret keys and connect tokens as text. Messages get into logs, so only the kind is shown. */
const SECRETS = /(host_secret|issuer_secret|shared_secret|token)_[\w-]{16,}/g;

/** A value as it appears in a message. */
export function show(value: unknown): string {
  if (typeof value === "string") {
    const text = value.replace(SECRETS, "$1_…");
    return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  }
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) {
    return `an object (${String(value.constructor?.name ?? "no prototype")})`;
  }
  return Object.is(value, -0) ? "-0" : String(value);
}
