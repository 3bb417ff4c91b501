/*
 * See noise.h. The functions have the names of the specification: https://noiseprotocol.org/noise.html,
 * revision 34.
 *
 * A handshake is a list of tokens for each message. The initiator's and the responder's code is the same: a
 * token says which two keys meet, and `initiator` which of them is ours.
 */
#include "wire/security/noise.h"

#include <string.h>

#include "base/random.h"
#include "wire/security/bytes.h"

#define BLOCK_BYTES 128 /* of BLAKE2b, for HMAC */

enum token { END, E, S, EE, ES, SE, SS, PSK };

static const struct pattern {
  const char *name;
  enum token messages[2][6];
} patterns[ENETJS_NOISE_PATTERNS] = {
    {"Noise_NK_25519_ChaChaPoly_BLAKE2b", {{E, ES, END}, {E, EE, END}}},
    {"Noise_NKpsk0_25519_ChaChaPoly_BLAKE2b", {{PSK, E, ES, END}, {E, EE, END}}},
    {"Noise_IK_25519_ChaChaPoly_BLAKE2b", {{E, ES, S, SS, END}, {E, EE, SE, END}}},
};

/* ---- Hashes ---------------------------------------------------------------------------------- */

static void hash(uint8_t out[ENETJS_HASH_BYTES], const uint8_t *in, size_t length) {
  enetjs_sodium()->blake2b(out, ENETJS_HASH_BYTES, in, length, NULL, 0);
}

/* Both at most as long as a block. */
static void hmac(uint8_t out[ENETJS_HASH_BYTES], const uint8_t *key, const uint8_t *in, size_t length) {
  uint8_t inner[2 * BLOCK_BYTES], outer[BLOCK_BYTES + ENETJS_HASH_BYTES];
  memset(inner, 0x36, BLOCK_BYTES);
  memset(outer, 0x5C, BLOCK_BYTES);
  for (size_t i = 0; i < ENETJS_HASH_BYTES; i++) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  if (length > 0) memcpy(inner + BLOCK_BYTES, in, length);
  hash(outer + BLOCK_BYTES, inner, BLOCK_BYTES + length);
  hash(out, outer, sizeof(outer));
  enetjs_sodium()->memzero(inner, sizeof(inner));
  enetjs_sodium()->memzero(outer, sizeof(outer));
}

static void hkdf(const uint8_t *chaining, const uint8_t *input, size_t length,
                 uint8_t out[][ENETJS_HASH_BYTES], unsigned count) {
  uint8_t temporary[ENETJS_HASH_BYTES], block[ENETJS_HASH_BYTES + 1];
  hmac(temporary, chaining, input, length);
  for (unsigned i = 0; i < count; i++) {
    size_t before = i > 0 ? ENETJS_HASH_BYTES : 0;
    if (i > 0) memcpy(block, out[i - 1], before);
    block[before] = (uint8_t)(i + 1);
    hmac(out[i], temporary, block, before + 1);
  }
  enetjs_sodium()->memzero(temporary, sizeof(temporary));
  enetjs_sodium()->memzero(block, sizeof(block));
}

/* ---- The symmetric state --------------------------------------------------------------------- */

static void mix_hash(struct enetjs_noise *noise, const uint8_t *data, size_t length) {
  uint8_t in[ENETJS_HASH_BYTES + ENETJS_NOISE_PAYLOAD + ENETJS_TAG_BYTES];
  memcpy(in, noise->hash, ENETJS_HASH_BYTES);
  if (length > 0) memcpy(in + ENETJS_HASH_BYTES, data, length);
  hash(noise->hash, in, ENETJS_HASH_BYTES + length);
}

static void set_key(struct enetjs_noise *noise, const uint8_t *key) {
  memcpy(noise->key, key, ENETJS_KEY_BYTES);
  noise->has_key = true;
  noise->nonce = 0;
}

static void mix_key(struct enetjs_noise *noise, const uint8_t *input, size_t length) {
  uint8_t out[2][ENETJS_HASH_BYTES];
  hkdf(noise->chaining, input, length, out, 2);
  memcpy(noise->chaining, out[0], ENETJS_HASH_BYTES);
  set_key(noise, out[1]);
  enetjs_sodium()->memzero(out, sizeof(out));
}

