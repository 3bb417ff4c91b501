/**
 * The file of a Unix socket: it replaces one that nobody listens on, and is removed at the end, unless another server
 * has put its own in the place meanwhile.
 *
 * @module
 */
import { existsSync, lstatSync, unlinkSync } from "node:fs";
import net from "node:net";
import { dirname } from "node:path";
import process from "node:process";
import { ENetError } from "../../errors.ts";

/** What stands at a path; `undefined` when nothing does. */
const look = (path: string) => lstatSync(path, { throwIfNoEntry: false });

/** The file of a socket that a server listens on. */
export class UnixSocket {
  readonly #path: string;
  #inode: number | undefined;
  readonly #onExit = () => this.remove();

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * Makes room at a path.
   *
   * @throws {ENetError} `ENETJS_ERR_ADDRESS_IN_USE` when something else is there, or another server listens on it;
   *   `ENETJS_ERR_ADDRESS_UNAVAILABLE` when there is no such folder.
   */
  static async at(path: string): Promise<UnixSocket> {
    if (!existsSync(dirname(path))) {
      // The runtimes call this a lack of permission.
      const text = `Listening on ${path}: the folder does not exist`;
      throw new ENetError("ENETJS_ERR_ADDRESS_UNAVAILABLE", text);
    }
    const there = look(path);
    if (there !== undefined) {
      if (!there.isSocket()) {
        throw new ENetError("ENETJS_ERR_ADDRESS_IN_USE", `Listening on ${path}: it is no socket`);
      }
      if (await isServed(path)) {
        const text = `Listening on ${path}: another server listens on it`;
        throw new ENetError("ENETJS_ERR_ADDRESS_IN_USE", text);
      }
      unlinkSync(path);
    }
    return new UnixSocket(path);
  }

  /** The server listens: the file is there. */
  created(): void {
    this.#inode = look(this.#path)?.ino;
    process.once("exit", this.#onExit);
  }

  /** Removes the file. */
  remove(): void {
    process.removeListener("exit", this.#onExit);
    const inode = look(this.#path)?.ino;
    if (inode !== undefined && inode === this.#inode) unlinkSync(this.#path);
    this.#inode = undefined;
  }
}

/** Whether somebody listens on a socket. */
function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", ({ code }: Error & { code?: string }) => resolve(code !== "ECONNREFUSED"));
  });
}
