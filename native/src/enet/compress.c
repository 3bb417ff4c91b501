/*
 * ENet's range coder, without empty buffers in its input. An empty message gives one. The range coder
 * (compress.c of ENet) then reads a byte behind the buffer: it crashes, or the datagram cannot be
 * decompressed. So empty buffers are left out here. Called with the host's lock held.
 */
#include "enet/compress.h"

#include <string.h>

static size_t ENET_CALLBACK compress(void *context, const ENetBuffer *buffers, size_t count, size_t in_limit,
                                     enet_uint8 *out, size_t out_limit) {
  ENetBuffer filled[ENET_BUFFER_MAXIMUM];
  size_t kept = 0;
  for (size_t i = 0; i < count && kept < ENET_BUFFER_MAXIMUM; i++)
    if (buffers[i].dataLength > 0) filled[kept++] = buffers[i];
  return enet_range_coder_compress(context, filled, kept, in_limit, out, out_limit);
}

bool enetjs_compress_with_range_coder(ENetHost *enet) {
  ENetCompressor compressor;
  memset(&compressor, 0, sizeof(compressor));
  compressor.context = enet_range_coder_create();
  if (!compressor.context) return false;
  compressor.compress = compress;
  compressor.decompress = enet_range_coder_decompress;
  compressor.destroy = enet_range_coder_destroy;
  enet_host_compress(enet, &compressor);
  return true;
}
