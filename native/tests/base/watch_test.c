/*
 * Watches of descriptors: one byte for each time that an armed one is ready, and an end that comes at once.
 */
#ifdef _WIN32
#include "../harness.h"

int main(void) { return test_skip("Windows has no pipes that poll() takes"); }
#else
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../harness.h"
#include "enetjs.h"

static int ends[2]; /* of a pipe: to read, to write */
static double watch;
static int wake;

static void begin(int end) {
  CHECK(pipe(ends) == 0);
  watch = enetjs_watch_open(ends[end], 0, NULL, 0);
  CHECK(watch >= 0);
  wake = (int)enetjs_watch_descriptor(watch);
  CHECK(wake >= 0);
}

static void finish(void) {
  CHECK_EQ_INT(enetjs_watch_close(watch), 0);
  close(wake);
  close(ends[0]);
  close(ends[1]);
}

/* How many bytes have come on the wake-up, within a time. */
static int woken(int timeout_ms) {
  struct pollfd fd = {wake, POLLIN, 0};
  char bytes[16];
  if (poll(&fd, 1, timeout_ms) <= 0) return 0;
  return (int)recv(wake, bytes, sizeof(bytes), MSG_DONTWAIT);
}

TEST(reports_once_for_each_time_it_is_armed) {
  begin(0);
  CHECK_EQ_INT(write(ends[1], "ab", 2), 2);
  CHECK_EQ_INT(woken(20), 0); /* not armed */
  for (int i = 0; i < 3; i++) {
    CHECK_EQ_INT(enetjs_watch_arm(watch, ENETJS_WATCH_READ), 0);
    CHECK_EQ_INT(woken(5000), 1);
    CHECK_EQ_INT(woken(20), 0); /* the pipe stays readable */
    CHECK_EQ_INT(enetjs_watch_ready(watch), ENETJS_WATCH_READ);
    CHECK_EQ_INT(enetjs_watch_ready(watch), 0);
  }
  finish();
}

TEST(waits_for_what_comes_later) {
  begin(0);
  CHECK_EQ_INT(enetjs_watch_arm(watch, ENETJS_WATCH_READ), 0);
  CHECK_EQ_INT(woken(20), 0);
  CHECK_EQ_INT(write(ends[1], "a", 1), 1);
  CHECK_EQ_INT(woken(5000), 1);
  CHECK_EQ_INT(enetjs_watch_ready(watch), ENETJS_WATCH_READ);
  finish();
}

TEST(tells_room_and_that_the_reader_is_gone) {
  static const char block[65536];
  begin(1);
  CHECK_EQ_INT(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
  while (write(ends[1], block, sizeof(block)) > 0) continue;
  CHECK_EQ_INT(enetjs_watch_arm(watch, ENETJS_WATCH_WRITE), 0);
  CHECK_EQ_INT(woken(20), 0);
  for (size_t got = 0; got < sizeof(block);) got += (size_t)read(ends[0], (char[4096]){0}, 4096);
  CHECK_EQ_INT(woken(5000), 1);
  CHECK_EQ_INT(enetjs_watch_ready(watch), ENETJS_WATCH_WRITE);
  CHECK_EQ_INT(enetjs_watch_arm(watch, 0), 0);
  CHECK_EQ_INT(woken(20), 0);
  close(ends[0]);
  CHECK_EQ_INT(woken(5000), 1);
  CHECK(((int)enetjs_watch_ready(watch) & ENETJS_WATCH_HANG_UP) != 0);
  finish();
}

TEST(refuses_wrong_arguments_and_stale_handles) {
  CHECK_EQ_INT(enetjs_watch_open(-1, 0, NULL, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_watch_open(0.5, 0, NULL, 0), ENETJS_ERR_ARGUMENT);
  begin(0);
  CHECK_EQ_INT(enetjs_watch_arm(watch, 4), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_watch_arm(watch, -1), ENETJS_ERR_ARGUMENT);
  double stale = watch;
  finish();
  CHECK_EQ_INT(enetjs_watch_arm(stale, 1), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_watch_ready(stale), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_watch_descriptor(stale), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_watch_close(stale), ENETJS_ERR_CLOSED);
  begin(0); /* the place of the first one, with another handle */
  CHECK(watch != stale);
  CHECK_EQ_INT(enetjs_watch_ready(stale), ENETJS_ERR_CLOSED);
  finish();
}

TEST(many_live_together_and_one_more_is_refused) {
  static double handles[1024];
  static int wakes[1024];
  int count = 0;
  CHECK(pipe(ends) == 0);
  while ((handles[count] = enetjs_watch_open(ends[0], 0, NULL, 0)) >= 0) {
    wakes[count] = (int)enetjs_watch_descriptor(handles[count]);
    CHECK_EQ_INT(enetjs_watch_arm(handles[count++], ENETJS_WATCH_READ), 0);
  }
  CHECK_EQ_INT(handles[count], ENETJS_ERR_LIMIT);
  CHECK_EQ_INT(count, 256);
  CHECK_EQ_INT(write(ends[1], "a", 1), 1);
  for (int i = 0; i < count; i++) {
    wake = wakes[i];
    CHECK_EQ_INT(woken(5000), 1);
    CHECK_EQ_INT(enetjs_watch_close(handles[i]), 0);
    close(wake);
  }
  close(ends[0]);
  close(ends[1]);
}

static void *open_and_end(void *unused) {
  (void)unused;
  watch = enetjs_watch_open(ends[0], 0, NULL, 0);
  wake = (int)enetjs_watch_descriptor(watch);
  return NULL;
}

TEST(ends_with_the_thread_that_opened_it) {
  pthread_t thread;
  CHECK(pipe(ends) == 0);
  CHECK_EQ_INT(pthread_create(&thread, NULL, open_and_end, NULL), 0);
  pthread_join(thread, NULL);
  CHECK_EQ_INT(enetjs_watch_ready(watch), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(fcntl(wake, F_GETFD), -1); /* which the thread has not closed itself */
  close(ends[0]);
  close(ends[1]);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(reports_once_for_each_time_it_is_armed), TEST_CASE(waits_for_what_comes_later),
      TEST_CASE(tells_room_and_that_the_reader_is_gone), TEST_CASE(refuses_wrong_arguments_and_stale_handles),
      TEST_CASE(many_live_together_and_one_more_is_refused), TEST_CASE(ends_with_the_thread_that_opened_it),
  };
  return test_run(cases, TEST_COUNT(cases));
}
#endif
