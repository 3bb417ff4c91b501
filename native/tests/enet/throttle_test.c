/*
 * ENet's throttle: how many unreliable messages are sent when the delay changes and nothing is lost, with
 * plain ENet on the other side.
 */
#include "../link.h"

enum { NEAR_MS = 25, FAR_MS = 60, PHASE_MS = 1500 / SLOW, EVERY_MS = 5 };

struct flow {
  unsigned sent, returned; /* unreliable messages, to and from the plain side */
};

static const uint8_t message[100];

static void open_with(struct linked *l, int throttle, bool ask) {
  consumer_start(&l->client);
  l->client.config[ENETJS_CONFIG_THROTTLE] = throttle;
  l->client.config[ENETJS_CONFIG_REMOTE_THROTTLE] = ask;
  linked_open(l, NEAR_MS, 1);
}

static void send_to_plain(struct linked *l, uint32_t flags) {
  CHECK(enetjs_peer_send_buffer(l->client.host, l->peer, 0, flags, message, sizeof(message), 0) >= 0);
}

/*
 * Both sides send: unreliable messages, and now and then a reliable one, whose acknowledgement measures a
 * round trip.
 */
static void send_for(struct linked *l, struct flow *flow, unsigned ms) {
  for (unsigned i = 0; i < ms; i++) {
    if (i % EVERY_MS == 0) {
      send_to_plain(l, 0);
      plain_send(&l->server, 0, 0, message, sizeof(message));
      flow->sent++;
    }
    if (i % (4 * EVERY_MS) == 0) {
      send_to_plain(l, ENET_PACKET_FLAG_RELIABLE);
      plain_send(&l->server, 1, ENET_PACKET_FLAG_RELIABLE, message, sizeof(message));
    }
    linked_step(l);
  }
}

static void count_unreliable(struct consumer *c, const struct record *r) {
  if (r->type == ENETJS_EVENT_RECEIVE && r->channel == 0) ((struct flow *)c->context)->returned++;
}

static void count_arrived(struct plain *p, const ENetPacket *packet) {
  if (!(packet->flags & ENET_PACKET_FLAG_RELIABLE)) ++*(unsigned *)p->context;
}

struct shares {
  double arrived, returned, throttled; /**< exact where they are 0 or 1 */
};

/*
 * @returns what share of unreliable messages has arrived while the delay rose from 25 to 60 ms and fell again
 */
static struct shares shares_with(int throttle, bool ask) {
  struct linked l;
  struct flow flow = {0};
  struct shares shares;
  unsigned arrived = 0;
  open_with(&l, throttle, ask);
  l.client.on_event = count_unreliable;
  l.client.context = &flow;
  l.server.on_packet = count_arrived;
  l.server.context = &arrived;
  for (int phase = 0; phase < 4; phase++) {
    l.link.latency[0] = l.link.latency[1] = phase % 2 ? FAR_MS : NEAR_MS;
    send_for(&l, &flow, PHASE_MS);
  }
  for (int i = 0; i < 3 * FAR_MS; i++) linked_step(&l);
  shares.arrived = (double)arrived / flow.sent;
  shares.returned = (double)flow.returned / flow.sent;
  shares.throttled = peer_statistic(&l.client, l.peer, ENETJS_PEER_STAT_THROTTLED) / flow.sent;
  printf("# of %u arrive %.4f, from the plain side %.4f; counted as dropped %.4f\n", flow.sent,
         shares.arrived, shares.returned, shares.throttled);
  linked_close(&l);
  return shares;
}

TEST(with_the_throttle_of_enet_rising_delay_loses_messages_and_they_are_counted) {
  struct shares shares = shares_with(ENETJS_THROTTLE_ENET, false);
  CHECK(shares.arrived < 0.95 && shares.returned < 0.95);
  CHECK(shares.throttled > 0.05 && shares.arrived + shares.throttled == 1);
}

TEST(with_the_throttle_of_games_it_loses_none_of_what_this_side_sends) {
  struct shares shares = shares_with(ENETJS_THROTTLE_GAME, false);
  CHECK(shares.arrived == 1 && shares.throttled == 0);
  CHECK(shares.returned < 0.95);
}

TEST(a_plain_peer_that_is_asked_loses_none_either) {
  struct shares shares = shares_with(ENETJS_THROTTLE_GAME, true);
  CHECK(shares.arrived == 1 && shares.returned == 1);
}

TEST(asking_the_other_side_leaves_the_throttle_of_this_one_on) {
  struct shares shares = shares_with(ENETJS_THROTTLE_ENET, true);
  CHECK(shares.arrived < 0.95 && shares.returned == 1);
}

/* ---- Which side sets the deceleration -------------------------------------------------------- */

static void settle(struct linked *l) {
  for (int i = 0; i < 4 * NEAR_MS; i++) linked_step(l);
}

static void check_deceleration(struct linked *l, unsigned expected, unsigned remote) {
  settle(l);
  CHECK_EQ_INT(linked_peer(l)->packetThrottleDeceleration, expected);
  CHECK_EQ_INT(l->server.peer->packetThrottleDeceleration, remote);
}

static void configure(struct linked *l, double deceleration) {
  CHECK_EQ_INT(enetjs_peer_set(l->client.host, l->peer, ENETJS_PEER_THROTTLE, 1000, 2, deceleration), 0);
}

TEST(nothing_is_told_unless_it_is_asked_for) {
  struct linked l;
  open_with(&l, ENETJS_THROTTLE_GAME, false);
  check_deceleration(&l, 0, ENET_PEER_PACKET_THROTTLE_DECELERATION);
  linked_close(&l);
}

