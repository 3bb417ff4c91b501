/**
 * @file noise.h
 * @brief The Noise Protocol Framework, revision 34: the handshakes that docs/security-protocol.md names.
 *
 * All have two messages: the initiator writes the first and reads the second. X25519, ChaCha20-Poly1305,
 * BLAKE2b. A state is used by one thread. Needs libsodium: enetjs_sodium() is not NULL.
 */
#ifndef ENETJS_NOISE_H
#define ENETJS_NOISE_H

#include <stdbool.h>

#include "wire/security/sodium.h"

enum enetjs_noise_pattern { ENETJS_NOISE_NK, ENETJS_NOISE_NKPSK0, ENETJS_NOISE_IK, ENETJS_NOISE_PATTERNS };

#define ENETJS_NOISE_PAYLOAD 1152 /**< bytes of a payload, at most */

struct enetjs_key_pair {
  uint8_t secret[ENETJS_KEY_BYTES], public[ENETJS_KEY_BYTES];
};

/** What is known before the first message; copied. */
struct enetjs_noise_keys {
  enum enetjs_noise_pattern pattern;
  const struct enetjs_key_pair *own; /**< of the responder, and of the initiator of IK; else NULL */
  const uint8_t *remote;             /**< the responder's public key, for the initiator */
  const uint8_t *psk;                /**< for NKPSK0 */
  const uint8_t *prologue;
  size_t prologue_bytes;
};

struct enetjs_noise {
  uint8_t chaining[ENETJS_HASH_BYTES], hash[ENETJS_HASH_BYTES], key[ENETJS_KEY_BYTES], psk[ENETJS_KEY_BYTES];
  uint64_t nonce;
  bool has_key, initiator;
  enum enetjs_noise_pattern pattern;
  struct enetjs_key_pair own, ephemeral;
  uint8_t remote[ENETJS_KEY_BYTES], remote_ephemeral[ENETJS_KEY_BYTES];
};

/** Derives the public key of a secret one. */
void enetjs_key_pair_of(struct enetjs_key_pair *pair, const uint8_t secret[ENETJS_KEY_BYTES]);

/** Begins a handshake with a new ephemeral key from the operating system. */
void enetjs_noise_begin(struct enetjs_noise *noise, bool initiator, const struct enetjs_noise_keys *keys);

/** @returns bytes that a message has beside its payload */
size_t enetjs_noise_overhead(enum enetjs_noise_pattern pattern, bool first);

/** Writes this side's message. @returns its length, or 0 when a Diffie-Hellman result is all zero */
size_t enetjs_noise_write(struct enetjs_noise *noise, const uint8_t *payload, size_t length,
                          uint8_t *message);

/**
 * Reads the other side's message. @param payload has room for its length less the overhead
 * @returns false when it is not authentic; a state is of no use then, but for a copy of an earlier one
 */
bool enetjs_noise_read(struct enetjs_noise *noise, const uint8_t *message, size_t length, uint8_t *payload);

/**
 * After both messages: the key of the initiator's datagrams, and the key of the responder's. Wipes the state.
 */
void enetjs_noise_split(struct enetjs_noise *noise, uint8_t initiators[ENETJS_KEY_BYTES],
                        uint8_t responders[ENETJS_KEY_BYTES]);

/** Noise's REKEY, in place, of a key of the cipher. */
void enetjs_noise_rekey(const struct enetjs_cipher *cipher, uint8_t key[ENETJS_KEY_BYTES]);

/** Forgets all keys. */
void enetjs_noise_wipe(struct enetjs_noise *noise);

#endif
