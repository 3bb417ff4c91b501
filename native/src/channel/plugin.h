/**
 * @file plugin.h
 * @brief Loads the library of a plugin, and tells why it cannot be loaded. Called by the thread of the
 * channel.
 */
#ifndef ENETJS_CHANNEL_PLUGIN_H
#define ENETJS_CHANNEL_PLUGIN_H

#include <stddef.h>

#include "enetjs_plugin.h"

struct enetjs_channel_plugin {
  void *library; /**< the system's handle, or NULL */
  const struct enetjs_plugin *functions;
};

/** Room for what a plugin is called, with the zero behind it. */
#define ENETJS_CHANNEL_PLUGIN_TEXT 128

/** Copies the name (0) or version (1) of a loaded plugin: empty where it gives none. */
void enetjs_channel_plugin_text(const struct enetjs_channel_plugin *plugin, int which,
                                char text[ENETJS_CHANNEL_PLUGIN_TEXT]);

/**
 * Loads a plugin.
 * @param path UTF-8
 * @param reason receives what there is to say of an error beyond its code
 * @returns 0, or ENETJS_ERR_PLUGIN_… with nothing loaded
 */
int enetjs_channel_plugin_load(struct enetjs_channel_plugin *plugin, const char *path, char *reason,
                               size_t size);

/** Unloads a plugin, none of whose code may be running. */
void enetjs_channel_plugin_unload(struct enetjs_channel_plugin *plugin);

#endif