TEST(the_other_side_cannot_turn_the_throttle_on) {
  struct linked l;
  open_with(&l, ENETJS_THROTTLE_GAME, false);
  enet_peer_throttle_configure(l.server.peer, 2000, 3, 5);
  check_deceleration(&l, 0, 5);
  CHECK_EQ_INT(linked_peer(&l)->packetThrottleInterval, 2000);
  CHECK_EQ_INT(linked_peer(&l)->packetThrottleAcceleration, 3);
  linked_close(&l);
}

TEST(the_program_can_and_keeps_what_it_has_set) {
  struct linked l;
  open_with(&l, ENETJS_THROTTLE_GAME, false);
  configure(&l, 4);
  check_deceleration(&l, 4, 4);
  enet_peer_throttle_configure(l.server.peer, 2000, 3, 5);
  check_deceleration(&l, 4, 5);
  linked_close(&l);
}

TEST(with_the_throttle_of_enet_the_last_word_counts) {
  struct linked l;
  open_with(&l, ENETJS_THROTTLE_ENET, false);
  configure(&l, 4);
  check_deceleration(&l, 4, 4);
  enet_peer_throttle_configure(l.server.peer, 2000, 3, 5);
  check_deceleration(&l, 5, 5);
  linked_close(&l);
}

TEST(a_new_connection_in_the_same_slot_begins_anew) {
  struct linked l;
  open_with(&l, ENETJS_THROTTLE_GAME, false);
  configure(&l, 4);
  settle(&l);
  CHECK_EQ_INT(enetjs_peer_disconnect(l.client.host, l.peer, 0, ENETJS_DISCONNECT), 0);
  UNTIL(l.client.disconnects == 1 && !l.server.peer, linked_step(&l));
  CHECK_EQ_INT(enetjs_host_set(l.client.host, ENETJS_CONFIG_THROTTLE, ENETJS_THROTTLE_ENET, 0), 0);
  l.peer = enetjs_host_connect(l.client.host, LOOPBACK, l.link.front_port, 2, 0);
  CHECK(l.peer > 0);
  UNTIL(l.client.connects == 2 && l.server.peer, linked_step(&l));
  check_deceleration(&l, ENET_PEER_PACKET_THROTTLE_DECELERATION, ENET_PEER_PACKET_THROTTLE_DECELERATION);
  linked_close(&l);
}

/* ---- Bandwidth ------------------------------------------------------------------------------- */

/* What a limit has lowered rises with the limit, also while round trips take longer than before. */
TEST(a_bandwidth_limit_still_counts_and_only_while_it_is_exceeded) {
  struct linked l;
  struct flow flow = {0};
  open_with(&l, ENETJS_THROTTLE_GAME, false);
  CHECK_EQ_INT(enetjs_host_set(l.client.host, ENETJS_CONFIG_INCOMING_BANDWIDTH, 0, 5000), 0);
  send_for(&l, &flow, 3000);
  CHECK(peer_statistic(&l.client, l.peer, ENETJS_PEER_STAT_THROTTLED) > 50);
  CHECK(linked_peer(&l)->packetThrottle < ENET_PEER_PACKET_THROTTLE_SCALE);
  CHECK_EQ_INT(enetjs_host_set(l.client.host, ENETJS_CONFIG_INCOMING_BANDWIDTH, 0, 0), 0);
  l.link.latency[0] = FAR_MS;
  send_for(&l, &flow, 1500);
  CHECK_EQ_INT(linked_peer(&l)->packetThrottle, ENET_PEER_PACKET_THROTTLE_SCALE);
  linked_close(&l);
}

/* ---- Ping barriers --------------------------------------------------------------------------- */

/*
 * A flood has many of their pings acknowledged late. In the time of one ping of ENet's own, one of them
 * counts.
 */
TEST(the_pings_of_a_flood_move_the_throttle_no_more_often_than_those_of_enet) {
  struct linked l;
  uint8_t bytes[1000] = {0};
  unsigned lowest = ENET_PEER_PACKET_THROTTLE_SCALE;
  open_with(&l, ENETJS_THROTTLE_ENET, false);
  settle(&l);
  l.link.latency[0] = l.link.latency[1] = 4 * FAR_MS;
  for (int i = 0; i < ENET_PEER_PING_INTERVAL + 8 * FAR_MS; i++) {
    for (int k = 0; k < 4; k++)
      CHECK(enetjs_peer_send_buffer(l.client.host, l.peer, 0, 0, bytes, sizeof(bytes), 0) >= 0);
    linked_step(&l);
    if (linked_peer(&l)->packetThrottle < lowest) lowest = linked_peer(&l)->packetThrottle;
  }
  printf("# the throttle is %u at least\n", lowest);
  CHECK(lowest >= ENET_PEER_PACKET_THROTTLE_SCALE - 2 * ENET_PEER_PACKET_THROTTLE_DECELERATION);
  linked_close(&l);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(with_the_throttle_of_enet_rising_delay_loses_messages_and_they_are_counted),
      TEST_CASE(with_the_throttle_of_games_it_loses_none_of_what_this_side_sends),
      TEST_CASE(a_plain_peer_that_is_asked_loses_none_either),
      TEST_CASE(asking_the_other_side_leaves_the_throttle_of_this_one_on),
      TEST_CASE(nothing_is_told_unless_it_is_asked_for),
      TEST_CASE(the_other_side_cannot_turn_the_throttle_on),
      TEST_CASE(the_program_can_and_keeps_what_it_has_set),
      TEST_CASE(with_the_throttle_of_enet_the_last_word_counts),
      TEST_CASE(a_new_connection_in_the_same_slot_begins_anew),
      TEST_CASE(a_bandwidth_limit_still_counts_and_only_while_it_is_exceeded),
      TEST_CASE(the_pings_of_a_flood_move_the_throttle_no_more_often_than_those_of_enet),
  };
  return test_run(cases, TEST_COUNT(cases));
}
