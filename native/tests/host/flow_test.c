/*
 * Bytes under way to a far peer over a simulated network: windows, and long messages that are sent in pieces
 * or given up.
 */
#include <time.h>

#include "../consumer.h"
#include "base/clock.h"
#include "enet/congestion.h"

#define MEBIBYTE ((size_t)1 << 20)

struct pair {
  struct consumer server, client;
  double peer;
};

static void set_link(struct consumer *c, double latency_ms, double rate, double pass) {
  double link[ENETJS_LINK_COUNT] = {0};
  static const int directions[] = {ENETJS_LINK_SENT, ENETJS_LINK_RECEIVED};
  link[ENETJS_LINK_LAST] = UINT32_MAX;
  for (unsigned i = 0; i < 2; i++) {
    double *conditions = link + directions[i];
    conditions[ENETJS_CONDITION_PASS_GOOD] = pass;
    conditions[ENETJS_CONDITION_LATENCY_MS] = latency_ms;
    conditions[ENETJS_CONDITION_RATE] = rate;
    conditions[ENETJS_CONDITION_QUEUE_BYTES] = rate / 5;
  }
  CHECK_EQ_INT(enetjs_host_set_conditions(c->host, (uint8_t *)link, sizeof(link), 7), 0);
}

static void poll_pair(struct pair *pair) { poll_both(&pair->client, &pair->server); }

static struct enetjs_slot *slot_of(struct pair *pair) { return &host_of(&pair->client)->slots[0]; }

static ENetPeer *peer_of(struct pair *pair) { return &host_of(&pair->client)->enet->peers[0]; }

/* The client knows that the server is far. */
static void open_far(struct pair *pair, double rate) {
  server_open(&pair->server);
  client_open(&pair->client);
  pair->peer = connect_pair_of(&pair->client, &pair->server);
  UNTIL(enetjs_window_idle(peer_of(pair)) && enetjs_window_idle(&host_of(&pair->server)->enet->peers[0]),
        poll_pair(pair));
  set_link(&pair->client, 20, rate, 1);
  /* What was measured without the link is forgotten. */
  memset(&slot_of(pair)->window, 0, sizeof(slot_of(pair)->window));
  CHECK_EQ_INT(enetjs_peer_ping(pair->client.host, pair->peer), 0);
  UNTIL(slot_of(pair)->is_far, poll_pair(pair));
}

static void close_pair(struct pair *pair) {
  CHECK_EQ_INT(enetjs_host_set_conditions(pair->client.host, (const uint8_t *)"", 0, 0), 0);
  consumer_close(&pair->client);
  consumer_close(&pair->server);
  check_nothing_left();
}

static double send_bytes(struct pair *pair, unsigned channel, const uint8_t *bytes, size_t length,
                         double token) {
  return enetjs_peer_send_buffer(pair->client.host, pair->peer, channel, ENET_PACKET_FLAG_RELIABLE, bytes,
                                 (double)length, token);
}

/* Sends without end, so that the window is made use of. */
static void pour(struct pair *pair) {
  static uint8_t bytes[16 * 1024];
  while (!slot_of(pair)->above_high_water) send_bytes(pair, 0, bytes, sizeof(bytes), 0);
  poll_pair(pair);
}

/*
 * As on a link that carries so much. On a busy machine, round trips are too uneven for the controller to find
 * that.
 */
static void pour_with_window(struct pair *pair, size_t window) {
  slot_of(pair)->window.congestion.phase = ENETJS_STEADY;
  slot_of(pair)->window.congestion.window = (double)window;
  pour(pair);
}

static double sent_bytes(struct pair *pair) { return statistic(&pair->client, ENETJS_HOST_STAT_SENT_DATA); }

TEST(a_near_peer_keeps_its_window_though_enet_puts_it_back) {
  struct pair pair;
  server_open(&pair.server);
  client_open(&pair.client);
  pair.peer = connect_pair_of(&pair.client, &pair.server);
  CHECK_EQ_INT(enetjs_host_set(pair.server.host, ENETJS_CONFIG_INCOMING_BANDWIDTH, 0, 0), 0);
  for (unsigned i = 0; i < 20; i++) {
    pour(&pair);
    peer_of(&pair)->windowSize = ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE; /* as BANDWIDTH_LIMIT does */
  }
  UNTIL(peer_of(&pair)->windowSize == ENETJS_WINDOW_NEAR, pour(&pair));
  CHECK(!slot_of(&pair)->is_far);
  consumer_close(&pair.client);
  consumer_close(&pair.server);
}

