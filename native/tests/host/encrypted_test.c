/*
 * Encrypted connections of two hosts, with their pumps: new keys under load, silence for strangers, and their
 * end.
 */
#include "../consumer.h"

#include "wire/guard_state.h"
#include "wire/security/security_state.h"
#include "wire/security/sodium.h"

#define MESSAGES (20000 / SLOW)
#define NEW_KEYS 500 /* messages between two epochs */

static struct enetjs_key_pair keys;

static void open_pumped(struct consumer *c, bool listens) {
  consumer_start(c);
  if (!listens) c->config[ENETJS_CONFIG_ADDRESS] = -1;
  c->config[ENETJS_CONFIG_PUMP] = 1;
  consumer_open(c);
}

static void server_open_encrypted(struct consumer *server) {
  uint8_t bytes[ENETJS_SECURITY_SERVER_ISSUERS] = {ENETJS_SECURITY_REQUIRED};
  open_pumped(server, true);
  CHECK(enetjs_sodium() != NULL);
  memset(keys.secret, 7, sizeof(keys.secret));
  enetjs_key_pair_of(&keys, keys.secret);
  memcpy(bytes + ENETJS_SECURITY_PAIR_AT, &keys, sizeof(keys));
  CHECK_EQ_INT(enetjs_host_set_security(server->host, bytes, sizeof(bytes)), 0);
}

static double connect_encrypted(struct consumer *client, const struct consumer *server, uint8_t change) {
  uint8_t bytes[ENETJS_SECURITY_ATTEMPT_TOKEN] = {0};
  memcpy(bytes + ENETJS_SECURITY_ATTEMPT_SERVER_KEY, keys.public, ENETJS_KEY_BYTES);
  bytes[ENETJS_SECURITY_ATTEMPT_SERVER_KEY] ^= change;
  return enetjs_host_connect_secured(client->host, LOOPBACK, port_of(server), 2, 7, bytes, sizeof(bytes));
}

static void connect_both(struct consumer *client, struct consumer *server) {
  server_open_encrypted(server);
  open_pumped(client, false);
  consumer_start_pump(server);
  consumer_start_pump(client);
  CHECK(connect_encrypted(client, server, 0) > 0);
  UNTIL(client->connects > 0 && server->connects > 0, poll_both(client, server));
  CHECK_EQ_INT(server->clients, 1);
  CHECK_EQ_INT(client->secured, 1);
}

/* The next datagram of each session begins an epoch. */
static void age_keys(struct consumer *c) {
  struct enetjs_host *h = enetjs_host_acquire(c->host);
  CHECK(h != NULL);
  for (uint32_t i = 0; i < h->security->sessions.room; i++)
    if (h->security->sessions.places[i]) h->security->sessions.places[i]->sealing.changed_us -= 121000000u;
  enetjs_host_release(h);
}

static unsigned expected; /* number of the next message */

static void check_order(struct consumer *c, const struct record *r) {
  unsigned number;
  (void)c;
  if (r->type != ENETJS_EVENT_RECEIVE) return;
  CHECK_EQ_INT(r->length, 100);
  memcpy(&number, r->payload, sizeof(number));
  CHECK_EQ_INT(number, expected++);
}

TEST(new_keys_under_load_lose_nothing) {
  struct consumer client, server;
  uint8_t message[100] = {0};
  connect_both(&client, &server);
  server.on_event = check_order;
  expected = 0;
  for (unsigned i = 0; i < MESSAGES; i++) {
    memcpy(message, &i, sizeof(i));
    UNTIL(enetjs_peer_send_buffer(client.host, client.peer, 0, ENET_PACKET_FLAG_RELIABLE, message,
                                  sizeof(message), 0) == 0,
          poll_both(&client, &server));
    if (i % NEW_KEYS == 0) {
      age_keys(&client);
      age_keys(&server);
      poll_both(&client, &server);
    }
  }
  UNTIL(expected == MESSAGES, poll_both(&client, &server));
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_SECURITY_FORGED), 0);
  CHECK_EQ_INT(statistic(&client, ENETJS_HOST_STAT_SECURITY_FORGED), 0);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(another_key_and_plain_connects_get_silence) {
  struct consumer client, server;
  server_open_encrypted(&server);
  client_open(&client);
  CHECK(connect_encrypted(&client, &server, 1) > 0);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 2, 7) > 0);
  UNTIL(statistic(&server, ENETJS_HOST_STAT_SECURITY_UNAUTHENTIC) > 0 &&
            statistic(&server, ENETJS_HOST_STAT_SECURITY_PLAIN_REFUSED) > 0,
        poll_both(&client, &server));
  CHECK_EQ_INT(client.secured + client.connects + server.connects, 0);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 0);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(keys_that_do_not_belong_together_are_refused) {
  struct consumer server;
  uint8_t bytes[ENETJS_SECURITY_SERVER_ISSUERS] = {ENETJS_SECURITY_REQUIRED};
  server_open(&server);
  bytes[ENETJS_SECURITY_PAIR_AT] = 9;
  CHECK_EQ_INT(enetjs_host_set_security(server.host, bytes, sizeof(bytes)), ENETJS_ERR_KEY_PAIR);
  CHECK_EQ_INT(enetjs_host_set_security(server.host, bytes, sizeof(bytes) - 1), ENETJS_ERR_ARGUMENT);
  consumer_close(&server);
}

