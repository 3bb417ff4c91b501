// Loads the library and prints what came of it: versions, or the error's name, code and message.
// An argument is the URL of another copy of mod.ts.
import process from "node:process";

const { versions } = await import(process.argv[2] ?? "../../mod.ts");
try {
  console.log(JSON.stringify(await versions()));
} catch (error) {
  const { name, code, message } = error as Error & { code?: string };
  console.log(JSON.stringify({ name, code, message }));
}