TEST(a_limited_window_is_left_alone) {
  struct pair pair;
  open_far(&pair, 0);
  CHECK_EQ_INT(enetjs_host_set(pair.client.host, ENETJS_CONFIG_INCOMING_BANDWIDTH, 0, 1000000), 0);
  peer_of(&pair)->windowSize = 12345;
  for (unsigned i = 0; i < 50; i++) pour(&pair);
  CHECK_EQ_INT(peer_of(&pair)->windowSize, 12345);
  close_pair(&pair);
}

TEST(the_window_is_enets_where_that_is_asked_for) {
  struct pair pair;
  open_far(&pair, 0);
  CHECK_EQ_INT(enetjs_host_set(pair.client.host, ENETJS_CONFIG_CONGESTION, 2, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_set(pair.client.host, ENETJS_CONFIG_CONGESTION, ENETJS_CONGESTION_ENET, 0), 0);
  UNTIL(pair.server.receives > 30, {
    pour(&pair);
    CHECK(peer_of(&pair)->reliableDataInTransit <= ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE);
  });
  CHECK_EQ_INT(enetjs_host_set(pair.client.host, ENETJS_CONFIG_CONGESTION, ENETJS_CONGESTION_ADAPTIVE, 0), 0);
  UNTIL(peer_of(&pair)->reliableDataInTransit > 2 * ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE,
        pour_with_window(&pair, MEBIBYTE));
  close_pair(&pair);
}

/*
 * Whether the system has run others meanwhile. A service that is interrupted between its turns rightly sends
 * what the time in between allows, in each of them.
 */
static bool was_interrupted(uint64_t start_us, clock_t start_cpu) {
  const double wall = (double)(enetjs_clock_us() - start_us), cpu = (double)(clock() - start_cpu);
  return wall > cpu * 1e6 / CLOCKS_PER_SEC + 2000;
}

TEST(what_is_sent_again_is_no_burst) {
  struct pair pair;
  double before, most = 0;
  enet_uint32 lost;
  open_far(&pair, 0);
  UNTIL(peer_of(&pair)->reliableDataInTransit > MEBIBYTE, pour_with_window(&pair, 2 * MEBIBYTE));
  CHECK_EQ_INT(enetjs_host_blackout(pair.client.host, 300), 0);
  lost = peer_of(&pair)->packetsLost;
  UNTIL(peer_of(&pair)->packetsLost > lost + 300, {
    uint64_t start_us = enetjs_clock_us();
    clock_t start_cpu = clock();
    before = sent_bytes(&pair);
    CHECK(enetjs_host_service(pair.client.host, 0) >= 0);
    if (!was_interrupted(start_us, start_cpu) && sent_bytes(&pair) - before > most)
      most = sent_bytes(&pair) - before;
    consumer_drain(&pair.client);
  });
  printf("# %.0f KiB at once at most, of %.0f KiB under way\n", most / 1024, MEBIBYTE / 1024.0);
  CHECK(most < MEBIBYTE / 2.0); /* a service is more than one turn, and can be interrupted between them */
  close_pair(&pair);
}

TEST(enet_has_what_may_leave_and_no_more) {
  struct pair pair;
  open_far(&pair, 2e6);
  for (unsigned i = 0; i < 300; i++) {
    pour(&pair);
    CHECK(enetjs_window_count_unsent(peer_of(&pair)) <= 128 * 1024 + 32 * 1024);
    CHECK(slot_of(&pair)->lanes.first != NULL);
    CHECK(slot_of(&pair)->inside_messages <= ENETJS_INSIDE_MESSAGES);
  }
  close_pair(&pair);
}

static void check_payload(struct consumer *c, const struct record *r) {
  const unsigned *expected = c->context;
  if (r->type == ENETJS_EVENT_RECEIVE) CHECK(r->channel == 1 || payload_is(r->payload, r->length, *expected));
}

/* It is cut into pieces, another channel overtakes it, and it arrives whole, before what follows it. */
TEST(a_long_message_is_given_in_pieces) {
  struct pair pair;
  unsigned seed = 5;
  size_t length = 2 * MEBIBYTE;
  uint8_t *bytes = malloc(length);
  payload_fill(bytes, length, seed);
  open_far(&pair, 4e6);
  pair.server.context = &seed;
  pair.server.on_event = check_payload;
  CHECK(send_bytes(&pair, 0, bytes, length, 1) >= 0);
  poll_pair(&pair);
  CHECK(slot_of(&pair)->lanes.rest_bytes > MEBIBYTE);
  CHECK(send_bytes(&pair, 0, bytes, 100, 2) >= 0); /* its beginning, so that the check is the same */
  CHECK(send_bytes(&pair, 1, bytes, 100, 3) >= 0);
  UNTIL(pair.client.delivered == 1, poll_pair(&pair));
  CHECK_EQ_INT(pair.client.last_completion.data, 3);
  CHECK(slot_of(&pair)->lanes.rest_bytes > 0);
  UNTIL(pair.client.delivered == 3, poll_pair(&pair));
  CHECK_EQ_INT(slot_of(&pair)->lanes.rest_bytes, 0);
  CHECK_EQ_INT(slot_of(&pair)->queued_bytes, 0);
  CHECK_EQ_INT(slot_of(&pair)->inside_bytes, 0);
  free(bytes);
  close_pair(&pair);
}

/* The room ends within the last fragment, so nothing is left to wait. */
TEST(a_message_that_is_a_little_too_long_goes_whole) {
  struct pair pair;
  static uint8_t bytes[16 * 1024];
  open_far(&pair, 0);
  slot_of(&pair)->room = sizeof(bytes) - 10;
  CHECK_EQ_INT(send_bytes(&pair, 0, bytes, sizeof(bytes), 1), 0);
  CHECK_EQ_INT(slot_of(&pair)->lanes.rest_bytes, 0);
  CHECK(slot_of(&pair)->lanes.first == NULL);
  CHECK_EQ_INT(send_bytes(&pair, 0, bytes, sizeof(bytes), 2), 0);
  UNTIL(pair.client.delivered == 2, poll_pair(&pair));
  close_pair(&pair);
}

/* However the connection ends, nothing is left of a message of which ENet has a part. */
static void check_end(void (*end)(struct pair *)) {
  struct pair pair;
  uint8_t *bytes = calloc(2, MEBIBYTE);
  open_far(&pair, 4e6);
  CHECK(send_bytes(&pair, 0, bytes, 2 * MEBIBYTE, 1) >= 0);
  CHECK(send_bytes(&pair, 1, bytes, MEBIBYTE, 2) >= 0);
  for (unsigned i = 0; i < 5; i++) poll_pair(&pair);
  CHECK(slot_of(&pair)->lanes.rest_bytes > 0);
  end(&pair);
  UNTIL(pair.client.closed == 1, poll_pair(&pair));
  CHECK_EQ_INT(pair.client.undelivered, 2);
  CHECK_EQ_INT(slot_of(&pair)->queued_messages, 0);
  CHECK_EQ_INT(slot_of(&pair)->inside_bytes, 0);
  CHECK_EQ_INT(slot_of(&pair)->lanes.rest_bytes, 0);
  free(bytes);
  close_pair(&pair);
}

static void disconnect(struct pair *pair) {
  CHECK_EQ_INT(enetjs_peer_disconnect(pair->client.host, pair->peer, 0, ENETJS_DISCONNECT), 0);
}

static void disconnect_now(struct pair *pair) {
  CHECK_EQ_INT(enetjs_peer_disconnect(pair->client.host, pair->peer, 0, ENETJS_DISCONNECT_NOW), 0);
}

static void reset(struct pair *pair) { CHECK_EQ_INT(enetjs_peer_reset(pair->client.host, pair->peer), 0); }

static void leave(struct pair *pair) {
  CHECK_EQ_INT(enetjs_peer_disconnect(pair->server.host, pair->server.peer, 0, ENETJS_DISCONNECT), 0);
}

TEST(nothing_is_left_of_a_part_when_the_connection_ends) {
  check_end(disconnect);
  check_end(disconnect_now);
  check_end(reset);
  check_end(leave);
}

TEST(a_disconnect_later_waits_for_the_rest) {
  struct pair pair;
  uint8_t *bytes = calloc(1, MEBIBYTE);
  open_far(&pair, 8e6);
  CHECK(send_bytes(&pair, 0, bytes, MEBIBYTE, 1) >= 0);
  CHECK_EQ_INT(enetjs_peer_disconnect(pair.client.host, pair.peer, 0, ENETJS_DISCONNECT_LATER), 0);
  UNTIL(pair.client.closed == 1, poll_pair(&pair));
  CHECK_EQ_INT(pair.client.delivered, 1);
  free(bytes);
  close_pair(&pair);
}

TEST(a_host_that_closes_leaves_nothing) {
  struct pair pair;
  uint8_t *bytes = calloc(1, MEBIBYTE);
  open_far(&pair, 8e6);
  CHECK(send_bytes(&pair, 0, bytes, MEBIBYTE, 0) >= 0);
  CHECK(send_bytes(&pair, 1, bytes, MEBIBYTE, 0) >= 0);
  poll_pair(&pair);
  free(bytes);
  close_pair(&pair);
}

TEST(channels_share_by_their_priority) {
  struct pair pair;
  static uint8_t bytes[8 * 1024];
  unsigned left = 0;
  open_far(&pair, 4e6);
  CHECK_EQ_INT(enetjs_peer_set(pair.client.host, pair.peer, ENETJS_PEER_PRIORITY, 1, 4, 0), 0);
  CHECK_EQ_INT(enetjs_peer_set(pair.client.host, pair.peer, ENETJS_PEER_PRIORITY, 2, 4, 0),
               ENETJS_ERR_CHANNEL);
  CHECK_EQ_INT(enetjs_peer_set(pair.client.host, pair.peer, ENETJS_PEER_PRIORITY, 1, 0, 0),
               ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_peer_set(pair.client.host, pair.peer, ENETJS_PEER_PRIORITY, 1, 101, 0),
               ENETJS_ERR_ARGUMENT);
  for (unsigned i = 0; i < 100; i++)
    for (unsigned channel = 0; channel < 2; channel++)
      send_bytes(&pair, channel, bytes, sizeof(bytes), channel + 1);
  UNTIL(slot_of(&pair)->lanes.lane[1].head == NULL, poll_pair(&pair));
  for (const struct enetjs_outgoing *out = slot_of(&pair)->lanes.lane[0].head; out; out = out->next) left++;
  printf("# %u of 100 were left\n", left);
  CHECK(left > 60 && left < 85);
  UNTIL(pair.client.delivered == 200, poll_pair(&pair));
  close_pair(&pair);
}

TEST(the_pump_paces_though_nobody_services) {
  struct pair pair;
  static uint8_t bytes[16 * 1024];
  double before;
  server_open(&pair.server);
  consumer_start(&pair.client);
  pair.client.config[ENETJS_CONFIG_ADDRESS] = -1;
  pair.client.config[ENETJS_CONFIG_PUMP] = 1;
  consumer_open(&pair.client);
  consumer_start_pump(&pair.client);
  pair.peer = connect_pair_of(&pair.client, &pair.server);
  set_link(&pair.client, 20, 8e6, 1);
  for (unsigned i = 0; i < 60; i++) send_bytes(&pair, 0, bytes, sizeof(bytes), 0);
  CHECK_EQ_INT(enetjs_host_flush(pair.client.host), 0);
  before = pair.server.receives + pair.server.packets;
  UNTIL(pair.server.receives + pair.server.packets - before >= 60, consumer_poll(&pair.server));
  close_pair(&pair);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(a_near_peer_keeps_its_window_though_enet_puts_it_back),
      TEST_CASE(a_limited_window_is_left_alone),
      TEST_CASE(the_window_is_enets_where_that_is_asked_for),
      TEST_CASE(what_is_sent_again_is_no_burst),
      TEST_CASE(enet_has_what_may_leave_and_no_more),
      TEST_CASE(a_long_message_is_given_in_pieces),
      TEST_CASE(a_message_that_is_a_little_too_long_goes_whole),
      TEST_CASE(nothing_is_left_of_a_part_when_the_connection_ends),
      TEST_CASE(a_disconnect_later_waits_for_the_rest),
      TEST_CASE(a_host_that_closes_leaves_nothing),
      TEST_CASE(channels_share_by_their_priority),
      TEST_CASE(the_pump_paces_though_nobody_services),
  };
  CHECK_EQ_INT(enetjs_host_initialize(), 0);
  return test_run(cases, TEST_COUNT(cases));
}