TEST(a_session_ends_with_its_peer) {
  struct consumer client, server;
  connect_both(&client, &server);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, client.peer, 3, ENETJS_DISCONNECT), 0);
  UNTIL(client.disconnects > 0 && server.disconnects > 0, poll_both(&client, &server));
  UNTIL(statistic(&client, ENETJS_HOST_STAT_SECURITY_SESSIONS) == 0 &&
            statistic(&server, ENETJS_HOST_STAT_SECURITY_SESSIONS) == 0,
        poll_both(&client, &server));
  CHECK_EQ_INT(host_of(&server)->security->sessions.count, 0);
  consumer_close(&client);
  consumer_close(&server);
}

/* An address has a number of open questions, however many sessions it has. */
TEST(sessions_of_an_address_share_its_questions) {
  struct consumer client, server;
  const struct enetjs_attempt *attempt;
  struct enetjs_attempts *attempts;
  struct enetjs_host *h;
  server_open_encrypted(&server);
  client_open(&client);
  CHECK_EQ_INT(enetjs_host_set(server.host, ENETJS_CONFIG_ACCEPT, 1, 0), 0);
  CHECK(connect_encrypted(&client, &server, 0) > 0);
  CHECK(connect_encrypted(&client, &server, 0) > 0);
  UNTIL(server.questions == 2, poll_both(&client, &server));
  h = enetjs_host_acquire(server.host);
  attempts = &h->guard->attempts;
  attempt = enetjs_attempts_oldest(attempts, ENETJS_ATTEMPT_ASKING);
  CHECK(attempt != NULL);
  CHECK(enetjs_attempts_share(attempts, attempt) ==
        enetjs_attempts_share(attempts, &attempts->attempts[attempt->newer]));
  enetjs_host_release(h);
  consumer_close(&client);
  consumer_close(&server);
}

/* A plain attempt goes on for a while, to tell the server that may have taken a place for it. */
TEST(an_attempt_that_is_abandoned_before_the_reply_ends_at_once) {
  struct consumer client, server;
  double peer;
  server_open_encrypted(&server);
  client_open(&client);
  peer = connect_encrypted(&client, &server, 0);
  CHECK(peer > 0);
  CHECK_EQ_INT(enetjs_peer_disconnect(client.host, peer, 0, ENETJS_DISCONNECT_ABANDON), 0);
  CHECK_EQ_INT(host_of(&client)->security->sessions.count, 0);
  consumer_close(&client);
  consumer_close(&server);
}

/* Another CONNECT in the session of the first peer. */
static void connect_within_session(struct consumer *c) {
  struct enetjs_host *h = enetjs_host_acquire(c->host);
  struct enetjs_endpoint session = enetjs_endpoint_of(&h->enet->peers[0].address);
  CHECK(enetjs_endpoint_is_session(&session));
  CHECK(enetjs_host_connect_to(h, &session, 2, 7) > 0);
  enetjs_host_release(h);
}

/* A handshake is charged and a token is used once, so a session must not bring in more than one peer. */
TEST(a_session_has_one_connection) {
  struct consumer client, server;
  connect_both(&client, &server);
  connect_within_session(&client);
  UNTIL(server.connects > 1 || statistic(&server, ENETJS_HOST_STAT_SECURITY_MALFORMED) > 0,
        poll_both(&client, &server));
  CHECK_EQ_INT(server.connects, 1);
  CHECK_EQ_INT(statistic(&server, ENETJS_HOST_STAT_HALF_OPEN), 0);
  consumer_close(&client);
  consumer_close(&server);
}

/* A host that listens, too, has its own conditions for those who connect to it. */
TEST(a_server_cannot_connect_to_its_client) {
  struct consumer client, server;
  server_open_encrypted(&server);
  open_pumped(&client, true);
  consumer_start_pump(&server);
  consumer_start_pump(&client);
  CHECK(connect_encrypted(&client, &server, 0) > 0);
  UNTIL(client.connects > 0 && server.connects > 0, poll_both(&client, &server));
  connect_within_session(&server);
  UNTIL(client.connects > 1 || statistic(&client, ENETJS_HOST_STAT_SECURITY_MALFORMED) > 0,
        poll_both(&client, &server));
  CHECK_EQ_INT(client.connects, 1);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(nothing_is_left) { check_nothing_left(); }

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(new_keys_under_load_lose_nothing),
      TEST_CASE(another_key_and_plain_connects_get_silence),
      TEST_CASE(keys_that_do_not_belong_together_are_refused),
      TEST_CASE(a_session_ends_with_its_peer),
      TEST_CASE(sessions_of_an_address_share_its_questions),
      TEST_CASE(an_attempt_that_is_abandoned_before_the_reply_ends_at_once),
      TEST_CASE(a_session_has_one_connection),
      TEST_CASE(a_server_cannot_connect_to_its_client),
      TEST_CASE(nothing_is_left),
  };
  if (test_lacks("libsodium")) return test_skip("there is no libsodium");
  return test_run(cases, TEST_COUNT(cases));
}
