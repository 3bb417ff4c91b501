const OPENING_BRACE = 0x7B;

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Whether a datagram that is not ENet's is a telex: UTF-8 JSON whose value is an object. It begins
 * with `{` and may end with white space.
 */
export function isTelex(bytes: Uint8Array): boolean {
  if (bytes[0] !== OPENING_BRACE) return false;
  try {
    JSON.parse(decoder.decode(bytes));
    return true;
  } catch {
    return false;
  }
}
