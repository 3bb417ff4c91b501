/**
 * @file bytes.h
 * @brief Numbers of the security protocol in network byte order.
 */
#ifndef ENETJS_SECURITY_BYTES_H
#define ENETJS_SECURITY_BYTES_H

#include <stdint.h>

static inline void enetjs_put_u32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static inline void enetjs_put_u64(uint8_t *at, uint64_t value) {
  enetjs_put_u32(at, (uint32_t)(value >> 32));
  enetjs_put_u32(at + 4, (uint32_t)value);
}

static inline uint16_t enetjs_get_u16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static inline uint32_t enetjs_get_u32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t enetjs_get_u64(const uint8_t *at) {
  return (uint64_t)enetjs_get_u32(at) << 32 | enetjs_get_u32(at + 4);
}

#endif
