/*
 * The C library as a program of qjs-ffi uses it: everything but the import is in that module's terms.
 */
import {
  call,
  define,
  dlclose,
  dlerror,
  dlopen,
  dlsym,
  errno,
  RTLD_DEFAULT,
  RTLD_NOW,
  toArrayBuffer,
  toString,
} from "../../ffi/mod.ts";

let fp = dlsym(RTLD_DEFAULT, "strdup");
define("strdup", fp, null, "char *", "char *");
const p = call("strdup", "hello");
console.log(toString(p));

fp = dlsym(RTLD_DEFAULT, "strlen");
if (fp == null) console.log(dlerror());
else if (define("strlen", fp, "default", "int", "const char *")) {
  console.log(call("strlen", p), call("strlen", "five!"), call("strlen", ""));
} else console.log("define failed");

define("malloc", dlsym(RTLD_DEFAULT, "malloc"), null, "void *", "size_t");
define("memset", dlsym(RTLD_DEFAULT, "memset"), null, "void *", "void *", "int", "size_t");
const block = call("malloc", 10);
call("memset", block, 7, 10);
console.log(new Uint8Array(toArrayBuffer(block, 10)).join(" "));

const buffer = new ArrayBuffer(4);
call("memset", buffer, 9, 3);
console.log(new Uint8Array(buffer).join(" "));

define("strtoul", dlsym(RTLD_DEFAULT, "strtoul"), null, "ulong", "string", "string", "int");
console.log(String(call("strtoul", "1234", null, 0)));
call("strtoul", "9".repeat(40), null, 0);
console.log(errno() === 34);

define("llabs", dlsym(RTLD_DEFAULT, "llabs"), null, "sint64", "sint64");
console.log(String(call("llabs", -(2n ** 62n))));

define("free", dlsym(RTLD_DEFAULT, "free"), null, "void", "void *");
call("free", block);
call("free", p);
call("free", null);

const h = dlopen(null, RTLD_NOW);
if (h == null) console.log(dlerror());
console.log(dlsym(h, "malloc") != null);
dlclose(h);
