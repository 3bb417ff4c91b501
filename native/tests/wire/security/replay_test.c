/* The replay window, against a model that remembers every number. */
#include "wire/security/replay.h"

#include <string.h>

#include "../../harness.h"

#define NUMBERS 100000

static bool seen[NUMBERS];

static enum enetjs_replay_verdict expected(uint64_t end, uint64_t number) {
  if (number < end && end - number > ENETJS_REPLAY_WINDOW) return ENETJS_REPLAY_OLD;
  return seen[number] ? ENETJS_REPLAY_SEEN : ENETJS_REPLAY_NEW;
}

static void feed(struct enetjs_replay *replay, uint64_t *end, uint64_t number) {
  enum enetjs_replay_verdict verdict = enetjs_replay_look(replay, number);
  CHECK_EQ_INT(verdict, expected(*end, number));
  if (verdict != ENETJS_REPLAY_NEW) return;
  CHECK_EQ_INT(enetjs_replay_note(replay, number), number >= *end);
  if (number >= *end) *end = number + 1;
  seen[number] = true;
}

TEST(every_number_is_new_once) {
  uint64_t random = 7;
  for (unsigned spread = 1; spread <= 16384; spread *= 4) {
    struct enetjs_replay replay = {0};
    uint64_t end = 0;
    memset(seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 50000; i++) {
      uint64_t base = (uint64_t)i * (NUMBERS - spread) / 50000;
      feed(&replay, &end, base + test_random_below(&random, spread));
    }
  }
}

TEST(jumps_forget_what_lies_before) {
  static const uint64_t jumps[] = {1, 63, 64, 65, 4095, 4096, 4097, 4159, 4160, 4161, 9000};
  for (size_t i = 0; i < TEST_COUNT(jumps); i++)
    for (uint64_t start = 0; start < 130; start += 13) {
      struct enetjs_replay replay = {0};
      uint64_t end = 0;
      memset(seen, 0, sizeof(seen));
      for (uint64_t number = 0; number <= start; number++) feed(&replay, &end, number);
      feed(&replay, &end, start + jumps[i]);
      for (uint64_t number = 0; number < start + jumps[i] + 70; number++) feed(&replay, &end, number);
    }
}

TEST(the_highest_numbers_work) {
  struct enetjs_replay replay = {0};
  uint64_t last = ((uint64_t)1 << 60) - 2;
  CHECK(enetjs_replay_note(&replay, last));
  CHECK_EQ_INT(enetjs_replay_look(&replay, last), ENETJS_REPLAY_SEEN);
  CHECK_EQ_INT(enetjs_replay_look(&replay, last - 1), ENETJS_REPLAY_NEW);
  CHECK_EQ_INT(enetjs_replay_look(&replay, 0), ENETJS_REPLAY_OLD);
}

int main(void) {
  static const struct test_case cases[] = {TEST_CASE(every_number_is_new_once),
                                           TEST_CASE(jumps_forget_what_lies_before),
                                           TEST_CASE(the_highest_numbers_work)};
  return test_run(cases, TEST_COUNT(cases));
}
