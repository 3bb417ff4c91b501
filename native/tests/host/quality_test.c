/* The statistics of a connection, on a link whose delay and loss are known. */
#include "../link.h"

enum { LATENCY_MS = 40, LOSS = 50 /* of a thousand */, TICK_MS = 5, SECONDS = 20 / SLOW };

static uint32_t some(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  (void)to_client, (void)bytes, (void)length;
  return link_chance(l, LOSS) ? LINK_LOST : 0;
}

/* @param varies by how much the delay does; what is sent later is not overtaken */
static uint32_t varying(struct link *l, bool to_client, const uint8_t *bytes, size_t length) {
  (void)bytes, (void)length;
  l->latency[to_client] = LATENCY_MS + test_random_below(&l->random, 20);
  return 0;
}

static void open_link(struct linked *l, uint32_t (*fate)(struct link *, bool, const uint8_t *, size_t)) {
  memset(l, 0, sizeof(*l));
  consumer_start(&l->client);
  linked_open(l, LATENCY_MS, 3);
  l->link.fate = fate;
}

static double stat(struct linked *l, unsigned index) { return peer_statistic(&l->client, l->peer, index); }

/*
 * Unreliable and reliable messages in both directions. @returns how many unreliable ones plain ENet has sent
 */
static unsigned run(struct linked *l, unsigned seconds) {
  static const uint8_t message[50];
  unsigned sent = 0;
  for (unsigned ms = 0; ms < seconds * 1000; ms++) {
    if (ms % TICK_MS == 0) {
      CHECK(enetjs_peer_send_buffer(l->client.host, l->peer, 0, 1, message, sizeof(message), 0) >= 0);
      plain_send(&l->server, 1, 0, message, sizeof(message));
      sent++;
    }
    linked_step(l);
  }
  return sent;
}

static void print(struct linked *l) {
  printf(
      "# round trip %.1f ms, at least %.0f, jitter %.1f; loss %.3f out, %.3f in; %u sent again, %u of them "
      "fast, %u "
      "needlessly; %u unreliable missing\n",
      stat(l, ENETJS_PEER_STAT_SMOOTHED_ROUND_TRIP), stat(l, ENETJS_PEER_STAT_MINIMUM_ROUND_TRIP),
      stat(l, ENETJS_PEER_STAT_JITTER), stat(l, ENETJS_PEER_STAT_OUTGOING_LOSS),
      stat(l, ENETJS_PEER_STAT_INCOMING_LOSS), (unsigned)stat(l, ENETJS_PEER_STAT_RETRANSMITTED),
      (unsigned)stat(l, ENETJS_PEER_STAT_FAST_RETRANSMITTED),
      (unsigned)stat(l, ENETJS_PEER_STAT_NEEDLESSLY_RETRANSMITTED),
      (unsigned)stat(l, ENETJS_PEER_STAT_UNRELIABLE_MISSING));
}

TEST(a_quiet_link_has_a_round_trip_and_nothing_else) {
  struct linked l;
  unsigned sent;
  open_link(&l, NULL);
  enet_peer_throttle_configure(l.server.peer, 5000, 2, 0);
  sent = run(&l, 5);
  for (int i = 0; i < 4 * LATENCY_MS; i++) linked_step(&l);
  print(&l);
  CHECK(fabs(stat(&l, ENETJS_PEER_STAT_SMOOTHED_ROUND_TRIP) - 2 * LATENCY_MS) < 3);
  CHECK(fabs(stat(&l, ENETJS_PEER_STAT_MINIMUM_ROUND_TRIP) - 2 * LATENCY_MS) < 3);
  CHECK(stat(&l, ENETJS_PEER_STAT_JITTER) < 2);
  for (unsigned i = ENETJS_PEER_STAT_OUTGOING_LOSS; i <= ENETJS_PEER_STAT_NEEDLESSLY_RETRANSMITTED; i++)
    CHECK_EQ_INT(stat(&l, i), 0);
  CHECK_EQ_INT(stat(&l, ENETJS_PEER_STAT_UNRELIABLE_RECEIVED), sent);
  CHECK_EQ_INT(stat(&l, ENETJS_PEER_STAT_UNRELIABLE_MISSING), 0);
  CHECK_EQ_INT(stat(&l, ENETJS_PEER_STAT_UNRELIABLE_LATE), 0);
  CHECK_EQ_INT(stat(&l, ENETJS_PEER_STAT_REFUSED_DATAGRAMS), 0);
  linked_close(&l);
}