static void mix_key_and_hash(struct enetjs_noise *noise, const uint8_t *input) {
  uint8_t out[3][ENETJS_HASH_BYTES];
  hkdf(noise->chaining, input, ENETJS_KEY_BYTES, out, 3);
  memcpy(noise->chaining, out[0], ENETJS_HASH_BYTES);
  mix_hash(noise, out[1], ENETJS_HASH_BYTES);
  set_key(noise, out[2]);
  enetjs_sodium()->memzero(out, sizeof(out));
}

/* @returns bytes of the ciphertext; without a key, the plaintext */
static size_t encrypt_and_hash(struct enetjs_noise *noise, const uint8_t *plain, size_t length,
                               uint8_t *out) {
  uint8_t nonce[ENETJS_NONCE_BYTES];
  unsigned long long written = length;
  if (noise->has_key) {
    const struct enetjs_cipher *cipher = &enetjs_sodium()->chacha;
    enetjs_put_nonce(cipher, nonce, noise->nonce++);
    cipher->encrypt(out, &written, plain, length, noise->hash, ENETJS_HASH_BYTES, NULL, nonce, noise->key);
  } else if (length > 0) {
    memcpy(out, plain, length);
  }
  mix_hash(noise, out, (size_t)written);
  return (size_t)written;
}

