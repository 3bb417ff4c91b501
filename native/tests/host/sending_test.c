/* Messages to some of the peers, and unreliable messages that are dropped or sent reliably. */
#include "../consumer.h"

#define CLIENTS 5

struct party {
  struct consumer server, clients[CLIENTS];
  double peers[CLIENTS]; /* as the server knows them */
};

static void party_open(struct party *p) {
  server_open(&p->server);
  for (unsigned i = 0; i < CLIENTS; i++) {
    client_open(&p->clients[i]);
    connect_pair_of(&p->clients[i], &p->server);
    p->peers[i] = p->server.peer;
  }
}

static void party_close(struct party *p) {
  consumer_close(&p->server);
  for (unsigned i = 0; i < CLIENTS; i++) consumer_close(&p->clients[i]);
  check_nothing_left();
}

static void party_poll(struct party *p) {
  for (unsigned i = 0; i < CLIENTS; i++) consumer_poll(&p->clients[i]);
  consumer_poll(&p->server);
}

static unsigned received(const struct party *p) {
  unsigned sum = 0;
  for (unsigned i = 0; i < CLIENTS; i++) sum += p->clients[i].receives;
  return sum;
}

static double send_to(struct party *p, size_t length, const double *peers, size_t count, double mode) {
  static const uint8_t bytes[20000];
  return enetjs_host_broadcast_buffer(p->server.host, 0, 1, bytes, (double)length, (const uint8_t *)peers,
                                      (double)(count * sizeof(*peers)), mode);
}

TEST(only_those_named_get_it) {
  static struct party p;
  double some[3];
  party_open(&p);
  memcpy(some, (double[]){p.peers[4], p.peers[0], p.peers[2]}, sizeof(some));
  CHECK_EQ_INT(send_to(&p, 10, some, 3, ENETJS_BROADCAST_TO), 3);
  CHECK_EQ_INT(send_to(&p, 20000, some, 2, ENETJS_BROADCAST_TO), 2);
  CHECK_EQ_INT(diagnostic(ENETJS_DIAGNOSTIC_PACKETS), 1); /* which they share */
  CHECK_EQ_INT(send_to(&p, 10, some, 0, ENETJS_BROADCAST_TO), 0);
  UNTIL(received(&p) == 5, party_poll(&p));
  CHECK_EQ_INT(p.clients[4].receives, 2);
  CHECK_EQ_INT(p.clients[0].receives, 2);
  CHECK_EQ_INT(p.clients[2].receives, 1);
  party_close(&p);
}

TEST(all_but_those_named_get_it) {
  static struct party p;
  party_open(&p);
  CHECK_EQ_INT(send_to(&p, 10, p.peers + 1, 2, ENETJS_BROADCAST_EXCEPT), 3);
  CHECK_EQ_INT(send_to(&p, 10, p.peers, CLIENTS, ENETJS_BROADCAST_EXCEPT), 0);
  /* nobody is left out for good */
  CHECK_EQ_INT(send_to(&p, 600, p.peers, 0, ENETJS_BROADCAST_EXCEPT), CLIENTS);
  UNTIL(received(&p) == 3 + CLIENTS, party_poll(&p));
  CHECK_EQ_INT(p.clients[0].receives, 2);
  CHECK_EQ_INT(p.clients[1].receives, 1);
  CHECK_EQ_INT(p.clients[2].receives, 1);
  party_close(&p);
}

/* A handle that has ended names neither its slot's next connection nor anything else. */
TEST(those_that_have_ended_get_nothing) {
  static struct party p;
  double ids[6];
  party_open(&p);
  memcpy(ids, (double[]){p.peers[0], p.peers[1], -1, 0, NAN, 1e300}, sizeof(ids));
  CHECK_EQ_INT(enetjs_peer_reset(p.server.host, p.peers[0]), 0);
  CHECK_EQ_INT(send_to(&p, 10, ids, 6, ENETJS_BROADCAST_TO), 1);
  consumer_drain(&p.server);
  connect_pair_of(&p.clients[0], &p.server);
  CHECK_EQ_INT(fmod(p.server.peer, ENETJS_PEER_SLOTS), fmod(p.peers[0], ENETJS_PEER_SLOTS));
  CHECK_EQ_INT(send_to(&p, 10, ids, 6, ENETJS_BROADCAST_TO), 1);
  CHECK_EQ_INT(send_to(&p, 10, ids, 6, ENETJS_BROADCAST_EXCEPT), CLIENTS - 1);
  CHECK_EQ_INT(enetjs_peer_disconnect(p.server.host, p.peers[1], 0, ENETJS_DISCONNECT_LATER), 0);
  CHECK_EQ_INT(send_to(&p, 10, ids, 6, ENETJS_BROADCAST_TO), 0);
  CHECK_EQ_INT(send_to(&p, 10, NULL, 0, ENETJS_BROADCAST_TO), ENETJS_ERR_ARGUMENT);
  party_close(&p);
}

