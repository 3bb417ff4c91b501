// Loaded before a program, it makes process say what PRETEND does: {"arch": "riscv64"}, {"libc": "musl"}.
import process from "node:process";

const { arch, libc } = JSON.parse(process.env.PRETEND ?? "{}");
if (arch !== undefined) Object.defineProperty(process, "arch", { value: arch });
if (libc === "musl") {
  Object.defineProperty(process, "report", { value: { getReport: () => ({ header: {} }) } });
}
