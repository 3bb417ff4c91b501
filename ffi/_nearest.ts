/** Guesses which name was meant, for messages. */

/** How many letters have to be inserted, removed, replaced or swapped to make `b` of `a`. */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1][j - 1] + Number(a[i - 1] !== b[j - 1]);
      row[j] = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, replaced);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}

/**
 * The name that was probably meant, if there is one.
 *
 * @param key what was written
 * @param known the names that there are
 * @param synonyms what else, in lower case, they are called
 */
export function nearest(
  key: string,
  known: readonly string[],
  synonyms: Readonly<Record<string, readonly string[]>>,
): string | undefined {
  const asked = key.toLowerCase();
  // A long name would take long to compare, and is hardly a typing error.
  if (asked.length < 2 || asked.length > 40) return undefined;
  const called = known.find((name) => synonyms[name]?.includes(asked));
  if (called !== undefined) return called;
  const distances = known.map((name) => {
    const bare = name.toLowerCase();
    const isPart = asked.length > 2 && (bare.startsWith(asked) || asked === `on${bare}`);
    return isPart ? 0 : editDistance(asked, bare);
  });
  const least = Math.min(...distances);
  return least <= Math.max(1, asked.length / 4) ? known[distances.indexOf(least)] : undefined;
}