static void expect_lengths(struct consumer *c, const struct record *r) {
  const uint32_t *lengths = c->context;
  if (r->type == ENETJS_EVENT_RECEIVE) CHECK_EQ_INT(r->length, lengths[c->receives - 1]);
}

TEST(the_order_with_other_messages_stays) {
  static struct party p;
  static uint32_t lengths[] = {7, 10, 4};
  uint32_t header[4], index;
  party_open(&p);
  /* One of the outbox goes first, for it was written first. */
  index = (uint32_t)fmod(p.peers[3], ENETJS_PEER_SLOTS);
  memcpy(header, (uint32_t[]){index, (uint32_t)(p.peers[3] / ENETJS_PEER_SLOTS), 1 << 8, 7}, sizeof(header));
  memcpy(p.server.block + p.server.words[ENETJS_WORD_SCRATCH_OFFSET], header, sizeof(header));
  p.server.words[ENETJS_WORD_OUTBOX_FILLED] = sizeof(header) + 8;
  CHECK_EQ_INT(send_to(&p, 10, p.peers + 3, 1, ENETJS_BROADCAST_TO), 1);
  CHECK_EQ_INT(send_text(&p.server, p.peers[3], 1, "last", 0), 0);
  p.clients[3].on_event = expect_lengths;
  p.clients[3].context = lengths;
  UNTIL(p.clients[3].receives == 3, party_poll(&p));
  party_close(&p);
}

/* ---- Unreliable messages ----------------------------------------------------------------------- */

static double send_bytes(struct consumer *c, double peer, double flags, size_t length) {
  static const uint8_t bytes[4000];
  return enetjs_peer_send_buffer(c->host, peer, 0, flags, bytes, (double)length, 0);
}

/* What fits a datagram of 1400 bytes, beside the headers. */
#define WHOLE (1400 - 4 - 24)

static double sent_reliably(struct consumer *c, double peer) {
  return peer_statistic(c, peer, ENETJS_PEER_STAT_SENT_RELIABLY);
}

static void remember_flags(struct consumer *c, const struct record *r) {
  if (r->type == ENETJS_EVENT_RECEIVE) *(uint32_t *)c->context = r->flags;
}

/* Whether it is counted, and whether it arrived as a reliable one. */
static void check_unreliable(struct consumer *client, struct consumer *server, double peer, double flags,
                             size_t length, bool reliably) {
  unsigned before = server->receives;
  double count = sent_reliably(client, peer);
  uint32_t arrived = 0;
  server->context = &arrived;
  server->on_event = remember_flags;
  CHECK(send_bytes(client, peer, flags, length) >= 0);
  UNTIL(server->receives > before, poll_both(client, server));
  CHECK_EQ_INT(sent_reliably(client, peer) - count, reliably);
  CHECK_EQ_INT(arrived & ENET_PACKET_FLAG_RELIABLE, reliably);
}

/* Until then each datagram has room for an acknowledgement, see handshake.c. */
static void confirm(struct consumer *client, struct consumer *server, double peer) {
  UNTIL(peer_statistic(client, peer, ENETJS_PEER_STAT_SINCE_LAST_RECEIVE) >= 0, poll_both(client, server));
}

