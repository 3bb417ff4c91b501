/* The clock of ENet: a step of the wall clock does not change it. */
#include "../consumer.h"

#if defined(__linux__)

#include <dlfcn.h>
#include <sys/time.h>

#define HOUR_S 3600

static _Atomic int64_t wall_clock_s; /* by how much the wall clock has been set forward */

/* In place of the C library's, for libenet too. */
ENETJS_API int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = (time_t)(now.tv_sec + wall_clock_s);
  time->tv_usec = (suseconds_t)(now.tv_nsec / 1000);
  return 0;
}

/* What libenet would go by alone, and other code in the process reads. */
#ifdef ENETJS_ENET_BUILT_IN

enet_uint32 enetjs_plain_time(void); /* ENet's own, renamed */
static enet_uint32 time_by_wall_clock(void) { return enetjs_plain_time(); }

#else

static enet_uint32 time_by_wall_clock(void) {
  enet_uint32 (*get)(void) = NULL;
  Dl_info libenet;
  CHECK(dladdr((void *)enet_linked_version, &libenet) != 0);
  *(void **)&get = dlsym(dlopen(libenet.dli_fname, RTLD_LAZY | RTLD_NOLOAD), "enet_time_get");
  CHECK(get != NULL && get != enet_time_get);
  return get();
}

#endif

static int32_t ahead_of_wall_clock_ms(void) { return (int32_t)(enet_time_get() - time_by_wall_clock()); }

TEST(it_begins_with_the_wall_clock_and_does_not_follow_it) {
  enet_uint32 before = enet_time_get();
  CHECK(abs(ahead_of_wall_clock_ms()) < HOUR_S * 1000 / 2);
  wall_clock_s += HOUR_S;
  CHECK(ahead_of_wall_clock_ms() < -HOUR_S * 1000 / 2);
  wall_clock_s -= 2 * HOUR_S;
  CHECK(ahead_of_wall_clock_ms() > HOUR_S * 1000 / 2);
  wall_clock_s += HOUR_S;
  CHECK(enet_time_get() - before < HOUR_S * 1000);
}

/* With a message under way that the server does not acknowledge. */
static double unacknowledged(struct consumer *client, struct consumer *server) {
  double peer;
  server_open(server);
  client_open(client);
  peer = connect_pair_of(client, server);
  CHECK_EQ_INT(send_text(client, peer, ENET_PACKET_FLAG_RELIABLE, "under way", 1), 0);
  consumer_poll(client);
  return peer;
}

static void check_delivered(struct consumer *client, struct consumer *server) {
  UNTIL(client->delivered == 1, poll_both(client, server));
  CHECK_EQ_INT(server->receives, 1);
  CHECK_EQ_INT(client->closed + client->disconnects + server->disconnects, 0);
  consumer_close(client);
  consumer_close(server);
  check_nothing_left();
}

static void await_retransmission(struct consumer *client) {
  double sent = statistic(client, ENETJS_HOST_STAT_SENT_PACKETS);
  UNTIL(statistic(client, ENETJS_HOST_STAT_SENT_PACKETS) > sent, consumer_poll(client));
}

static void check_step(int64_t seconds) {
  struct consumer client, server;
  unacknowledged(&client, &server);
  wall_clock_s += seconds;
  await_retransmission(&client);
  for (int i = 0; i < 10; i++) consumer_poll(&client);
  check_delivered(&client, &server);
  wall_clock_s -= seconds;
}

TEST(a_step_of_half_a_minute_ends_no_connection) { check_step(31); }
TEST(an_hour_forward_ends_no_connection) { check_step(HOUR_S); }
TEST(an_hour_back_delays_no_retransmission) { check_step(-HOUR_S); }

TEST(it_is_never_zero) {
  enet_time_set(0);
  CHECK(enet_time_get() != 0);
  enet_time_set(UINT32_MAX - 20);
  UNTIL(enet_time_get() < 1000, CHECK(enet_time_get() != 0));
}

TEST(connections_outlast_its_overflow) {
  struct consumer client, server;
  double peer;
  unsigned sent = 0;
  enet_time_set(UINT32_MAX - 300);
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK(enet_time_get() > UINT32_MAX / 2);
  while (enet_time_get() > UINT32_MAX / 2 || sent < 100) {
    if (server.receives == sent)
      CHECK_EQ_INT((sent++, send_text(&client, peer, ENET_PACKET_FLAG_RELIABLE, "on and on", 0)), 0);
    poll_both(&client, &server);
  }
  UNTIL(server.receives == sent, poll_both(&client, &server));
  CHECK_EQ_INT(client.closed + client.disconnects + server.disconnects, 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(it_begins_with_the_wall_clock_and_does_not_follow_it),
      TEST_CASE(a_step_of_half_a_minute_ends_no_connection),
      TEST_CASE(an_hour_forward_ends_no_connection),
      TEST_CASE(an_hour_back_delays_no_retransmission),
      TEST_CASE(it_is_never_zero),
      TEST_CASE(connections_outlast_its_overflow),
  };
  return test_run(cases, TEST_COUNT(cases));
}

#else

int main(void) { return test_skip("the test sets Linux's clock"); }

#endif
