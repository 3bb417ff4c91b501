/*
 * What TypeScript infers from tables and layouts. Nothing here runs: the type checker is the test.
 */
import {
  array,
  type BufferLike,
  type Callback,
  callback,
  define,
  dlopen,
  dlsym,
  functionAt,
  type Pointer,
  RTLD_DEFAULT,
  struct,
  view,
} from "../../ffi/mod.ts";

/** Whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

/** Does not compile unless the types are the same. */
function same<A, B>(_same: Same<A, B>): void {}

const Point = struct({ x: "double", y: "i32" });
const Shape = struct({
  id: "u64",
  points: array(Point, 3),
  flags: array("u8", 4),
  owner: "pointer",
});

using library = dlopen("library", {
  nothing: { parameters: [], result: "void" },
  numbers: { parameters: ["i8", "u32", "float", "double", "int"], result: "unsigned short" },
  wide: { parameters: ["i64", "size_t", "unsigned long"], result: "ssize_t" },
  exact: { parameters: ["i53", "u53"], result: "u53" },
  others: { parameters: ["bool", "pointer", "buffer", "cstring", "function"], result: "cstring" },
  shapes: { parameters: [Shape], result: Shape },
  truth: { parameters: [], result: "bool" },
  address: { parameters: [], result: "pointer" },
});
const { symbols } = library;

same<typeof symbols.nothing, () => void>(true);
same<
  typeof symbols.numbers,
  (...values: [number, number, number, number, number]) => number
>(true);
same<
  typeof symbols.wide,
  (...values: [bigint | number, bigint | number, bigint | number]) => bigint
>(true);
same<typeof symbols.exact, (...values: [number, number]) => number>(true);
same<ReturnType<typeof symbols.others>, string | null>(true);
same<Parameters<typeof symbols.others>[0], boolean>(true);
same<Parameters<typeof symbols.others>[1], Pointer>(true);
same<Parameters<typeof symbols.others>[2], ArrayBufferLike | ArrayBufferView>(true);
same<Parameters<typeof symbols.others>[3], string>(true);
same<Parameters<typeof symbols.others>[4], Callback | Pointer>(true);
same<ReturnType<typeof symbols.truth>, boolean>(true);
same<ReturnType<typeof symbols.address>, bigint>(true);
same<
  ReturnType<typeof symbols.shapes>,
  {
    id: bigint;
    points: { x: number; y: number }[];
    flags: number[];
    owner: bigint;
  } | null
>(true);

Shape.encode({ id: 1, points: [{ x: 1, y: 2 }], flags: new Uint8Array(4), owner: 0n });
const read = Shape.read(0n);
same<typeof read.points[0]["x"], number>(true);

const strlen = define("strlen", dlsym(RTLD_DEFAULT, "strlen"), "size_t", "cstring");
same<typeof strlen, (...values: [string]) => bigint>(true);
const strdup = define("strdup", dlsym(RTLD_DEFAULT, "strdup"), null, "char *", "const char *");
same<Parameters<typeof strdup>[0], Pointer | string | BufferLike | null>(true);
same<ReturnType<typeof strdup>, bigint>(true);
const abs = functionAt(0n, { parameters: ["int"], result: "int" });
same<typeof abs, (...values: [number]) => number>(true);

callback({ parameters: ["pointer", "cstring", Point], result: "int" }, (pointer, text, point) => {
  same<typeof pointer, bigint>(true);
  same<typeof text, string | null>(true);
  same<typeof point, { x: number; y: number } | null>(true);
  return 0;
});
const long = view(1n).read("long");
same<typeof long, bigint>(true);

// @ts-expect-error: no such type
dlopen(null, { f: { parameters: ["int33"], result: "void" } });
// @ts-expect-error: no such ABI
dlopen(null, { f: { parameters: [], result: "void", abi: "cdecl" } });
// @ts-expect-error: nothing comes back as a buffer
dlopen(null, { f: { parameters: [], result: "buffer" } });
// @ts-expect-error: no parameter is void
dlopen(null, { f: { parameters: ["void"], result: "void" } });
// @ts-expect-error: one argument too few
symbols.exact(1);
// @ts-expect-error: one argument too many
symbols.nothing(1);
// @ts-expect-error: no such function
symbols.missing();
// @ts-expect-error: a string is not a number
symbols.exact("1", 2);
// @ts-expect-error: a number is not a pointer
functionAt(5, { parameters: [], result: "void" });
// @ts-expect-error: a callback returns what its signature says
callback({ parameters: [], result: "int" }, () => "text");
// @ts-expect-error: a callback's result has no memory of its own
callback({ parameters: [], result: "cstring" }, () => "text");
// @ts-expect-error: no such field
Point.offsetof("z");
// @ts-expect-error: a field is missing
Point.encode({ x: 1 });
// @ts-expect-error: strings are no fields
struct({ name: "cstring" });