TEST(large_unreliable_messages_are_counted) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  confirm(&client, &server, peer);
  check_unreliable(&client, &server, peer, 0, WHOLE, false);
  CHECK_EQ_INT(client.sent_reliably, 0);
  check_unreliable(&client, &server, peer, 0, WHOLE + 1, true);
  CHECK_EQ_INT(client.sent_reliably, 1);
  CHECK_EQ_INT(client.last_completion.data, WHOLE + 1);
  CHECK_EQ_INT(client.last_completion.extra, WHOLE);
  check_unreliable(&client, &server, peer, ENET_PACKET_FLAG_UNSEQUENCED, 4000, true);
  check_unreliable(&client, &server, peer, ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT, 4000, false);
  CHECK(send_bytes(&client, peer, 1, 4000) >= 0);
  CHECK_EQ_INT(sent_reliably(&client, peer), 2);
  CHECK_EQ_INT(client.sent_reliably, 1); /* the program is told of the first only */
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

TEST(a_checksum_makes_datagrams_smaller) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_CHECKSUM, 1, 0), 0);
  CHECK_EQ_INT(enetjs_host_set(client.host, ENETJS_CONFIG_CHECKSUM, 1, 0), 0);
  peer = connect_pair_of(&client, &server);
  confirm(&client, &server, peer);
  check_unreliable(&client, &server, peer, 0, WHOLE - 4, false);
  check_unreliable(&client, &server, peer, 0, WHOLE - 3, true);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

static double throttled(struct consumer *c, double peer) {
  return peer_statistic(c, peer, ENETJS_PEER_STAT_THROTTLED);
}

/* A throttle of 0 of 32 lets one of 32 pass. */
TEST(what_the_throttle_drops_is_counted) {
  static const double flags[] = {0, ENET_PACKET_FLAG_UNRELIABLE_FRAGMENT};
  struct consumer server, client;
  double peer;
  ENetPeer *enet;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(enetjs_peer_set(client.host, peer, ENETJS_PEER_THROTTLE, 5000, 0, 0), 0);
  enet = &host_of(&client)->enet->peers[(size_t)fmod(peer, ENETJS_PEER_SLOTS)];
  enet->packetThrottle = enet->packetThrottleLimit = 0;
  for (size_t i = 0; i < TEST_COUNT(flags); i++) {
    double before = throttled(&client, peer);
    unsigned had = server.receives;
    for (int n = 0; n < 320; n++) CHECK(send_bytes(&client, peer, flags[i], i == 0 ? 10 : 2000) >= 0);
    UNTIL(peer_statistic(&client, peer, ENETJS_PEER_STAT_QUEUED_MESSAGES) == 0, poll_both(&client, &server));
    CHECK_EQ_INT(throttled(&client, peer) - before, 310);
    UNTIL(server.receives - had == 10, poll_both(&client, &server));
  }
  CHECK_EQ_INT(enetjs_peer_reset(client.host, peer), 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

/* What a connection drops at its end is no business of the throttle, nor of the next connection. */
TEST(counts_end_with_the_connection) {
  struct consumer server, client;
  double peer;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  for (int n = 0; n < 10; n++) CHECK(send_bytes(&client, peer, 0, 1500) >= 0);
  CHECK_EQ_INT(sent_reliably(&client, peer), 10);
  for (int n = 0; n < 10; n++) CHECK(send_bytes(&client, peer, 0, 10) >= 0);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 0, ENETJS_DISCONNECT), 0);
  CHECK_EQ_INT(throttled(&client, peer), 0);
  UNTIL(client.disconnects == 1 && server.disconnects == 1, poll_both(&client, &server));
  peer = connect_pair_of(&client, &server);
  CHECK_EQ_INT(sent_reliably(&client, peer), 0);
  CHECK_EQ_INT(throttled(&client, peer), 0);
  consumer_close(&client);
  consumer_close(&server);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(only_those_named_get_it),
      TEST_CASE(all_but_those_named_get_it),
      TEST_CASE(those_that_have_ended_get_nothing),
      TEST_CASE(the_order_with_other_messages_stays),
      TEST_CASE(large_unreliable_messages_are_counted),
      TEST_CASE(a_checksum_makes_datagrams_smaller),
      TEST_CASE(what_the_throttle_drops_is_counted),
      TEST_CASE(counts_end_with_the_connection),
  };
  return test_run(cases, TEST_COUNT(cases));
}
