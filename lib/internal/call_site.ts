/** Where the program called into the library. */
export function callSite(): string {
  const lines = (new Error().stack ?? "").split("\n").filter((line) => /\bat\b|@/.test(line));
  // As sources, as modules of the npm package, or wherever else this file is.
  const [, folder] = /([^\s(@]*[\\/])lib[\\/]internal[\\/]call_site\.[jt]s/.exec(lines[0] ?? "") ??
    [];
  const isOurs = (line: string) =>
    folder !== undefined &&
    ["lib", "ffi"].some((part) =>
      line.includes(`${folder}${part}/`) || line.includes(`${folder}${part}\\`)
    );
  return (lines.find((line) => !isOurs(line)) ?? "").trim();
}
