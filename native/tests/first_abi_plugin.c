/* A plugin built for the first version of the header, whose struct ended before a plugin had a name. */
#include "enetjs_plugin.h"

struct first_plugin {
  uint32_t abi_version, update_interval_ms;
  int (*initialize)(const struct enetjs_plugin_library *library, enetjs_plugin_channel *channel,
                    const uint8_t *configuration, size_t length, void **state);
  void (*shutdown)(void *state);
  void (*process_message)(void *state, const uint8_t *data, size_t length);
  void (*update)(void *state);
};

static int initialize(const struct enetjs_plugin_library *library, enetjs_plugin_channel *channel,
                      const uint8_t *configuration, size_t length, void **state) {
  (void)library, (void)channel, (void)configuration, (void)length, (void)state;
  return 0;
}

static void process_message(void *state, const uint8_t *data, size_t length) {
  (void)state, (void)data, (void)length;
}

/* What lies behind it is no text. */
static const struct {
  struct first_plugin plugin;
  uintptr_t behind[2];
} all = {{.abi_version = 1, .initialize = initialize, .process_message = process_message}, {1, 1}};

const struct enetjs_plugin *enetjs_plugin_interface(void) { return (const void *)&all.plugin; }
