/* The Noise handshakes, against published vectors; and that no changed byte of a message is accepted. */
#include <string.h>

#include "../../harness.h"
#include "noise_vectors.h"

#define ROOM 1200

static size_t unhex(const char *text, uint8_t *out) {
  size_t length = text ? strlen(text) / 2 : 0;
  for (size_t i = 0; i < length; i++) {
    unsigned byte;
    CHECK_EQ_INT(sscanf(text + 2 * i, "%2x", &byte), 1);
    out[i] = (uint8_t)byte;
  }
  return length;
}

static void unhex_pair(const char *text, struct enetjs_key_pair *pair) {
  uint8_t secret[ENETJS_KEY_BYTES];
  CHECK_EQ_INT(unhex(text, secret), sizeof(secret));
  enetjs_key_pair_of(pair, secret);
}

struct sides {
  struct enetjs_noise initiator, responder;
};

static void begin(const struct noise_vector *vector, struct sides *sides) {
  struct enetjs_key_pair initiator, responder;
  uint8_t prologue[64], psk[ENETJS_KEY_BYTES];
  struct enetjs_noise_keys keys = {0};
  keys.pattern = vector->pattern;
  keys.prologue = prologue;
  keys.prologue_bytes = unhex(vector->prologue, prologue);
  if (unhex(vector->psk, psk) > 0) keys.psk = psk;
  unhex_pair(vector->responder_static, &responder);
  keys.own = &responder;
  enetjs_noise_begin(&sides->responder, false, &keys);
  if (vector->initiator_static) unhex_pair(vector->initiator_static, &initiator);
  keys.own = vector->initiator_static ? &initiator : NULL;
  keys.remote = responder.public;
  enetjs_noise_begin(&sides->initiator, true, &keys);
  unhex_pair(vector->initiator_ephemeral, &sides->initiator.ephemeral);
  unhex_pair(vector->responder_ephemeral, &sides->responder.ephemeral);
}

/* One message of the handshake, compared with the vector. */
static void pass(const struct noise_vector *vector, unsigned index, struct enetjs_noise *writer,
                 struct enetjs_noise *reader) {
  uint8_t payload[ROOM], expected[ROOM], message[ROOM], read[ROOM];
  size_t length = unhex(vector->messages[index].payload, payload);
  size_t bytes = unhex(vector->messages[index].ciphertext, expected);
  CHECK_EQ_INT(enetjs_noise_write(writer, payload, length, message), bytes);
  CHECK_EQ_INT(bytes, length + enetjs_noise_overhead(vector->pattern, index == 0));
  CHECK(memcmp(message, expected, bytes) == 0);
  CHECK(enetjs_noise_read(reader, message, bytes, read));
  CHECK(memcmp(read, payload, length) == 0);
}

static void pass_transport(const struct noise_vector *vector, unsigned index, const uint8_t *key) {
  uint8_t payload[ROOM], expected[ROOM], message[ROOM], nonce[ENETJS_NONCE_BYTES] = {0};
  size_t length = unhex(vector->messages[index].payload, payload);
  size_t bytes = unhex(vector->messages[index].ciphertext, expected);
  unsigned long long written;
  nonce[4] = (uint8_t)((index - 2) / 2);
  enetjs_sodium()->chacha.encrypt(message, &written, payload, length, NULL, 0, NULL, nonce, key);
  CHECK_EQ_INT(written, bytes);
  CHECK(memcmp(message, expected, bytes) == 0);
}

TEST(the_published_vectors_are_met) {
  CHECK(enetjs_sodium() != NULL);
  for (size_t i = 0; i < TEST_COUNT(noise_vectors); i++) {
    const struct noise_vector *vector = &noise_vectors[i];
    uint8_t hash[ENETJS_HASH_BYTES], keys[2][ENETJS_KEY_BYTES], others[2][ENETJS_KEY_BYTES];
    struct sides sides;
    begin(vector, &sides);
    pass(vector, 0, &sides.initiator, &sides.responder);
    pass(vector, 1, &sides.responder, &sides.initiator);
    unhex(vector->handshake_hash, hash);
    CHECK(memcmp(sides.initiator.hash, hash, sizeof(hash)) == 0);
    CHECK(memcmp(sides.responder.hash, hash, sizeof(hash)) == 0);
    enetjs_noise_split(&sides.initiator, keys[0], keys[1]);
    enetjs_noise_split(&sides.responder, others[0], others[1]);
    CHECK(memcmp(keys, others, sizeof(keys)) == 0);
    for (unsigned message = 2; message < VECTOR_MESSAGES; message++)
      pass_transport(vector, message, keys[message % 2]);
  }
}

