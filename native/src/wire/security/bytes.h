/**
 * @file bytes.h
 * @brief Numbers of the security protocol as bytes: in network byte order, but for nonces.
 */
#ifndef ENETJS_SECURITY_BYTES_H
#define ENETJS_SECURITY_BYTES_H

#include <stdint.h>
#include <string.h>

#include "wire/security/sodium.h"

static inline void enetjs_put_u32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static inline void enetjs_put_u64(uint8_t *at, uint64_t value) {
  enetjs_put_u32(at, (uint32_t)(value >> 32));
  enetjs_put_u32(at + 4, (uint32_t)value);
}

/** Four zero bytes and the number in the cipher's order, as Noise has it. */
static inline void enetjs_put_nonce(const struct enetjs_cipher *cipher, uint8_t nonce[ENETJS_NONCE_BYTES],
                                    uint64_t number) {
  memset(nonce, 0, ENETJS_NONCE_BYTES);
  if (cipher->big_endian)
    enetjs_put_u64(nonce + 4, number);
  else
    for (unsigned i = 0; i < 8; i++) nonce[4 + i] = (uint8_t)(number >> 8 * i);
}

static inline uint16_t enetjs_get_u16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static inline uint32_t enetjs_get_u32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t enetjs_get_u64(const uint8_t *at) {
  return (uint64_t)enetjs_get_u32(at) << 32 | enetjs_get_u32(at + 4);
}

#endif
