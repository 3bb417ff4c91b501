/**
 * @file seal.h
 * @brief DATA and CONTROL of a session: keys, counters, new keys and replays; see docs/security-protocol.md.
 *
 * One side of a session seals with one struct and opens with another. Functions are told the time, in
 * microseconds of a clock that is never set. Call with the host's lock held.
 */
#ifndef ENETJS_SEAL_H
#define ENETJS_SEAL_H

#include <stdbool.h>

#include "wire/security/replay.h"
#include "wire/security/sodium.h"

#define ENETJS_SEAL_HEADER_BYTES 13
#define ENETJS_SEAL_OVERHEAD (ENETJS_SEAL_HEADER_BYTES + ENETJS_TAG_BYTES)

struct enetjs_sealing {
  const struct enetjs_cipher *cipher;
  uint8_t key[ENETJS_KEY_BYTES];
  uint32_t index;      /**< of the receiver */
  unsigned epoch;      /**< modulo 16 */
  uint64_t next;       /**< number of the next datagram */
  uint64_t first;      /**< that of the first one of the epoch */
  uint64_t changed_us; /**< when the epoch began */
};

struct enetjs_opening {
  const struct enetjs_cipher *cipher;
  uint8_t key[ENETJS_KEY_BYTES], following[ENETJS_KEY_BYTES], previous[ENETJS_KEY_BYTES];
  unsigned epoch;    /**< of the newest authentic datagram, modulo 16 */
  bool has_previous; /**< `previous` is a key */
  uint64_t changed_us, heard_us;
  struct enetjs_replay replay;
};

void enetjs_sealing_begin(struct enetjs_sealing *sealing, const struct enetjs_cipher *cipher,
                          const uint8_t key[ENETJS_KEY_BYTES], uint32_t index, uint64_t now_us);
void enetjs_opening_begin(struct enetjs_opening *opening, const struct enetjs_cipher *cipher,
                          const uint8_t key[ENETJS_KEY_BYTES], uint64_t now_us);

/**
 * Seals a datagram.
 * @param out has room for ENETJS_SEAL_OVERHEAD bytes more than `plain`, and does not overlap it
 * @returns its length, or 0 when all numbers are used up
 */
size_t enetjs_seal(struct enetjs_sealing *sealing, uint8_t type, const uint8_t *plain, size_t length,
                   uint8_t *out, uint64_t now_us);

enum enetjs_open_verdict {
  ENETJS_OPEN_AUTHENTIC,
  ENETJS_OPEN_NEWER,    /**< authentic, and its number is higher than all before */
  ENETJS_OPEN_REPLAYED, /**< its number was seen, or is too old */
  ENETJS_OPEN_FORGED    /**< not authentic, or of an epoch that it cannot be of */
};

/** Opens a datagram of at least ENETJS_SEAL_OVERHEAD bytes. @param plain does not overlap it */
enum enetjs_open_verdict enetjs_open(struct enetjs_opening *opening, const uint8_t *datagram, size_t length,
                                     uint8_t *plain, uint64_t now_us);

#endif
