/*
 * See tokens.h. Used tokens are in a hash table with linear probing. A place whose token has expired is as
 * good as free, but a search goes on behind it. When half of the places are taken, the table is made anew
 * without what has expired, once a second at most; a table that is still as full takes no more tokens.
 */
#include "wire/security/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "wire/security/bytes.h"

#define CONTEXT "enetjs connect token 1" /* and its zero byte */
#define VERSION 1
#define ISSUER 1
#define EXPIRY 33
#define ID 41
#define KIND 57
#define CLIENT_LENGTH 58
#define CLIENT 59
#define KIND_NUMBER 0
#define KIND_TEXT 1
#define TEXT_MAXIMUM 128
#define SERVERS_MAXIMUM 8
#define USER_DATA_MAXIMUM 256
#define EXPIRY_MAXIMUM (((uint64_t)1 << 53) - 1)
#define RENEWAL_MS 1000
#define PLACES (ENETJS_TOKENS_REMEMBERED * 2)

/* ---- Reading --------------------------------------------------------------------------------- */

/* As RFC 3629 has it: no surrogates, nothing longer than it need be. */
static bool is_utf8(const uint8_t *at, size_t length) {
  const uint8_t *end = at + length;
  while (at < end) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    unsigned more = *at < 0x80 ? 0 : *at >> 5 == 6 ? 1 : *at >> 4 == 14 ? 2 : *at >> 3 == 30 ? 3 : 4;
    uint32_t point;
    if (more == 4 || (size_t)(end - at) <= more) return false;
    point = more == 0 ? *at : *at & (0x3Fu >> more);
    for (unsigned i = 1; i <= more; i++) {
      if (at[i] >> 6 != 2) return false;
      point = point << 6 | (at[i] & 0x3F);
    }
    if (point < least[more] || point > 0x10FFFF || (point >> 11 == 0x1B)) return false;
    at += more + 1;
  }
  return true;
}

struct parts {
  const uint8_t *servers;
  unsigned server_count;
};

/* @returns whether the format is right */
static bool parse(const uint8_t *token, size_t length, struct parts *parts) {
  size_t at, client, user_data;
  if (length < CLIENT || length > ENETJS_TOKEN_BYTES || token[0] != VERSION) return false;
  client = token[CLIENT_LENGTH];
  if (token[KIND] == KIND_NUMBER ? client != 8
                                 : token[KIND] != KIND_TEXT || client < 1 || client > TEXT_MAXIMUM)
    return false;
  at = CLIENT + client;
  if (length < at + 1 || token[at] > SERVERS_MAXIMUM) return false;
  if (token[KIND] == KIND_TEXT && !is_utf8(token + CLIENT, client)) return false;
  parts->server_count = token[at];
  parts->servers = token + at + 1;
  at += 1 + parts->server_count * (size_t)ENETJS_KEY_BYTES;
  if (length < at + 2) return false;
  user_data = enetjs_get_u16(token + at);
  at += 2 + user_data;
  return user_data <= USER_DATA_MAXIMUM && length == at + ENETJS_SIGNATURE_BYTES &&
         enetjs_get_u64(token + EXPIRY) <= EXPIRY_MAXIMUM;
}

static bool is_signed(const uint8_t *token, size_t length) {
  uint8_t in[sizeof(CONTEXT) + ENETJS_TOKEN_BYTES];
  size_t claims = length - ENETJS_SIGNATURE_BYTES;
  memcpy(in, CONTEXT, sizeof(CONTEXT));
  memcpy(in + sizeof(CONTEXT), token, claims);
  return enetjs_sodium()->verify(token + claims, in, sizeof(CONTEXT) + claims, token + ISSUER) == 0;
}

static bool is_issuer(const struct enetjs_tokens *tokens, const uint8_t *key) {
  for (unsigned i = 0; i < tokens->issuer_count; i++)
    if (memcmp(tokens->issuers[i], key, ENETJS_KEY_BYTES) == 0) return true;
  return false;
}

static bool is_for(const struct parts *parts, const uint8_t *server) {
  for (unsigned i = 0; i < parts->server_count; i++)
    if (memcmp(parts->servers + i * (size_t)ENETJS_KEY_BYTES, server, ENETJS_KEY_BYTES) == 0) return true;
  return parts->server_count == 0;
}

/* ---- Use ------------------------------------------------------------------------------------- */

