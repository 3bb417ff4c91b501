/*
 * Sealed datagrams: counters, new keys with loss and reordering, and cookies; with a time that the test
 * moves.
 */
#include "wire/security/seal.h"

#include <string.h>

#include "../../harness.h"
#include "wire/security/bytes.h"
#include "wire/security/cookie.h"

#define SECOND 1000000u
#define ROOM 64

struct ends {
  struct enetjs_sealing sealing;
  struct enetjs_opening opening;
  uint64_t now_us;
};

struct sealed {
  uint8_t bytes[ROOM];
  size_t length;
};

static bool with_aes;

static void begin(struct ends *ends) {
  const struct enetjs_cipher *cipher = with_aes ? &enetjs_sodium()->aes : &enetjs_sodium()->chacha;
  uint8_t key[ENETJS_KEY_BYTES] = {5};
  ends->now_us = 50 * SECOND;
  enetjs_sealing_begin(&ends->sealing, cipher, key, 0x01020304, ends->now_us);
  enetjs_opening_begin(&ends->opening, cipher, key, ends->now_us);
}

static struct sealed seal(struct ends *ends) {
  struct sealed sealed;
  sealed.length = enetjs_seal(&ends->sealing, 0x3F, (const uint8_t *)"text", 4, sealed.bytes, ends->now_us);
  return sealed;
}

static enum enetjs_open_verdict open_sealed(struct ends *ends, const struct sealed *sealed) {
  uint8_t plain[ROOM] = {0};
  enum enetjs_open_verdict verdict =
      enetjs_open(&ends->opening, sealed->bytes, sealed->length, plain, ends->now_us);
  if (verdict == ENETJS_OPEN_NEWER || verdict == ENETJS_OPEN_AUTHENTIC) CHECK(memcmp(plain, "text", 4) == 0);
  return verdict;
}

TEST(counters_go_up_and_never_start_again) {
  struct ends ends;
  uint64_t last = 0;
  begin(&ends);
  for (unsigned i = 0; i < 2000; i++) {
    struct sealed sealed = seal(&ends);
    uint64_t number = enetjs_get_u64(sealed.bytes + 5) & (((uint64_t)1 << 60) - 1);
    CHECK_EQ_INT(sealed.length, 4 + ENETJS_SEAL_OVERHEAD);
    CHECK(i == 0 || number == last + 1);
    last = number;
    ends.now_us += SECOND; /* sixteen epochs */
  }
  ends.sealing.next = ((uint64_t)1 << 60) - 1;
  CHECK_EQ_INT(seal(&ends).length, 0);
}

/* A new key every 120 s, with a fifth of the datagrams lost and others held back for up to 6 s. */
TEST(new_keys_lose_nothing) {
  struct ends ends;
  struct sealed held[64];
  uint64_t random = 11;
  uint8_t first[ENETJS_KEY_BYTES];
  begin(&ends);
  memcpy(first, ends.sealing.key, sizeof(first));
  for (unsigned i = 0; i < sizeof(held) / sizeof(held[0]); i++) held[i].length = 0;
  for (unsigned i = 0; i < 40000; i++) {
    struct sealed sealed = seal(&ends);
    struct sealed *due = &held[i % 64], *later = &held[(i + 1 + test_random_below(&random, 62)) % 64];
    enum enetjs_open_verdict verdict = due->length > 0 ? open_sealed(&ends, due) : ENETJS_OPEN_NEWER;
    CHECK(verdict == ENETJS_OPEN_NEWER || verdict == ENETJS_OPEN_AUTHENTIC);
    due->length = 0;
    if (later->length == 0 && test_random_below(&random, 5) > 0) *later = sealed;
    ends.now_us += SECOND / 10;
  }
  CHECK(memcmp(first, ends.sealing.key, sizeof(first)) != 0);
  CHECK_EQ_INT(ends.sealing.epoch, 40000 / 10 / 120 % 16);
}

