/*
 * A plugin that finds the edges in grey pictures. examples/image_filter.ts drives it, and README.md in
 * this folder explains it.
 *
 * A message is a picture: width and height as 32-bit numbers, then one byte for each pixel. The answer
 * has the same form.
 */
#include <stdlib.h>
#include <string.h>

#include "enetjs_plugin.h"

#define HEADER_BYTES 8

/* Each channel has one of these, so that several can use the plugin at once. */
struct filter {
  const struct enetjs_plugin_library *library;
  enetjs_plugin_channel *channel;
  int strength; /* per cent */
};

static int initialize(const struct enetjs_plugin_library *library, enetjs_plugin_channel *channel,
                      const uint8_t *configuration, size_t length, void **state) {
  char text[16] = "100";
  struct filter *filter = malloc(sizeof(*filter));
  if (!filter) return 1;
  if (length > 0 && length < sizeof(text)) {
    memcpy(text, configuration, length);
    text[length] = '\0';
  }
  filter->library = library;
  filter->channel = channel;
  filter->strength = atoi(text);
  if (filter->strength < 1) {
    library->explain(channel, "the strength must be a number from 1");
    free(filter);
    return 2;
  }
  *state = filter;
  return 0;
}

static void shutdown(void *state) { free(state); }

/* How much the pixels around one differ, across and down: the Sobel operator. */
static uint8_t edge_at(const uint8_t *pixel, size_t width, int strength) {
  const uint8_t *above = pixel - width, *below = pixel + width;
  int across = above[1] + 2 * pixel[1] + below[1] - above[-1] - 2 * pixel[-1] - below[-1];
  int down = below[-1] + 2 * below[0] + below[1] - above[-1] - 2 * above[0] - above[1];
  int edge = (abs(across) + abs(down)) * strength / 400;
  return (uint8_t)(edge > 255 ? 255 : edge);
}

static void find_edges(const uint8_t *in, uint8_t *out, size_t width, size_t height, int strength) {
  memset(out, 0, width * height);
  for (size_t y = 1; y + 1 < height; y++)
    for (size_t x = 1; x + 1 < width; x++) out[y * width + x] = edge_at(&in[y * width + x], width, strength);
}

static void process_message(void *state, const uint8_t *data, size_t length) {
  struct filter *filter = state;
  uint32_t size[2];
  uint8_t *out;
  if (length < HEADER_BYTES) return;
  memcpy(size, data, sizeof(size));
  if ((uint64_t)size[0] * size[1] != length - HEADER_BYTES) return;
  /* The answer is written where JavaScript will read it. */
  if (filter->library->reserve(filter->channel, length, -1, &out) != ENETJS_PLUGIN_OK) return;
  memcpy(out, data, HEADER_BYTES);
  find_edges(data + HEADER_BYTES, out + HEADER_BYTES, size[0], size[1], filter->strength);
  filter->library->commit(filter->channel, (int64_t)length);
}

static const struct enetjs_plugin plugin = {
    .abi_version = ENETJS_PLUGIN_ABI_VERSION,
    .initialize = initialize,
    .shutdown = shutdown,
    .process_message = process_message,
    .name = "image filter",
    .version = "1.0.0",
};

const struct enetjs_plugin *enetjs_plugin_interface(void) { return &plugin; }
