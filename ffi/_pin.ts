import { markAsUntransferable } from "node:worker_threads";

/** Makes a buffer untransferable where a marked one can still be transferred by its own methods. */
export function pinWithMethods(buffer: ArrayBuffer): void {
  markAsUntransferable(buffer);
  const refuse = () => {
    throw new TypeError("The buffer is untransferable");
  };
  for (const name of ["transfer", "transferToFixedLength"]) {
    Object.defineProperty(buffer, name, { value: refuse });
  }
}
