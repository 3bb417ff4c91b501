/** Makes the methods of a buffer throw that would transfer it. */
export function refuseTransfer(buffer: ArrayBuffer): void {
  const refuse = () => {
    throw new TypeError("The buffer is untransferable");
  };
  for (const name of ["transfer", "transferToFixedLength"]) {
    Object.defineProperty(buffer, name, { value: refuse });
  }
}
