/**
 * @file channel.h
 * @brief What channels tell the rest of the library: how many there are.
 */
#ifndef ENETJS_CHANNEL_H
#define ENETJS_CHANNEL_H

#include <stdatomic.h>

extern atomic_uint enetjs_live_channels, enetjs_live_plugins;
extern atomic_size_t enetjs_channel_bytes;

#endif
