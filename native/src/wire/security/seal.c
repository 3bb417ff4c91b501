/*
 * See seal.h. The next epoch's key is computed ahead, so that a forged epoch costs no more than a forged tag.
 */
#include "wire/security/seal.h"

#include <string.h>

#include "wire/security/bytes.h"
#include "wire/security/noise.h"

#define EPOCHS 16
#define NUMBER_BITS 60
#define NUMBER_LAST (((uint64_t)1 << NUMBER_BITS) - 2)
#define EPOCH_US 120000000u
#define EPOCH_DATAGRAMS \
  ((uint64_t)1 << 28)         /* of this length, AES-GCM bears no more: RFC 9001, appendix B.1 */
#define PREVIOUS_US 10000000u /* for how long datagrams of the epoch before are still opened */
#define SILENT_US 100000000u  /* nothing authentic for so long: whole epochs may have been lost */
#define AHEAD 7               /* epochs that may have been lost */

/* ---- Sealing --------------------------------------------------------------------------------- */

void enetjs_sealing_begin(struct enetjs_sealing *sealing, const struct enetjs_cipher *cipher,
                          const uint8_t key[ENETJS_KEY_BYTES], uint32_t index, uint64_t now_us) {
  memset(sealing, 0, sizeof(*sealing));
  sealing->cipher = cipher;
  memcpy(sealing->key, key, ENETJS_KEY_BYTES);
  sealing->index = index;
  sealing->changed_us = now_us;
}

static void change_key(struct enetjs_sealing *sealing, uint64_t now_us) {
  if (now_us - sealing->changed_us < EPOCH_US && sealing->next - sealing->first < EPOCH_DATAGRAMS) return;
  enetjs_noise_rekey(sealing->cipher, sealing->key);
  sealing->epoch = (sealing->epoch + 1) % EPOCHS;
  sealing->first = sealing->next;
  sealing->changed_us = now_us;
}

size_t enetjs_seal(struct enetjs_sealing *sealing, uint8_t type, const uint8_t *plain, size_t length,
                   uint8_t *out, uint64_t now_us) {
  uint8_t nonce[ENETJS_NONCE_BYTES];
  unsigned long long written;
  uint64_t counter;
  if (sealing->next > NUMBER_LAST) return 0;
  change_key(sealing, now_us);
  counter = (uint64_t)sealing->epoch << NUMBER_BITS | sealing->next++;
  out[0] = type;
  enetjs_put_u32(out + 1, sealing->index);
  enetjs_put_u64(out + 5, counter);
  enetjs_put_nonce(sealing->cipher, nonce, counter);
  sealing->cipher->encrypt(out + ENETJS_SEAL_HEADER_BYTES, &written, plain, length, out,
                           ENETJS_SEAL_HEADER_BYTES, NULL, nonce, sealing->key);
  return ENETJS_SEAL_HEADER_BYTES + (size_t)written;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void compute_following(struct enetjs_opening *opening) {
  memcpy(opening->following, opening->key, ENETJS_KEY_BYTES);
  enetjs_noise_rekey(opening->cipher, opening->following);
}

void enetjs_opening_begin(struct enetjs_opening *opening, const struct enetjs_cipher *cipher,
                          const uint8_t key[ENETJS_KEY_BYTES], uint64_t now_us) {
  memset(opening, 0, sizeof(*opening));
  opening->cipher = cipher;
  memcpy(opening->key, key, ENETJS_KEY_BYTES);
  opening->changed_us = opening->heard_us = now_us;
  compute_following(opening);
}

static bool decrypt(const struct enetjs_cipher *cipher, const uint8_t *key, const uint8_t *datagram,
                    size_t length, uint8_t *plain) {
  uint8_t nonce[ENETJS_NONCE_BYTES];
  enetjs_put_nonce(cipher, nonce, enetjs_get_u64(datagram + 5));
  return cipher->decrypt(plain, NULL, NULL, datagram + ENETJS_SEAL_HEADER_BYTES,
                         length - ENETJS_SEAL_HEADER_BYTES, datagram, ENETJS_SEAL_HEADER_BYTES, nonce,
                         key) == 0;
}

/* The sender has begun a later epoch. */
static void move_on(struct enetjs_opening *opening, unsigned steps, uint64_t now_us) {
  for (unsigned i = 0; i < steps; i++) {
    memcpy(opening->previous, opening->key, ENETJS_KEY_BYTES);
    memcpy(opening->key, opening->following, ENETJS_KEY_BYTES);
    compute_following(opening);
  }
  opening->epoch = (opening->epoch + steps) % EPOCHS;
  opening->has_previous = true;
  opening->changed_us = now_us;
}

static bool decrypt_ahead(struct enetjs_opening *opening, unsigned steps, const uint8_t *datagram,
                          size_t length, uint8_t *plain, uint64_t now_us) {
  uint8_t key[ENETJS_KEY_BYTES];
  bool authentic;
  if (steps > 1 && now_us - opening->heard_us < SILENT_US) return false;
  memcpy(key, opening->following, sizeof(key));
  for (unsigned i = 1; i < steps; i++) enetjs_noise_rekey(opening->cipher, key);
  authentic = decrypt(opening->cipher, key, datagram, length, plain);
  enetjs_sodium()->memzero(key, sizeof(key));
  if (authentic) move_on(opening, steps, now_us);
  return authentic;
}

static void forget_previous(struct enetjs_opening *opening, uint64_t now_us) {
  if (!opening->has_previous || now_us - opening->changed_us < PREVIOUS_US) return;
  enetjs_sodium()->memzero(opening->previous, ENETJS_KEY_BYTES);
  opening->has_previous = false;
}

enum enetjs_open_verdict enetjs_open(struct enetjs_opening *opening, const uint8_t *datagram, size_t length,
                                     uint8_t *plain, uint64_t now_us) {
  uint64_t counter = enetjs_get_u64(datagram + 5), number = counter & (((uint64_t)1 << NUMBER_BITS) - 1);
  unsigned ahead = ((unsigned)(counter >> NUMBER_BITS) - opening->epoch) % EPOCHS;
  bool authentic = false;
  forget_previous(opening, now_us);
  if (number > NUMBER_LAST) return ENETJS_OPEN_FORGED;
  if (enetjs_replay_look(&opening->replay, number) != ENETJS_REPLAY_NEW) return ENETJS_OPEN_REPLAYED;
  if (ahead == 0)
    authentic = decrypt(opening->cipher, opening->key, datagram, length, plain);
  else if (ahead <= AHEAD)
    authentic = decrypt_ahead(opening, ahead, datagram, length, plain, now_us);
  else if (ahead == EPOCHS - 1 && opening->has_previous)
    authentic = decrypt(opening->cipher, opening->previous, datagram, length, plain);
  if (!authentic) return ENETJS_OPEN_FORGED;
  opening->heard_us = now_us;
  return enetjs_replay_note(&opening->replay, number) ? ENETJS_OPEN_NEWER : ENETJS_OPEN_AUTHENTIC;
}
