/**
 * A library of the system from TypeScript: opens a database of SQLite in memory, asks it, and gets the
 * rows through a callback.
 *
 *     deno run --allow-ffi examples/ffi_sqlite.ts
 *     bun examples/ffi_sqlite.ts
 *     node examples/ffi_sqlite.ts
 */
import process from "node:process";
import { callback, dlopen, FfiError, type Library, toString, view } from "@enetjs/enet/ffi";

const FILE = process.platform === "darwin" ? "libsqlite3.dylib" : "libsqlite3.so.0";

const SYMBOLS = {
  sqlite3_open: { parameters: ["cstring", "buffer"], result: "int" },
  sqlite3_exec: {
    parameters: ["pointer", "cstring", "function", "pointer", "pointer"],
    result: "int",
  },
  sqlite3_errmsg: { parameters: ["pointer"], result: "cstring" },
  sqlite3_close: { parameters: ["pointer"], result: "int" },
} as const;

/** Opens the library, if this machine has it. */
function open(): Library<typeof SYMBOLS> | undefined {
  try {
    return dlopen(FILE, SYMBOLS);
  } catch (error) {
    if (!(error instanceof FfiError) || error.code !== "ENETJS_ERR_FFI_LIBRARY") throw error;
    console.log(error.message);
  }
}

/** Fills a table and prints what is in it. */
function show({ symbols }: Library<typeof SYMBOLS>): void {
  const result = new BigUint64Array(1); // `sqlite3 **`
  const opened = symbols.sqlite3_open(":memory:", result);
  const [database] = result;

  /** `int (*)(void *, int columns, char **values, char **names)` */
  using row = callback(
    { parameters: ["pointer", "int", "pointer", "pointer"], result: "int" },
    (_, columns, values, names) => {
      const text = (list: bigint, column: number) => {
        const pointer = view(list).read("pointer", column * 8);
        return pointer === 0n ? "NULL" : toString(pointer);
      };
      const cells = Array.from(
        { length: columns },
        (_, column) => `${text(names, column)}=${text(values, column)}`,
      );
      console.log(cells.join(" "));
      return 0;
    },
  );

  const run = (sql: string) => {
    if (symbols.sqlite3_exec(database, sql, row, 0n, 0n) === 0) return;
    throw new Error(symbols.sqlite3_errmsg(database) ?? "unknown error");
  };
  try {
    if (opened !== 0) throw new Error("The database cannot be opened");
    run("CREATE TABLE player (name TEXT, score INTEGER)");
    run("INSERT INTO player VALUES ('Ada', 120), ('Grüße', 95), (NULL, 7)");
    run("SELECT name, score FROM player ORDER BY score");
  } finally {
    symbols.sqlite3_close(database);
  }
}

using library = open();
if (library !== undefined) show(library);
