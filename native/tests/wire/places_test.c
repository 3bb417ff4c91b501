/*
 * The last places of a host: which attempts get them, and that no attempt of this library is established and
 * then refused.
 */
#include "handshaker.h"
#include "wire/answers.h"
#include "wire/guard_state.h"

#define WARY_MS 10000

static void small_open(struct consumer *server, double option, double value) {
  consumer_start(server);
  server->config[ENETJS_CONFIG_DATAGRAMS] = 1;
  server->config[(size_t)option] = value;
  consumer_open(server);
}

static void crowd_open(struct consumer *client) {
  consumer_start(client);
  client->config[ENETJS_CONFIG_ADDRESS] = -1;
  client->config[ENETJS_CONFIG_PEERS] = 64;
  consumer_open(client);
}

static void begin(struct consumer *client, const struct consumer *server, unsigned times) {
  for (unsigned i = 0; i < times; i++)
    CHECK(enetjs_host_connect(client->host, LOOPBACK, port_of(server), 2, 7) > 0);
}

static void forger_answered(struct forger *f, struct consumer *server) {
  forger_connect(f);
  settle(server);
  CHECK(forger_receive(f) > 0);
}

static bool is_promised(const struct forger *f) { return (f->mtu & ENETJS_TENTATIVE) == 0; }

static void refused(struct consumer *c, const struct record *r) {
  if (r->type != ENETJS_COMPLETION_CLOSED) return;
  CHECK_EQ_INT(r->extra, ENETJS_REASON_REFUSED);
  CHECK_EQ_INT(r->data, *(const uint32_t *)c->context);
}

/* ---- A race ---------------------------------------------------------------------------------- */

/* @param option what limits the connections to `places` */
static void race(unsigned option, unsigned places, uint32_t refusal) {
  const unsigned count = 50;
  struct consumer server, client;
  small_open(&server, option, places);
  crowd_open(&client);
  client.context = &refusal;
  client.on_completion = refused;
  begin(&client, &server, count);
  UNTIL(client.connected + client.closed == count, poll_both(&client, &server));
  CHECK_EQ_INT(client.connected, places);
  CHECK_EQ_INT(client.connects, places);
  UNTIL(server.connects == places, poll_both(&client, &server));
  CHECK(send_text(&server, server.peer, 1, "welcome", 0) >= 0);
  UNTIL(client.receives == 1, poll_both(&client, &server));
  CHECK_EQ_INT(client.disconnects + server.disconnects, 0);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 0);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(of_many_attempts_as_many_succeed_as_there_are_places) {
  if (!has_guard()) return;
  for (unsigned places = 1; places <= 8; places++) race(ENETJS_CONFIG_PEERS, places, ENETJS_CODE_FULL);
  race(ENETJS_CONFIG_DUPLICATE_PEERS, 3, ENETJS_CODE_DUPLICATE);
}

/* ---- Promises -------------------------------------------------------------------------------- */

TEST(a_promise_is_kept_and_who_comes_meanwhile_waits) {
  struct consumer server, client;
  struct forger f;
  uint32_t full = ENETJS_CODE_FULL;
  if (!has_guard()) return;
  small_open(&server, ENETJS_CONFIG_PEERS, 3);
  crowd_open(&client);
  client.context = &full;
  client.on_completion = refused;
  forger_open(&f, &server);
  forger_answered(&f, &server);
  CHECK(is_promised(&f));
  begin(&client, &server, 5);
  UNTIL(client.connected == 2 && server.connects == 2, poll_both(&client, &server));
  for (unsigned i = 0; i < 20; i++) poll_both(&client, &server);
  CHECK_EQ_INT(client.connected, 2);
  CHECK_EQ_INT(client.closed, 0);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 4);
  forger_acknowledge(&f);
  UNTIL(client.closed == 3, poll_both(&client, &server));
  CHECK_EQ_INT(server.connects, 3);
  CHECK_EQ_INT(client.connected, 2);
  CHECK_EQ_INT(client.disconnects + server.disconnects, 0);
  forger_close(&f);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(a_promise_that_lapses_gives_its_place_to_who_waits) {
  struct consumer server;
  struct client client;
  struct wire plain = {0};
  struct forger f;
  if (!has_guard()) return;
  small_open(&server, ENETJS_CONFIG_PEERS, 1);
  forger_open(&f, &server);
  forger_answered(&f, &server);
  CHECK(is_promised(&f));
  client_begin(&client, plain, port_of(&server));
  UNTIL(client.connects == 1, poll_with(&client, &server));
  client_send(&client, "early");
  for (unsigned i = 0; i < 20; i++) poll_with(&client, &server);
  CHECK_EQ_INT(server.connects, 0);
  skip(LIFETIME_MS);
  UNTIL(server.connects == 1 && server.receives == 1, poll_with(&client, &server));
  client_exchange(&client, &server);
  CHECK(peer_statistic(&server, server.peer, ENETJS_PEER_STAT_ROUND_TRIP_TIME) < 500);
  client_end(&client);
  forger_close(&f);
  consumer_close(&server);
}

