/**
 * WebRTC for tests: `node-datachannel` on the gateway's side, and its `RTCPeerConnection` in the place of a page's.
 *
 * @module
 */
import process from "node:process";

/** A page's connection, as far as tests touch it. */
export interface PageConnection {
  createDataChannel(label: string, options?: object): PageChannel;
  close(): void;
}

/** A page's data channel, as far as tests touch it. */
export interface PageChannel {
  readyState: string;
  send(data: string | Uint8Array): void;
}

/** What a page has made. */
export interface Made {
  readonly connection: PageConnection;
  readonly channel: PageChannel;
}

/** Everything that pages of this process have made, the latest last. */
export const made: Made[] = [];

/** Why there is no WebRTC here; false where there is. */
export const absent: string | false = await load();

async function load(): Promise<string | false> {
  try {
    const name = "node-datachannel/polyfill";
    const { RTCPeerConnection } = await import(name);
    class Watched extends RTCPeerConnection {
      createDataChannel(label: string, options: object): PageChannel {
        const channel = super.createDataChannel(label, options);
        if (label === "enet") {
          made.push({ connection: this as unknown as PageConnection, channel });
        }
        return channel;
      }
    }
    Object.assign(globalThis, { RTCPeerConnection: Watched });
    return false;
  } catch (error) {
    const why = `node-datachannel can't be loaded: ${(error as Error).message}`;
    process.stderr.write(`NOT TESTED: WebRTC, because ${why}\n`);
    return why;
  }
}