TEST(a_new_key_comes_after_many_datagrams) {
  struct ends ends;
  struct sealed sealed;
  begin(&ends);
  ends.sealing.next = (uint64_t)1 << 28;
  sealed = seal(&ends);
  CHECK_EQ_INT(sealed.bytes[5] >> 4, 1);
  CHECK_EQ_INT(open_sealed(&ends, &sealed), ENETJS_OPEN_NEWER);
}

TEST(whole_epochs_may_be_lost) {
  struct ends ends;
  struct sealed sealed;
  begin(&ends);
  for (unsigned lost = 1; lost <= 6; lost++) {
    for (unsigned i = 0; i < lost; i++) {
      ends.now_us += 121 * (uint64_t)SECOND;
      seal(&ends);
    }
    ends.now_us += 121 * (uint64_t)SECOND;
    sealed = seal(&ends);
    CHECK_EQ_INT(open_sealed(&ends, &sealed), ENETJS_OPEN_NEWER);
  }
}

TEST(an_epoch_before_is_opened_for_ten_seconds) {
  struct ends ends;
  struct sealed old, older, fresh;
  begin(&ends);
  old = seal(&ends);
  older = seal(&ends);
  ends.now_us += 121 * (uint64_t)SECOND;
  fresh = seal(&ends);
  CHECK_EQ_INT(open_sealed(&ends, &fresh), ENETJS_OPEN_NEWER);
  ends.now_us += 9 * SECOND;
  CHECK_EQ_INT(open_sealed(&ends, &old), ENETJS_OPEN_AUTHENTIC);
  CHECK_EQ_INT(open_sealed(&ends, &old), ENETJS_OPEN_REPLAYED);
  ends.now_us += 2 * SECOND;
  CHECK_EQ_INT(open_sealed(&ends, &older), ENETJS_OPEN_FORGED);
}

TEST(forged_epochs_change_nothing) {
  struct ends ends, before;
  struct sealed sealed;
  begin(&ends);
  sealed = seal(&ends);
  before = ends;
  for (unsigned epoch = 1; epoch < 16; epoch++) {
    struct sealed forged = sealed;
    forged.bytes[5] ^= (uint8_t)(epoch << 4);
    CHECK_EQ_INT(open_sealed(&ends, &forged), ENETJS_OPEN_FORGED);
    CHECK(memcmp(&ends, &before, sizeof(ends)) == 0);
    ends.now_us = before.now_us = before.now_us + 101 * (uint64_t)SECOND; /* also after a long silence */
  }
  CHECK_EQ_INT(open_sealed(&ends, &sealed), ENETJS_OPEN_NEWER);
}

/* Nonces are in another order, and the next key is made by another cipher. */
TEST(aes_does_the_same) {
  if (!enetjs_sodium()->has_aes) {
    printf("# skipped: this processor has no instructions for AES-256-GCM\n");
    return;
  }
  with_aes = true;
  counters_go_up_and_never_start_again();
  new_keys_lose_nothing();
  whole_epochs_may_be_lost();
  an_epoch_before_is_opened_for_ten_seconds();
  forged_epochs_change_nothing();
  with_aes = false;
}

TEST(resumption_cookies_are_for_one_address_and_an_hour) {
  struct enetjs_cookies cookies = {.resumption = true}, retries = {0};
  struct enetjs_endpoint from = enetjs_endpoint_of_ipv4(0x01020304, 5), port = from, other = from;
  uint8_t index[4] = {1, 2, 3, 4}, key[32] = {9}, cookie[ENETJS_COOKIE_BYTES], retry[ENETJS_COOKIE_BYTES];
  struct enetjs_cookie_subject subject = {&from, NULL, NULL}, again = {&port, index, key},
                               elsewhere = {&other, index, key};
  port.port = 6;
  other.low ^= 1;
  for (uint64_t now = 7 * SECOND; now < 20000 * (uint64_t)SECOND; now += 1000 * SECOND) {
    enetjs_cookie_make(&cookies, &subject, now, cookie);
    enetjs_cookie_make(&retries, &again, now, retry);
    CHECK(enetjs_cookie_check(&cookies, &again, now + 3599 * (uint64_t)SECOND, cookie));
    CHECK(!enetjs_cookie_check(&cookies, &again, now + 3601 * (uint64_t)SECOND, cookie));
    CHECK(!enetjs_cookie_check(&cookies, &elsewhere, now, cookie));
    CHECK(!enetjs_cookie_check(&retries, &again, now, cookie));
    CHECK(!enetjs_cookie_check(&cookies, &again, now, retry));
    for (unsigned at = 0; at < sizeof(cookie); at++) {
      cookie[at] ^= 1;
      CHECK(!enetjs_cookie_check(&cookies, &again, now, cookie));
      cookie[at] ^= 1;
    }
  }
}

