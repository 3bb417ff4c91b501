/**
 * The text of plain mode: what comes from the program becomes text messages, by reads or by lines.
 *
 * @module
 */

/** Each read is a message. An incomplete character at its end waits for the next; what is no UTF-8 becomes U+FFFD. */
export class ReadSplitter {
  readonly #message: (text: string) => void;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(message: (text: string) => void) {
    this.#message = message;
  }

  push(bytes: Uint8Array): void {
    this.#tell(this.#decoder.decode(bytes, { stream: true }));
  }

  end(): void {
    this.#tell(this.#decoder.decode());
  }

  #tell(text: string): void {
    if (text !== "") this.#message(text);
  }
}

const NEWLINE = 10;
const RETURN = 13;

/** Each line is a message, without its newline, and without a carriage return before it. */
export class LineSplitter {
  readonly #maximum: number;
  readonly #message: (text: string) => void;
  readonly #tooLong: () => void;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** The beginning of a line that came in pieces; it grows up to the longest line. */
  #line = new Uint8Array(256);
  /** The length of that line, also when it is too long to be kept. */
  #length = 0;

  /**
   * @param maximum longest line in bytes; a longer one is skipped up to its newline, and reported once
   */
  constructor(maximum: number, message: (text: string) => void, tooLong: () => void) {
    this.#maximum = maximum;
    this.#message = message;
    this.#tooLong = tooLong;
  }

  push(bytes: Uint8Array): void {
    let begin = 0;
    for (let end; (end = bytes.indexOf(NEWLINE, begin)) >= 0; begin = end + 1) {
      const part = bytes.subarray(begin, end);
      if (this.#length === 0) {
        this.#tell(part);
      } else {
        this.#keep(part);
        this.#finish();
      }
    }
    this.#keep(bytes.subarray(begin));
  }

  end(): void {
    if (this.#length > 0) this.#finish();
  }

  #keep(part: Uint8Array): void {
    const before = this.#length;
    this.#length += part.length;
    // The one byte more may be the carriage return of a line that is not too long.
    if (this.#length > this.#maximum + 1) return;
    if (this.#length > this.#line.length) {
      const size = Math.max(this.#length, Math.min(2 * this.#line.length, this.#maximum + 1));
      const larger = new Uint8Array(size);
      larger.set(this.#line.subarray(0, before));
      this.#line = larger;
    }
    this.#line.set(part, before);
  }

  #finish(): void {
    const length = this.#length;
    this.#length = 0;
    if (length > this.#maximum + 1) this.#tooLong();
    else this.#tell(this.#line.subarray(0, length));
  }

  #tell(line: Uint8Array): void {
    const text = line.at(-1) === RETURN ? line.subarray(0, -1) : line;
    if (text.length > this.#maximum) this.#tooLong();
    else this.#message(this.#decoder.decode(text));
  }
}
