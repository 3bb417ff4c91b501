/* Links without a host: what passes, when, and that a link ends with its handle or its thread. */
#include "../consumer.h"

#define MOST 65535

static uint8_t room[MOST];

static double link_open(double latency_ms, double pass) {
  double link[ENETJS_LINK_COUNT] = {0};
  link[ENETJS_LINK_LAST] = UINT32_MAX;
  for (int direction = 0; direction < 2; direction++) {
    double *path = link + (direction ? ENETJS_LINK_RECEIVED : ENETJS_LINK_SENT);
    path[ENETJS_CONDITION_LATENCY_MS] = latency_ms;
    path[ENETJS_CONDITION_PASS_GOOD] = pass;
  }
  return enetjs_link_open((uint8_t *)link, sizeof(link), 1);
}

static double fate_of(double link, unsigned direction, unsigned fate) {
  double fates[2 * ENETJS_FATE_COUNT];
  CHECK_EQ_INT(enetjs_link_fates(link, (uint8_t *)fates, sizeof(fates)), 0);
  return fates[direction * ENETJS_FATE_COUNT + fate];
}

TEST(datagrams_pass_in_their_direction_and_order) {
  uint8_t bytes[MOST] = {0};
  double link = link_open(0, 1);
  CHECK(link > 0);
  payload_fill(bytes, MOST, 1);
  CHECK_EQ_INT(enetjs_link_enter(link, 0, bytes, MOST), 0);
  CHECK_EQ_INT(enetjs_link_enter(link, 0, bytes, 0), 0);
  CHECK_EQ_INT(enetjs_link_enter(link, 1, bytes, 3), 0);
  CHECK_EQ_INT(enetjs_link_wait(link), 0);
  CHECK_EQ_INT(enetjs_link_take(link, 0, room, 10), ENETJS_ERR_TOO_LARGE);
  CHECK_EQ_INT(enetjs_link_take(link, 0, room, MOST), MOST + 1);
  CHECK(payload_is(room, MOST, 1));
  CHECK_EQ_INT(enetjs_link_take(link, 0, room, MOST), 1); /* an empty one */
  CHECK_EQ_INT(enetjs_link_take(link, 0, room, MOST), 0);
  CHECK_EQ_INT(enetjs_link_take(link, 1, room, MOST), 4);
  CHECK_EQ_INT(enetjs_link_wait(link), ENETJS_NOTHING_HELD);
  CHECK_EQ_INT(fate_of(link, 0, ENETJS_FATE_PASSED), 2);
  CHECK_EQ_INT(fate_of(link, 1, ENETJS_FATE_PASSED), 1);
  CHECK_EQ_INT(enetjs_link_close(link), 0);
}

TEST(what_is_late_or_lost_is_not_there) {
  double late = link_open(60000, 1), lossy = link_open(0, 0), wait;
  CHECK_EQ_INT(enetjs_link_enter(late, 0, room, 5), 0);
  CHECK_EQ_INT(enetjs_link_take(late, 0, room, MOST), 0);
  wait = enetjs_link_wait(late);
  CHECK(wait > 0 && wait <= 60000);
  CHECK_EQ_INT(fate_of(late, 0, ENETJS_FATE_HELD), 1);
  CHECK_EQ_INT(enetjs_link_enter(lossy, 1, room, 5), 0);
  CHECK_EQ_INT(enetjs_link_wait(lossy), ENETJS_NOTHING_HELD);
  CHECK_EQ_INT(fate_of(lossy, 1, ENETJS_FATE_LOST), 1);
  CHECK_EQ_INT(enetjs_link_close(late), 0); /* with what is on its way */
  CHECK_EQ_INT(enetjs_link_close(lossy), 0);
}

TEST(a_closed_link_and_wrong_arguments_are_errors) {
  double link = link_open(0, 1);
  CHECK_EQ_INT(enetjs_link_open(room, 8, 1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(link_open(-1, 1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(link_open(0, 2), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_link_enter(link, 2, room, 1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_link_enter(link, 0, room, 65536), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_link_enter(link, 0, NULL, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_link_take(link, 0, room, -1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_link_fates(link, room, 8), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_link_close(link), 0);
  CHECK_EQ_INT(enetjs_link_close(link), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_link_enter(link, 0, room, 1), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_link_take(link, 0, room, MOST), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_link_wait(link), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_link_close(-1), ENETJS_ERR_CLOSED);
}

static void open_many(void *count) {
  while (link_open(0, 1) > 0) ++*(int *)count;
}

TEST(links_are_bounded_and_end_with_their_thread) {
  for (int round = 0; round < 2; round++) {
    enetjs_thread thread;
    int count = 0;
    CHECK(enetjs_thread_start(&thread, open_many, &count));
    enetjs_thread_join(thread);
    CHECK_EQ_INT(count, 4096);
  }
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(datagrams_pass_in_their_direction_and_order),
      TEST_CASE(what_is_late_or_lost_is_not_there),
      TEST_CASE(a_closed_link_and_wrong_arguments_are_errors),
      TEST_CASE(links_are_bounded_and_end_with_their_thread),
  };
  CHECK_EQ_INT(enetjs_host_initialize(), 0);
  return test_run(cases, TEST_COUNT(cases));
}
