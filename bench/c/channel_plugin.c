/*
 * The other end of bench/channel.ts as a plugin. A message of 12 bytes is a command: what to do (1 take, 2
 * send, 3 echo), with how many messages, of what size. Taking ends with an answer of one byte.
 */
#include <stdlib.h>
#include <string.h>

#include "enetjs_plugin.h"

enum { TAKE = 1, SEND, ECHO };

struct bench {
  const struct enetjs_plugin_library *library;
  enetjs_plugin_channel *channel;
  uint32_t command[3]; /* what, how many are left, size */
};

static int initialize(const struct enetjs_plugin_library *library, enetjs_plugin_channel *channel,
                      const uint8_t *configuration, size_t length, void **state) {
  struct bench *bench = calloc(1, sizeof(*bench));
  (void)configuration;
  (void)length;
  if (!bench) return 1;
  bench->library = library;
  bench->channel = channel;
  *state = bench;
  return 0;
}

static void shutdown(void *state) { free(state); }

static void send_all(struct bench *b) {
  uint8_t *data;
  for (; b->command[1] > 0; b->command[1]--) {
    if (b->library->reserve(b->channel, b->command[2], -1, &data) != ENETJS_PLUGIN_OK) return;
    memset(data, 1, b->command[2]);
    b->library->commit(b->channel, b->command[2]);
  }
}

static void process_message(void *state, const uint8_t *data, size_t length) {
  struct bench *b = state;
  if (b->command[1] == 0) {
    memcpy(b->command, data, sizeof(b->command));
    if (b->command[0] == SEND) send_all(b);
    return;
  }
  b->command[1]--;
  if (b->command[0] == ECHO) b->library->send(b->channel, data, length, -1);
  if (b->command[0] == TAKE && b->command[1] == 0) b->library->send(b->channel, "!", 1, -1);
}

static const struct enetjs_plugin plugin = {
    .abi_version = ENETJS_PLUGIN_ABI_VERSION,
    .initialize = initialize,
    .shutdown = shutdown,
    .process_message = process_message,
};

const struct enetjs_plugin *enetjs_plugin_interface(void) { return &plugin; }
