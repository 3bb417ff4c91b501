/**
 * @file channel.h
 * @brief Counts of channels, plugins and their memory, for enetjs_diagnostics. Any thread may read them.
 */
#ifndef ENETJS_CHANNEL_H
#define ENETJS_CHANNEL_H

#include <stdatomic.h>

extern atomic_uint enetjs_live_channels, enetjs_live_plugins;
extern atomic_size_t enetjs_channel_bytes;

#endif