/* Of the place of a token, or of the free place where it would be put. */
static struct enetjs_token_use *find(const struct enetjs_tokens *tokens, const uint8_t *id) {
  uint64_t hash = (enetjs_get_u64(id) ^ tokens->seed) * 0x9E3779B97F4A7C15u;
  size_t at;
  hash = (hash ^ hash >> 29 ^ enetjs_get_u64(id + 8)) * (tokens->seed | 1);
  for (at = (size_t)(hash >> 32) % PLACES;; at = (at + 1) % PLACES) {
    struct enetjs_token_use *use = &tokens->uses[at];
    if (use->expiry_ms == 0 || memcmp(use->id, id, ENETJS_TOKEN_ID_BYTES) == 0) return use;
  }
}

/* Makes the table, or makes it anew without what has expired. */
static void renew(struct enetjs_tokens *tokens, uint64_t wall_ms) {
  struct enetjs_token_use *before = tokens->uses;
  tokens->uses = calloc(PLACES, sizeof(*tokens->uses));
  if (!tokens->uses) {
    tokens->uses = before;
    return;
  }
  enetjs_random(&tokens->seed, sizeof(tokens->seed));
  tokens->used = 0;
  tokens->renewed_ms = wall_ms;
  for (size_t i = 0; before && i < PLACES; i++)
    if (before[i].expiry_ms > wall_ms) {
      *find(tokens, before[i].id) = before[i];
      tokens->used++;
    } else if (before[i].expiry_ms > tokens->forgotten_ms) {
      tokens->forgotten_ms = before[i].expiry_ms;
    }
  free(before);
}

static bool has_room(struct enetjs_tokens *tokens, uint64_t wall_ms) {
  bool full = tokens->used >= ENETJS_TOKENS_REMEMBERED;
  if (!tokens->uses || (full && wall_ms - tokens->renewed_ms >= RENEWAL_MS)) renew(tokens, wall_ms);
  return tokens->uses && tokens->used < ENETJS_TOKENS_REMEMBERED;
}

/* Whether a token has expired, or may have been used and forgotten. */
static bool is_over(const struct enetjs_tokens *tokens, const uint8_t *token, uint64_t wall_ms) {
  uint64_t expiry_ms = enetjs_get_u64(token + EXPIRY);
  return expiry_ms <= wall_ms || expiry_ms <= tokens->forgotten_ms;
}

static bool was_used(const struct enetjs_tokens *tokens, const uint8_t *id) {
  return tokens->uses && find(tokens, id)->expiry_ms != 0;
}

unsigned enetjs_token_check(struct enetjs_tokens *tokens, const uint8_t *token, size_t length,
                            uint64_t wall_ms) {
  struct parts parts;
  if (tokens->issuer_count == 0) return ENETJS_TOKEN_ACCEPTED;
  if (length == 0) return ENETJS_TOKEN_MISSING;
  if (!parse(token, length, &parts)) return ENETJS_TOKEN_MALFORMED;
  if (!is_issuer(tokens, token + ISSUER) || !is_signed(token, length)) return ENETJS_TOKEN_FOREIGN;
  if (is_over(tokens, token, wall_ms)) return ENETJS_TOKEN_EXPIRED;
  if (!is_for(&parts, tokens->server)) return ENETJS_TOKEN_OTHER_SERVER;
  if (was_used(tokens, token + ID)) return ENETJS_TOKEN_USED;
  return has_room(tokens, wall_ms) ? ENETJS_TOKEN_ACCEPTED : ENETJS_TOKEN_BUSY;
}

bool enetjs_token_use(struct enetjs_tokens *tokens, const uint8_t *token, uint64_t wall_ms) {
  struct enetjs_token_use *use;
  if (!has_room(tokens, wall_ms)) return false;
  use = find(tokens, token + ID);
  /* It may have expired since it was accepted, which is no reason yet. */
  if (use->expiry_ms != 0 || enetjs_get_u64(token + EXPIRY) <= tokens->forgotten_ms) return false;
  memcpy(use->id, token + ID, ENETJS_TOKEN_ID_BYTES);
  use->expiry_ms = enetjs_get_u64(token + EXPIRY);
  tokens->used++;
  return true;
}

void enetjs_tokens_clear(struct enetjs_tokens *tokens) {
  free(tokens->uses);
  memset(tokens, 0, sizeof(*tokens));
}
