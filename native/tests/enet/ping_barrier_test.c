/* Floods of unreliable messages are sent no faster than the other side reads them. */
#include "../clock.h"
#include "../consumer.h"

/*
 * A busy machine may stop this program for longer than a barrier waits, which then lets everything pass. So
 * while a flood is queued the clock stands still, and while it is read the clock moves by a step for each
 * look at it.
 */
enum { STEP_NS = 100000 };

enum { MESSAGE_BYTES = 500, FLOOD = 8000 / SLOW /* many times what a socket's buffer holds */ };

static double queued(struct consumer *c, double peer) {
  return peer_statistic(c, peer, ENETJS_PEER_STAT_QUEUED_MESSAGES);
}

/* Stops the clock. */
static void send_flood(struct consumer *c, double peer, uint32_t flags) {
  uint8_t bytes[MESSAGE_BYTES] = {0};
  test_clock_stop();
  for (int i = 0; i < FLOOD; i++)
    CHECK(enetjs_peer_send_buffer(c->host, peer, 0, flags, bytes, sizeof(bytes), 0) >= 0);
  CHECK_EQ_INT(enetjs_host_flush(c->host), 0);
  CHECK(queued(c, peer) > FLOOD / 2);
}

static void step_both(struct consumer *a, struct consumer *b) {
  test_clock.ns += STEP_NS;
  poll_both(a, b);
}

static void check_flood_arrives(uint32_t flags, bool disconnect) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  send_flood(&client, peer, flags);
  if (disconnect) {
    CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 0, ENETJS_DISCONNECT_LATER), 0);
    UNTIL(client.disconnects == 1 && server.disconnects == 1, step_both(&client, &server));
  } else {
    UNTIL(queued(&client, peer) == 0, step_both(&client, &server));
    for (int i = 0; i < 20; i++) step_both(&client, &server);
  }
  test_clock.stopped = false;
  CHECK(server.receives > FLOOD - FLOOD / 10);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(a_flood_arrives) { check_flood_arrives(0, false); }
TEST(a_flood_of_unsequenced_messages_arrives) { check_flood_arrives(ENET_PACKET_FLAG_UNSEQUENCED, false); }
TEST(a_flood_arrives_before_a_later_disconnect) { check_flood_arrives(0, true); }

/* The server does not answer, so each step ends by time, and enetjs_next_wait tells when. */
TEST(a_flood_that_nobody_reads_goes_on) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  consumer_start(&client);
  client.config[ENETJS_CONFIG_ADDRESS] = -1;
  client.config[ENETJS_CONFIG_HIGH_WATER] = FLOOD * MESSAGE_BYTES / 8; /* so that a drain ends a wait */
  consumer_open(&client);
  peer = connect_pair_of(&client, &server);
  send_flood(&client, peer, 0);
  test_clock.stopped = false;
  UNTIL(queued(&client, peer) == 0, CHECK(enetjs_host_service(client.host, PATIENCE_MS) >= 0));
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

static void expect_order(struct consumer *c, const struct record *r) {
  uint32_t *next = c->context, number;
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  memcpy(&number, r->payload, sizeof(number));
  CHECK(number >= *next);
  *next = number + 1;
}

TEST(reliable_messages_keep_their_place_in_a_flood) {
  struct consumer server, client;
  uint8_t bytes[MESSAGE_BYTES] = {0};
  uint32_t next = 0;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  server.on_event = expect_order;
  server.context = &next;
  for (uint32_t i = 0; i < FLOOD; i++) {
    uint32_t flags = i % 10 == 9 ? ENET_PACKET_FLAG_RELIABLE : 0;
    memcpy(bytes, &i, sizeof(i));
    CHECK(enetjs_peer_send_buffer(client.host, peer, 0, flags, bytes, sizeof(bytes), flags ? i : 0) >= 0);
  }
  UNTIL(queued(&client, peer) == 0 && next == FLOOD, poll_both(&client, &server));
  CHECK_EQ_INT(client.delivered, FLOOD / 10);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_flood_arrives),
      TEST_CASE(a_flood_of_unsequenced_messages_arrives),
      TEST_CASE(a_flood_arrives_before_a_later_disconnect),
      TEST_CASE(a_flood_that_nobody_reads_goes_on),
      TEST_CASE(reliable_messages_keep_their_place_in_a_flood),
  };
  return test_run(cases, TEST_COUNT(cases));
}