static bool decrypt_and_hash(struct enetjs_noise *noise, const uint8_t *in, size_t length, uint8_t *plain) {
  uint8_t nonce[ENETJS_NONCE_BYTES];
  if (noise->has_key) {
    const struct enetjs_cipher *cipher = &enetjs_sodium()->chacha;
    enetjs_put_nonce(cipher, nonce, noise->nonce++);
    if (cipher->decrypt(plain, NULL, NULL, in, length, noise->hash, ENETJS_HASH_BYTES, nonce, noise->key) !=
        0)
      return false;
  } else if (length > 0) {
    memcpy(plain, in, length);
  }
  mix_hash(noise, in, length);
  return true;
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

/* The first letter of a token is the initiator's key, the second the responder's. */
static bool mix_shared(struct enetjs_noise *noise, enum token token) {
  bool own_static = noise->initiator ? token == SE || token == SS : token == ES || token == SS;
  bool remote_static = noise->initiator ? token == ES || token == SS : token == SE || token == SS;
  const uint8_t *secret = own_static ? noise->own.secret : noise->ephemeral.secret;
  const uint8_t *public = remote_static ? noise->remote : noise->remote_ephemeral;
  uint8_t shared[ENETJS_KEY_BYTES];
  bool good = enetjs_sodium()->scalarmult(shared, secret, public) == 0;
  if (good) mix_key(noise, shared, sizeof(shared));
  enetjs_sodium()->memzero(shared, sizeof(shared));
  return good;
}

/* Mixes in an ephemeral key, as it stands in the message. */
static void mix_ephemeral(struct enetjs_noise *noise, const uint8_t *public) {
  mix_hash(noise, public, ENETJS_KEY_BYTES);
  if (noise->pattern == ENETJS_NOISE_NKPSK0) mix_key(noise, public, ENETJS_KEY_BYTES);
}

static const enum token *tokens_of(const struct enetjs_noise *noise, bool writes) {
  return patterns[noise->pattern].messages[noise->initiator == writes ? 0 : 1];
}

size_t enetjs_noise_overhead(enum enetjs_noise_pattern pattern, bool first) {
  size_t bytes = ENETJS_KEY_BYTES + ENETJS_TAG_BYTES;
  return first && pattern == ENETJS_NOISE_IK ? bytes + ENETJS_KEY_BYTES + ENETJS_TAG_BYTES : bytes;
}

size_t enetjs_noise_write(struct enetjs_noise *noise, const uint8_t *payload, size_t length,
                          uint8_t *message) {
  uint8_t *at = message;
  for (const enum token *token = tokens_of(noise, true); *token != END; token++) {
    if (*token == E) {
      memcpy(at, noise->ephemeral.public, ENETJS_KEY_BYTES);
      mix_ephemeral(noise, at);
      at += ENETJS_KEY_BYTES;
    } else if (*token == S) {
      at += encrypt_and_hash(noise, noise->own.public, ENETJS_KEY_BYTES, at);
    } else if (*token == PSK) {
      mix_key_and_hash(noise, noise->psk);
    } else if (!mix_shared(noise, *token)) {
      return 0;
    }
  }
  at += encrypt_and_hash(noise, payload, length, at);
  return (size_t)(at - message);
}

bool enetjs_noise_read(struct enetjs_noise *noise, const uint8_t *message, size_t length, uint8_t *payload) {
  size_t overhead = enetjs_noise_overhead(noise->pattern, !noise->initiator);
  const uint8_t *at = message;
  if (length < overhead || length - overhead > ENETJS_NOISE_PAYLOAD) return false;
  for (const enum token *token = tokens_of(noise, false); *token != END; token++) {
    if (*token == E) {
      memcpy(noise->remote_ephemeral, at, ENETJS_KEY_BYTES);
      mix_ephemeral(noise, at);
      at += ENETJS_KEY_BYTES;
    } else if (*token == S) {
      if (!decrypt_and_hash(noise, at, ENETJS_KEY_BYTES + ENETJS_TAG_BYTES, noise->remote)) return false;
      at += ENETJS_KEY_BYTES + ENETJS_TAG_BYTES;
    } else if (*token == PSK) {
      mix_key_and_hash(noise, noise->psk);
    } else if (!mix_shared(noise, *token)) {
      return false;
    }
  }
  return decrypt_and_hash(noise, at, length - (size_t)(at - message), payload);
}

/* ---- Begin and end --------------------------------------------------------------------------- */

void enetjs_key_pair_of(struct enetjs_key_pair *pair, const uint8_t secret[ENETJS_KEY_BYTES]) {
  memmove(pair->secret, secret, ENETJS_KEY_BYTES);
  enetjs_sodium()->scalarmult_base(pair->public, pair->secret);
}

static void draw_ephemeral(struct enetjs_noise *noise) {
  enetjs_random(noise->ephemeral.secret, ENETJS_KEY_BYTES);
  enetjs_key_pair_of(&noise->ephemeral, noise->ephemeral.secret);
}

void enetjs_noise_begin(struct enetjs_noise *noise, bool initiator, const struct enetjs_noise_keys *keys) {
  const char *name = patterns[keys->pattern].name;
  size_t length = strlen(name);
  memset(noise, 0, sizeof(*noise));
  noise->initiator = initiator;
  noise->pattern = keys->pattern;
  if (keys->own) noise->own = *keys->own;
  if (keys->remote) memcpy(noise->remote, keys->remote, ENETJS_KEY_BYTES);
  if (keys->psk) memcpy(noise->psk, keys->psk, ENETJS_KEY_BYTES);
  memcpy(noise->hash, name, length); /* all names are shorter than a hash: the rest is zero */
  memcpy(noise->chaining, noise->hash, ENETJS_HASH_BYTES);
  mix_hash(noise, keys->prologue, keys->prologue_bytes);
  mix_hash(noise, initiator ? noise->remote : noise->own.public, ENETJS_KEY_BYTES); /* <- s */
  draw_ephemeral(noise);
}

void enetjs_noise_split(struct enetjs_noise *noise, uint8_t initiators[ENETJS_KEY_BYTES],
                        uint8_t responders[ENETJS_KEY_BYTES]) {
  uint8_t out[2][ENETJS_HASH_BYTES];
  hkdf(noise->chaining, NULL, 0, out, 2);
  memcpy(initiators, out[0], ENETJS_KEY_BYTES);
  memcpy(responders, out[1], ENETJS_KEY_BYTES);
  enetjs_sodium()->memzero(out, sizeof(out));
  enetjs_noise_wipe(noise);
}

void enetjs_noise_rekey(const struct enetjs_cipher *cipher, uint8_t key[ENETJS_KEY_BYTES]) {
  static const uint8_t zeros[ENETJS_KEY_BYTES];
  uint8_t nonce[ENETJS_NONCE_BYTES], out[ENETJS_KEY_BYTES + ENETJS_TAG_BYTES];
  unsigned long long length;
  enetjs_put_nonce(cipher, nonce, UINT64_MAX);
  cipher->encrypt(out, &length, zeros, sizeof(zeros), NULL, 0, NULL, nonce, key);
  memcpy(key, out, ENETJS_KEY_BYTES);
  enetjs_sodium()->memzero(out, sizeof(out));
}

void enetjs_noise_wipe(struct enetjs_noise *noise) { enetjs_sodium()->memzero(noise, sizeof(*noise)); }