/* Else a stranger could have the last place promised over and over, and nobody would get it. */
TEST(after_a_promise_has_lapsed_the_last_place_is_promised_to_nobody) {
  struct consumer server;
  struct forger f;
  if (!has_guard()) return;
  small_open(&server, ENETJS_CONFIG_PEERS, 1);
  forger_open(&f, &server);
  forger_answered(&f, &server);
  CHECK(is_promised(&f));
  skip(LIFETIME_MS);
  for (unsigned i = 0; i < 3; i++) {
    f.connect.connectID = next_connect_id();
    forger_answered(&f, &server);
    CHECK(!is_promised(&f));
    skip(LIFETIME_MS);
  }
  skip(WARY_MS);
  f.connect.connectID = next_connect_id();
  forger_answered(&f, &server);
  CHECK(is_promised(&f));
  forger_close(&f);
  consumer_close(&server);
}

TEST(no_more_than_half_of_the_free_places_are_promised) {
  struct consumer server;
  struct forger f;
  unsigned promised = 0;
  if (!has_guard()) return;
  guarded_open(&server);
  forger_open(&f, &server);
  for (unsigned i = 0; i < 64; i++) {
    f.connect.connectID = next_connect_id();
    forger_answered(&f, &server);
    promised += is_promised(&f);
  }
  CHECK_EQ_INT(promised, 4); /* of 8 */
  /* So a client need not wait. */
  f.connect.connectID = next_connect_id();
  forger_answered(&f, &server);
  forger_acknowledge(&f);
  settle(&server);
  CHECK_EQ_INT(server.connects, 1);
  forger_close(&f);
  consumer_close(&server);
}

TEST(a_promise_that_is_pushed_out_of_the_table_has_lapsed) {
  struct consumer server;
  struct forger f, flood;
  enet_uint32 now = enet_time_get();
  if (!has_guard()) return;
  small_open(&server, ENETJS_CONFIG_PEERS, 1);
  forger_open(&f, &server);
  forger_answered(&f, &server);
  CHECK(is_promised(&f));
  forger_open(&flood, &server);
  for (unsigned i = 0; i <= ENETJS_ATTEMPTS; i++) {
    if (i % 3000 == 2999) { /* one port has 4,095 ids at most */
      forger_close(&flood);
      forger_open(&flood, &server);
    }
    flood.connect.connectID = next_connect_id();
    forger_connect(&flood);
    if (i % 64 != 0) continue;
    enet_time_set(now);
    consumer_poll(&server);
  }
  enet_time_set(now);
  settle(&server);
  CHECK_EQ_INT(host_of(&server)->guard->attempts.promised, 0);
  forger_close(&f);
  forger_close(&flood);
  consumer_close(&server);
}

TEST(who_waits_for_a_place_is_told_that_the_host_closes) {
  struct consumer server, client;
  struct forger f;
  uint32_t closing = ENETJS_CODE_CLOSING;
  if (!has_guard()) return;
  small_open(&server, ENETJS_CONFIG_PEERS, 1);
  crowd_open(&client);
  client.context = &closing;
  client.on_completion = refused;
  forger_open(&f, &server);
  forger_answered(&f, &server);
  begin(&client, &server, 2);
  /* It has two answers when it sends its third and fourth datagram. */
  UNTIL(statistic(&client, ENETJS_HOST_STAT_SENT_PACKETS) >= 4, poll_both(&client, &server));
  settle(&server);
  consumer_close(&server);
  UNTIL(client.closed == 2, consumer_poll(&client));
  CHECK_EQ_INT(client.connected, 0);
  forger_close(&f);
  consumer_close(&client);
}