TEST(cookies_are_for_one_address_and_four_seconds) {
  struct enetjs_cookies cookies = {0};
  struct enetjs_endpoint from = enetjs_endpoint_of_ipv4(0x01020304, 5), other = from;
  uint8_t index[4] = {1, 2, 3, 4}, key[32] = {9}, cookie[ENETJS_COOKIE_BYTES];
  struct enetjs_cookie_subject subject = {&from, index, key}, elsewhere = {&other, index, key};
  for (uint64_t now = 7 * SECOND; now < 700 * (uint64_t)SECOND; now += 3 * SECOND) {
    enetjs_cookie_make(&cookies, &subject, now, cookie);
    CHECK(enetjs_cookie_check(&cookies, &subject, now, cookie));
    CHECK(enetjs_cookie_check(&cookies, &subject, now + 3999000, cookie));
    CHECK(!enetjs_cookie_check(&cookies, &subject, now + 4002000, cookie));
    other.port = 6;
    CHECK(!enetjs_cookie_check(&cookies, &elsewhere, now, cookie));
    index[0] ^= 1;
    CHECK(!enetjs_cookie_check(&cookies, &subject, now, cookie));
    index[0] ^= 1;
    key[31] ^= 1;
    CHECK(!enetjs_cookie_check(&cookies, &subject, now, cookie));
    key[31] ^= 1;
    for (unsigned at = 0; at < sizeof(cookie); at++) {
      cookie[at] ^= 1;
      CHECK(!enetjs_cookie_check(&cookies, &subject, now, cookie));
      cookie[at] ^= 1;
    }
  }
  memset(cookie, 0, sizeof(cookie));
  CHECK(!enetjs_cookie_check(&cookies, &subject, 7 * SECOND, cookie));
}

/* A clock that counts from the start of the machine is small when the first cookie is asked for. */
TEST(no_cookie_is_under_a_secret_that_was_not_drawn) {
  struct enetjs_endpoint from = enetjs_endpoint_of_ipv4(0x01020304, 5);
  uint8_t index[4] = {1, 2, 3, 4}, key[32] = {9}, cookie[ENETJS_COOKIE_BYTES];
  struct enetjs_cookie_subject subject = {&from, index, key};
  for (uint64_t now = SECOND; now < 300 * (uint64_t)SECOND; now += 7 * SECOND)
    for (uint32_t generation = 0; generation < 3; generation++) {
      struct enetjs_cookies cookies = {0}, zeros = {0};
      zeros.drawn_us = now;
      zeros.generation = generation;
      enetjs_cookie_make(&zeros, &subject, now, cookie);
      CHECK(!enetjs_cookie_check(&cookies, &subject, now, cookie));
    }
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(counters_go_up_and_never_start_again),
      TEST_CASE(new_keys_lose_nothing),
      TEST_CASE(a_new_key_comes_after_many_datagrams),
      TEST_CASE(whole_epochs_may_be_lost),
      TEST_CASE(an_epoch_before_is_opened_for_ten_seconds),
      TEST_CASE(forged_epochs_change_nothing),
      TEST_CASE(aes_does_the_same),
      TEST_CASE(resumption_cookies_are_for_one_address_and_an_hour),
      TEST_CASE(cookies_are_for_one_address_and_four_seconds),
      TEST_CASE(no_cookie_is_under_a_secret_that_was_not_drawn),
  };
  if (test_lacks("libsodium")) return test_skip("there is no libsodium");
  return test_run(cases, TEST_COUNT(cases));
}
