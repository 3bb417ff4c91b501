/**
 * @file compress.h
 * @brief ENet's range coder, which here also takes empty messages. Call with the host's lock held.
 */
#ifndef ENETJS_COMPRESS_H
#define ENETJS_COMPRESS_H

#include <enet/enet.h>
#include <stdbool.h>

/** Has the host compress with the range coder. @returns false when there is no memory */
bool enetjs_compress_with_range_coder(ENetHost *enet);

#endif
