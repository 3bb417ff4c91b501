import { CHANNEL } from "../../ffi/layout.ts";
import type { Wake } from "../../ffi/contract.ts";
import type { Library } from "../../ffi/loader.ts";
import { openWake, type StartWaker } from "../../ffi/wake.ts";
import { check, ENetError, NATIVE_ERROR, nativeError } from "../errors.ts";
import { loadLibrary } from "../internal/library.ts";
import { type Link, type LinkListener, WeakListener } from "./_link.ts";
import { type Direction, directions, NativeRegion, WORDS_BYTES } from "./_region.ts";
import { decoder, encoder } from "../../ffi/utf8.ts";

/** What a plugin is loaded with, checked. */
export interface PluginPlan {
  readonly path: string;
  readonly configuration: Uint8Array;
  readonly sendBytes: number;
  readonly receiveBytes: number;
  readonly updateIntervalMs: number;
}

/** Name and version that a plugin gives. */
export interface PluginInfo {
  /** Its name, if it gives one. */
  readonly name: string | undefined;
  /** Which version of itself it is, if it says so. */
  readonly version: string | undefined;
}

/** Room for the reason of a failure, and for a plugin's name or version. */
const TEXT_BYTES = 512;

/** Bytes as native code takes them, which is given none only with an address. */
function addressable(bytes: Uint8Array): Uint8Array {
  return bytes.length > 0 ? bytes : new Uint8Array(1);
}

/** JavaScript's end of a channel to a plugin. */
export class PluginLink implements Link {
  readonly outward: Direction;
  readonly inward: Direction;
  readonly #library: Library;
  readonly #handle: number;
  readonly #path: string;
  readonly #regions: readonly NativeRegion[];
  #wake: Wake | undefined;
  #listener: LinkListener | undefined;
  #closed: PromiseWithResolvers<void> | undefined;
  readonly #loaded = Promise.withResolvers<void>();
  #isLoaded = false;
  #info: PluginInfo | undefined;

  private constructor(
    library: Library,
    handle: number,
    path: string,
    map: (address: number, length: number) => ArrayBuffer,
  ) {
    this.#library = library;
    this.#handle = handle;
    this.#path = path;
    const address = check(library.native.enetjs_channel_address(handle), "Opening a channel");
    const regions: NativeRegion[] = [];
    [this.outward, this.inward] = directions(map(address, WORDS_BYTES), (offset, length) => {
      const region = new NativeRegion(map, address + offset, length);
      regions.push(region);
      return region;
    });
    this.#regions = regions;
    this.#loaded.promise.catch(() => {}); // Nobody waits any more when a start has failed.
  }

  /** Loads a plugin, and waits until it is initialized. */
  static async open(plan: PluginPlan): Promise<PluginLink> {
    const library = await loadLibrary();
    const { native } = library;
    const { map } = library.runtime;
    const what = `Loading the plugin ${plan.path}`;
    if (map === undefined) {
      throw new ENetError(
        "ENETJS_ERR_PERMISSION",
        `${what}: native code other than the library's own needs --allow-ffi without a path`,
      );
    }
    const path = encoder.encode(plan.path);
    const handle = check(
      native.enetjs_channel_open(
        path,
        path.length,
        addressable(plan.configuration),
        plan.configuration.length,
        plan.sendBytes,
        plan.receiveBytes,
        plan.updateIntervalMs,
      ),
      what,
    );
    let link: PluginLink | undefined;
    try {
      link = new PluginLink(library, handle, plan.path, map);
      const opened = link;
      const start: StartWaker = (port, secret) =>
        check(native.enetjs_channel_start(handle, port, secret, secret.length), what);
      link.#wake = await openWake(library, start, () => opened.#onWake());
      link.#onWake();
      await link.#loaded.promise;
      link.#info = Object.freeze({
        name: link.#text(CHANNEL.TEXT_NAME) || undefined,
        version: link.#text(CHANNEL.TEXT_VERSION) || undefined,
      });
      return link;
    } catch (error) {
      // Without a wake-up nothing would report that it is closed.
      if (link === undefined || link.#wake === undefined) native.enetjs_channel_close(handle, 0);
      else await link.close();
      throw error;
    }
  }

  #onWake(): void {
    const state = this.#library.native.enetjs_channel_state(this.#handle);
    if (this.#closed !== undefined) {
      if (state === NATIVE_ERROR.CLOSED) this.#finish();
    } else if (state < 0) {
      const error = this.#failure(state);
      this.#loaded.reject(error);
      this.#listener?.end(error);
    } else if (!this.#isLoaded && state === CHANNEL.STATE_RUNNING) {
      this.#isLoaded = true;
      this.#loaded.resolve();
    } else {
      this.#listener?.wake();
    }
  }

  /** Name and version that the plugin gives; known once it is loaded. */
  get plugin(): PluginInfo | undefined {
    return this.#info;
  }

  #text(which: number): string {
    const out = new Uint8Array(TEXT_BYTES);
    const length = this.#library.native.enetjs_channel_text(this.#handle, which, out, out.length);
    return decoder.decode(out.subarray(0, Math.max(0, length)));
  }

  #failure(state: number): ENetError {
    const reason = this.#text(CHANNEL.TEXT_ERROR);
    const what = this.#isLoaded ? "The plugin" : "Loading the plugin";
    const { code, message } = nativeError(state, `${what} ${this.#path}`);
    return new ENetError(code, reason === "" ? message : `${message}: ${reason}`);
  }

  listen(listener: LinkListener): void {
    this.#listener = new WeakListener(listener);
    this.#onWake();
  }

  wake(): void {
    this.#library.native.enetjs_channel_notify(this.#handle);
  }

  ref(): void {
    this.#wake?.ref();
  }

  unref(): void {
    this.#wake?.unref();
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers();
      const stolen = this.#regions.some((region) => region.stolen);
      const ending = this.#library.native.enetjs_channel_close(this.#handle, stolen ? 1 : 0);
      if (ending !== 1) this.#finish();
    }
    return this.#closed.promise;
  }

  #finish(): void {
    this.#wake?.close();
    this.#closed?.resolve();
  }
}