/* Either a command or its acknowledgement is lost: twice as often as a datagram. */
TEST(loss_shows_in_both_directions) {
  struct linked l;
  unsigned sent, missing;
  open_link(&l, some);
  enet_peer_throttle_configure(l.server.peer, 5000, 2, 0);
  sent = run(&l, SECONDS);
  print(&l);
  missing = (unsigned)stat(&l, ENETJS_PEER_STAT_UNRELIABLE_MISSING);
  CHECK(stat(&l, ENETJS_PEER_STAT_OUTGOING_LOSS) > 0.04 && stat(&l, ENETJS_PEER_STAT_OUTGOING_LOSS) < 0.16);
  CHECK(stat(&l, ENETJS_PEER_STAT_INCOMING_LOSS) > 0.02 && stat(&l, ENETJS_PEER_STAT_INCOMING_LOSS) < 0.09);
  CHECK(missing > sent * 0.03 && missing < sent * 0.07);
  CHECK(stat(&l, ENETJS_PEER_STAT_RETRANSMITTED) >= stat(&l, ENETJS_PEER_STAT_FAST_RETRANSMITTED));
  CHECK(stat(&l, ENETJS_PEER_STAT_RETRANSMITTED) > l.link.lost[0] / 4.0);
  l.link.fate = NULL;
  run(&l, 11);
  CHECK_EQ_INT(stat(&l, ENETJS_PEER_STAT_OUTGOING_LOSS), 0);
  CHECK_EQ_INT(stat(&l, ENETJS_PEER_STAT_INCOMING_LOSS), 0);
  linked_close(&l);
}

TEST(delay_that_varies_shows_as_jitter) {
  struct linked l;
  open_link(&l, varying);
  run(&l, 5);
  print(&l);
  CHECK(stat(&l, ENETJS_PEER_STAT_JITTER) > 1 && stat(&l, ENETJS_PEER_STAT_JITTER) < 20);
  linked_close(&l);
}

/* The shortest round trip is one of the last 20 s, so a longer way shows. */
TEST(the_shortest_round_trip_is_forgotten) {
  struct linked l;
  open_link(&l, NULL);
  run(&l, 1);
  l.link.latency[0] = l.link.latency[1] = 2 * LATENCY_MS;
  run(&l, 5);
  CHECK(stat(&l, ENETJS_PEER_STAT_MINIMUM_ROUND_TRIP) < 2 * LATENCY_MS + 3);
  CHECK(fabs(stat(&l, ENETJS_PEER_STAT_SMOOTHED_ROUND_TRIP) - 4 * LATENCY_MS) < 3);
  run(&l, 20);
  print(&l);
  CHECK(fabs(stat(&l, ENETJS_PEER_STAT_MINIMUM_ROUND_TRIP) - 4 * LATENCY_MS) < 3);
  linked_close(&l);
}

TEST(a_new_connection_begins_at_zero) {
  struct linked l;
  open_link(&l, some);
  run(&l, 3);
  CHECK(stat(&l, ENETJS_PEER_STAT_RETRANSMITTED) > 0);
  l.link.fate = NULL;
  CHECK_EQ_INT(enetjs_peer_disconnect(l.client.host, l.peer, 0, ENETJS_DISCONNECT), 0);
  UNTIL(l.client.disconnects == 1 && !l.server.peer, linked_step(&l));
  l.peer = enetjs_host_connect(l.client.host, LOOPBACK, l.link.front_port, 2, 0);
  CHECK(l.peer > 0);
  UNTIL(l.client.connects == 2 && l.server.peer, linked_step(&l));
  for (unsigned i = ENETJS_PEER_STAT_OUTGOING_LOSS; i < ENETJS_PEER_STAT_SENT_DATA; i++)
    CHECK_EQ_INT(stat(&l, i), 0);
  /* of the handshake */
  CHECK(stat(&l, ENETJS_PEER_STAT_SENT_PACKETS) <= 4);
  CHECK(stat(&l, ENETJS_PEER_STAT_RECEIVED_PACKETS) <= 4);
  linked_close(&l);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_quiet_link_has_a_round_trip_and_nothing_else),
      TEST_CASE(loss_shows_in_both_directions),
      TEST_CASE(delay_that_varies_shows_as_jitter),
      TEST_CASE(the_shortest_round_trip_is_forgotten),
      TEST_CASE(a_new_connection_begins_at_zero),
  };
  return test_run(cases, TEST_COUNT(cases));
}