TEST(a_responder_knows_the_initiators_key) {
  const struct noise_vector *vector = &noise_vectors[ENETJS_NOISE_IK];
  struct enetjs_key_pair initiator;
  struct sides sides;
  begin(vector, &sides);
  pass(vector, 0, &sides.initiator, &sides.responder);
  unhex_pair(vector->initiator_static, &initiator);
  CHECK(memcmp(sides.responder.remote, initiator.public, ENETJS_KEY_BYTES) == 0);
}

/* Each byte of each message flipped, and each message cut to each length. */
TEST(changed_messages_are_not_authentic) {
  for (size_t i = 0; i < TEST_COUNT(noise_vectors); i++) {
    const struct noise_vector *vector = &noise_vectors[i];
    for (unsigned index = 0; index < 2; index++) {
      uint8_t message[ROOM], read[ROOM];
      size_t bytes = unhex(vector->messages[index].ciphertext, message);
      struct sides sides;
      struct enetjs_noise *reader = index == 0 ? &sides.responder : &sides.initiator, before;
      begin(vector, &sides);
      if (index == 1) pass(vector, 0, &sides.initiator, &sides.responder);
      before = *reader;
      for (size_t at = 0; at < bytes; at++) {
        message[at] ^= 0x40;
        CHECK(!enetjs_noise_read(reader, message, bytes, read));
        message[at] ^= 0x40;
        *reader = before;
        CHECK(!enetjs_noise_read(reader, message, at, read));
        *reader = before;
      }
      CHECK(enetjs_noise_read(reader, message, bytes, read));
    }
  }
}

TEST(other_keys_are_not_authentic) {
  for (size_t i = 0; i < TEST_COUNT(noise_vectors); i++) {
    const struct noise_vector *vector = &noise_vectors[i];
    uint8_t message[ROOM], read[ROOM];
    size_t bytes = unhex(vector->messages[0].ciphertext, message);
    struct sides sides;
    begin(vector, &sides);
    sides.responder.own.secret[5] ^= 1;
    CHECK(!enetjs_noise_read(&sides.responder, message, bytes, read));
    begin(vector, &sides);
    sides.responder.psk[5] ^= 1;
    CHECK(enetjs_noise_read(&sides.responder, message, bytes, read) == (vector->psk == NULL));
    begin(vector, &sides);
    sides.responder.hash[5] ^= 1; /* another prologue */
    CHECK(!enetjs_noise_read(&sides.responder, message, bytes, read));
  }
}

/* Points of small order give a result that everybody knows. */
TEST(a_zero_ephemeral_key_is_refused) {
  uint8_t message[ROOM] = {0}, read[ROOM];
  struct sides sides;
  begin(&noise_vectors[ENETJS_NOISE_NK], &sides);
  CHECK(!enetjs_noise_read(&sides.responder, message, 64, read));
}

TEST(a_new_key_differs_and_is_the_same_on_both_sides) {
  uint8_t key[ENETJS_KEY_BYTES] = {1}, again[ENETJS_KEY_BYTES] = {1}, before[ENETJS_KEY_BYTES] = {1};
  enetjs_noise_rekey(&enetjs_sodium()->chacha, key);
  enetjs_noise_rekey(&enetjs_sodium()->chacha, again);
  CHECK(memcmp(key, again, sizeof(key)) == 0);
  CHECK(memcmp(key, before, sizeof(key)) != 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(the_published_vectors_are_met),
      TEST_CASE(a_responder_knows_the_initiators_key),
      TEST_CASE(changed_messages_are_not_authentic),
      TEST_CASE(other_keys_are_not_authentic),
      TEST_CASE(a_zero_ephemeral_key_is_refused),
      TEST_CASE(a_new_key_differs_and_is_the_same_on_both_sides),
  };
  if (test_lacks("libsodium")) return test_skip("there is no libsodium");
  return test_run(cases, TEST_COUNT(cases));
}
