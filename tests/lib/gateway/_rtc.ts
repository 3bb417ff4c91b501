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
  addEventListener(type: "message", listener: (event: { data: ArrayBuffer }) => void): void;
}

/** What a page has made. */
export interface Made {
  readonly connection: PageConnection;
  readonly channel: PageChannel;
}

/** Everything that pages of this process have made, the latest last. */
export const made: Made[] = [];

/** Keeps what a page's data channel passes from now on, header and payload as text. */
export function textsOver({ channel }: Made): { readonly up: string[]; readonly down: string[] } {
  const texts = { up: [] as string[], down: [] as string[] };
  const decode = (data: Uint8Array | ArrayBuffer) => new TextDecoder().decode(data);
  const send = channel.send.bind(channel);
  channel.send = (data) => {
    texts.up.push(typeof data === "string" ? data : decode(data));
    send(data);
  };
  channel.addEventListener("message", ({ data }) => void texts.down.push(decode(data)));
  return texts;
}

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