TEST(who_gives_up_while_it_waits_takes_no_place) {
  struct consumer server, client;
  struct forger f;
  double peer;
  if (!has_guard()) return;
  small_open(&server, ENETJS_CONFIG_PEERS, 1);
  crowd_open(&client);
  forger_open(&f, &server);
  forger_answered(&f, &server);
  peer = enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 2, 7);
  UNTIL(statistic(&client, ENETJS_HOST_STAT_SENT_PACKETS) >= 2, poll_both(&client, &server));
  settle(&server);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 2);
  CHECK_EQ_INT(enetjs_peer_reset(client.host, peer), 0);
  settle(&server);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 1);
  skip(LIFETIME_MS);
  settle(&server);
  CHECK_EQ_INT(server.connects, 0);
  forger_close(&f);
  consumer_close(&client);
  consumer_close(&server);
}

/* ---- Stock ENet ------------------------------------------------------------------------------ */

TEST(stock_clients_take_a_tentative_answer_for_any_other) {
  struct consumer server;
  struct client client;
  struct wire plain = {0};
  struct forger f;
  if (!has_guard()) return;
  small_open(&server, ENETJS_CONFIG_PEERS, 2);
  forger_open(&f, &server);
  forger_answered(&f, &server);
  CHECK_EQ_INT(f.mtu, 1400);
  f.connect.connectID = next_connect_id();
  forger_answered(&f, &server);
  CHECK_EQ_INT(f.mtu, 1400 | ENETJS_TENTATIVE);
  client_begin(&client, plain, port_of(&server));
  client.peer->mtu = 1000;
  UNTIL(client.connects == 1 && server.connects == 1, poll_with(&client, &server));
  CHECK_EQ_INT(client.peer->mtu, 1000);
  client_exchange(&client, &server);
  client_end(&client);
  forger_close(&f);
  consumer_close(&server);
}

/* No such answer comes from stock ENet, so connecting takes one round trip. */
TEST(stock_servers_answer_once_and_for_all) {
  ENetAddress address = {ENET_HOST_TO_NET_32(LOOPBACK), 0};
  ENetHost *server = enet_host_create(&address, 1, 2, 0, 0);
  struct consumer client;
  ENetEvent event;
  CHECK(server != NULL);
  CHECK_EQ_INT(enet_socket_get_address(server->socket, &address), 0);
  crowd_open(&client);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, address.port, 2, 7) > 0);
  consumer_poll(&client);
  UNTIL(server->peers[0].state == ENET_PEER_STATE_ACKNOWLEDGING_CONNECT,
        enet_host_service(server, &event, 0));
  UNTIL(client.connected == 1, consumer_poll(&client)); /* while the server does nothing more */
  CHECK_EQ_INT(client.connects, 1);
  consumer_close(&client);
  enet_host_destroy(server);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(of_many_attempts_as_many_succeed_as_there_are_places),
      TEST_CASE(a_promise_is_kept_and_who_comes_meanwhile_waits),
      TEST_CASE(a_promise_that_lapses_gives_its_place_to_who_waits),
      TEST_CASE(after_a_promise_has_lapsed_the_last_place_is_promised_to_nobody),
      TEST_CASE(no_more_than_half_of_the_free_places_are_promised),
      TEST_CASE(a_promise_that_is_pushed_out_of_the_table_has_lapsed),
      TEST_CASE(who_waits_for_a_place_is_told_that_the_host_closes),
      TEST_CASE(who_gives_up_while_it_waits_takes_no_place),
      TEST_CASE(stock_clients_take_a_tentative_answer_for_any_other),
      TEST_CASE(stock_servers_answer_once_and_for_all),
  };
  return test_run(cases, TEST_COUNT(cases));
}
