/**
 * A picture through a plugin in C: draws one, has its edges found, and shows both in the terminal.
 *
 *     deno run --allow-ffi examples/image_filter.ts
 *     bun examples/image_filter.ts
 *     node examples/image_filter.ts
 *
 * The plugin is `plugin/image_filter.c`, which the task `build` compiles; `plugin/README.md` tells how to
 * write one. The pixels are written where the plugin reads them, and read where it has written them.
 */
import process from "node:process";
import { Channel } from "@enetjs/enet/channel";

const ending = process.platform === "win32" ? "dll" : "so";
const plugin = new URL(`../native/build/image_filter.${ending}`, import.meta.url);
const WIDTH = 68;
const HEIGHT = 60;
const HEADER_BYTES = 8;

/** A moon with craters, lit from the left. */
function brightness(x: number, y: number): number {
  const distance = Math.hypot(x, y);
  if (distance > 1) return 0;
  const z = Math.sqrt(1 - distance * distance);
  const light = Math.max(0, -0.6 * x - 0.4 * y + 0.7 * z);
  const craters = [[-0.3, -0.2, 0.25], [0.2, 0.35, 0.2], [0.35, -0.35, 0.15]];
  const inCrater = craters.some(([cx, cy, radius]) => Math.hypot(x - cx, y - cy) < radius);
  return 255 * light * (inCrater ? 0.6 : 1);
}

function draw(picture: Uint8Array): void {
  const size = new DataView(picture.buffer, picture.byteOffset, HEADER_BYTES);
  size.setUint32(0, WIDTH, true);
  size.setUint32(4, HEIGHT, true);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const pixel = brightness(2.2 * x / WIDTH - 1.1, 2.2 * y / HEIGHT - 1.1);
      picture[HEADER_BYTES + y * WIDTH + x] = pixel;
    }
  }
}

/** Two rows of pixels make one line of text. */
function show(title: string, picture: Uint8Array): void {
  const SHADES = " .:-=+*#%@";
  console.log(`${title}:`);
  for (let y = 0; y < HEIGHT; y += 2) {
    const row = picture.subarray(HEADER_BYTES + y * WIDTH, HEADER_BYTES + (y + 1) * WIDTH);
    console.log(Array.from(row, (pixel) => SHADES[pixel * SHADES.length >> 8]).join("").trimEnd());
  }
}

const bytes = HEADER_BYTES + WIDTH * HEIGHT;
await using filter = await Channel.loadPlugin(plugin, {
  sendBytes: bytes,
  receiveBytes: bytes,
  configuration: "250", // per cent
});

const picture = filter.reserve(bytes);
draw(picture);
show("what goes to the plugin", picture);
filter.commit();

for await (const edges of filter) {
  show("what comes back", edges);
  break;
}
