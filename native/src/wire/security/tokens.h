/**
 * @file tokens.h
 * @brief Connect tokens: reading them, verifying them, and remembering which were used; see docs/security-
 * protocol.md.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_TOKENS_H
#define ENETJS_TOKENS_H

#include <stdbool.h>

#include "enetjs_layout.h"
#include "wire/security/sodium.h"

#define ENETJS_TOKEN_BYTES 768 /**< at most */
#define ENETJS_TOKEN_ID_BYTES 16
#define ENETJS_TOKENS_REMEMBERED 65536 /**< a power of two */

struct enetjs_token_use {
  uint8_t id[ENETJS_TOKEN_ID_BYTES];
  uint64_t expiry_ms; /**< of the wall clock; 0: a free place */
};

/** A server's issuers, and the tokens that were used there. */
struct enetjs_tokens {
  unsigned issuer_count;
  uint8_t issuers[ENETJS_SECURITY_MAXIMUM_ISSUERS][ENETJS_KEY_BYTES];
  uint8_t server[ENETJS_KEY_BYTES]; /**< the server's public key */
  uint64_t seed;                    /**< where a token's place is, a stranger cannot foresee */
  uint32_t used;
  uint64_t renewed_ms;
  uint64_t forgotten_ms; /**< the latest expiry of what was forgotten: the wall clock may be set back */
  struct enetjs_token_use *uses; /**< twice ENETJS_TOKENS_REMEMBERED places, or NULL before the first use */
};

/** @returns ENETJS_TOKEN_…: accepted, or why it is not */
unsigned enetjs_token_check(struct enetjs_tokens *tokens, const uint8_t *token, size_t length,
                            uint64_t wall_ms);

/**
 * Uses a token that enetjs_token_check has accepted. @returns false when it was used meanwhile, or there is
 * no room
 */
bool enetjs_token_use(struct enetjs_tokens *tokens, const uint8_t *token, uint64_t wall_ms);

void enetjs_tokens_clear(struct enetjs_tokens *tokens);

#endif
