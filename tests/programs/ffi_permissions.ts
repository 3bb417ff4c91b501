/*
 * What the public FFI does with a permission for the path of one library: buffers and numbers pass,
 * and whatever takes pointers is refused by name, without asking for a permission.
 */
import {
  alloc,
  callback,
  dlopen,
  dlsym,
  errno,
  FfiError,
  RTLD_DEFAULT,
  struct,
  toPointer,
  toString,
  view,
} from "../../ffi/mod.ts";

const path = Deno.args[0];

function attempt(name: string, action: () => unknown): void {
  try {
    console.log(name, action());
  } catch (error) {
    if (!(error instanceof FfiError)) throw error;
    console.log(name, error.code);
  }
}

const table = { sum_bytes: { parameters: ["buffer", "size_t"], result: "u32" } } as const;
attempt("call", () => {
  using library = dlopen(path, table);
  return library.symbols.sum_bytes(new Uint8Array([1, 2, 3]), 3);
});
attempt("struct", () => {
  const pair = struct({ a: "u8", b: "u32" });
  return pair.read(pair.encode({ a: 1, b: 2 })).b;
});
attempt("errno", () => errno());
attempt("missing", () => dlopen(path, { missing: { parameters: [], result: "void" } }));
attempt("other", () => dlopen("libc.so.6", { abs: { parameters: ["int"], result: "int" } }));
attempt("process", () => dlopen(null, { abs: { parameters: ["int"], result: "int" } }));
attempt("dlsym", () => dlsym(RTLD_DEFAULT, "abs"));
attempt("alloc", () => alloc(8));
attempt("toPointer", () => toPointer(new Uint8Array(8)));
attempt("toString", () => toString(4096n));
attempt("view", () => view(4096n).read("u8"));
attempt("callback", () => callback({ parameters: [], result: "void" }, () => {}));
