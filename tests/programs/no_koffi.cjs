// Loaded before a program: koffi is as if it were not installed.
const Module = require("node:module");

const resolve = Module._resolveFilename;
Module._resolveFilename = (name, ...rest) => {
  if (name !== "koffi") return resolve(name, ...rest);
  throw Object.assign(new Error("Cannot find module 'koffi'"), { code: "MODULE_NOT_FOUND" });
};
