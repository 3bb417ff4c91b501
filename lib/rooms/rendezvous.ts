/** Rendezvous hashing: every host finds the same one for a room, and a host that goes moves only its own rooms. */

/** A 32-bit hash of text: FNV-1a, and the last step of MurmurHash3, which spreads short texts. */
function hash(text: string): number {
  let value = 0x811C9DC5;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    value = Math.imul(value ^ (unit & 0xFF), 0x01000193);
    value = Math.imul(value ^ (unit >>> 8), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85EBCA6B);
  value = Math.imul(value ^ (value >>> 13), 0xC2B2AE35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** The one of several hosts that a key belongs to. There must be one at least. */
export function chooseHost<AnyHost extends { readonly id: string }>(
  hosts: readonly AnyHost[],
  key: string,
): AnyHost {
  let best = hosts[0];
  let most = -1;
  for (const host of hosts) {
    const score = hash(`${host.id} ${key}`);
    if (score > most || (score === most && host.id > best.id)) [best, most] = [host, score];
  }
  return best;
}
