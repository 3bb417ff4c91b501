/* The gate: who is asked about, what waits for the answer, and what a flood cannot do. */
#include "../consumer.h"

#define FLOOD 600 /* more addresses than may wait at once */
#define WAITING_LIMIT 256

static void gated_open(struct consumer *c) {
  consumer_start(c);
  c->config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(c);
  CHECK_EQ_INT(enetjs_gate_open(c->host, 1), 0);
}

/* Sends a datagram and services until the host has read it. */
static void send_and_read(struct consumer *c, ENetSocket s) {
  double before = statistic(c, ENETJS_HOST_STAT_RECEIVED_PACKETS);
  CHECK_EQ_INT(socket_send(s, port_of(c), "ping!", 5), 5);
  UNTIL(statistic(c, ENETJS_HOST_STAT_RECEIVED_PACKETS) > before, consumer_poll(c));
}

static double question_of(uint16_t port) { return (double)LOOPBACK * 65536 + port; }

static void answer(struct consumer *c, uint16_t port, double allowed) {
  CHECK(enetjs_gate_next(c->host) == question_of(port));
  CHECK_EQ_INT(enetjs_gate_answer(c->host, question_of(port), allowed), 0);
  consumer_poll(c);
}

TEST(an_address_is_asked_about_once) {
  struct consumer server;
  uint16_t friend_port, stranger_port;
  ENetSocket friend = socket_open(&friend_port), stranger = socket_open(&stranger_port);
  unsigned held = enetjs_datagrams_batched() > 0 ? 1 : 0; /* else the first datagram cannot wait */
  gated_open(&server);
  CHECK_EQ_INT(enetjs_gate_next(server.host), ENETJS_ERR_STALE);
  send_and_read(&server, friend);
  send_and_read(&server, friend);
  send_and_read(&server, stranger);
  CHECK_EQ_INT(server.datagrams, 0);
  answer(&server, friend_port, 1);
  CHECK_EQ_INT(server.datagrams, held);
  answer(&server, stranger_port, 0);
  CHECK_EQ_INT(enetjs_gate_next(server.host), ENETJS_ERR_STALE);
  for (unsigned i = 1; i <= 20; i++) {
    send_and_read(&server, stranger);
    send_and_read(&server, friend);
    CHECK_EQ_INT(server.datagrams, held + i);
  }
  CHECK_EQ_INT(enetjs_gate_next(server.host), ENETJS_ERR_STALE);
  enet_socket_destroy(friend);
  enet_socket_destroy(stranger);
  consumer_close(&server);
}

TEST(what_waited_is_what_was_sent) {
  struct consumer server;
  uint8_t bytes[1200];
  uint16_t port;
  ENetSocket s = socket_open(&port);
  if (enetjs_datagrams_batched() == 0) goto done;
  gated_open(&server);
  payload_fill(bytes, sizeof(bytes), 7);
  CHECK_EQ_INT(socket_send(s, port_of(&server), bytes, sizeof(bytes)), (int)sizeof(bytes));
  UNTIL(enetjs_gate_next(server.host) >= 0, consumer_poll(&server));
  answer(&server, port, 1);
  CHECK_EQ_INT(server.datagrams, 1);
  CHECK_EQ_INT(server.last.length, sizeof(bytes));
  CHECK_EQ_INT(server.last.extra, port);
  CHECK(payload_is(server.arena, sizeof(bytes), 7));
  consumer_close(&server);
done:
  enet_socket_destroy(s);
}

TEST(connections_pass_when_they_may) {
  struct consumer server, client;
  consumer_start(&server);
  server_open(&server);
  CHECK_EQ_INT(enetjs_gate_open(server.host, 1), 0);
  consumer_start(&client);
  client_open(&client);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 1, 0) > 0);
  UNTIL(enetjs_gate_next(server.host) >= 0, poll_both(&client, &server));
  CHECK_EQ_INT(server.connects, 0);
  CHECK_EQ_INT(enetjs_gate_answer(server.host, enetjs_gate_next(server.host), 1), 0);
  UNTIL(server.connects == 1 && client.connects == 1, poll_both(&client, &server));
  consumer_close(&client);
  consumer_close(&server);
}

TEST(a_flood_is_bounded) {
  static ENetSocket sockets[FLOOD];
  struct consumer server;
  unsigned asked = 0;
  uint16_t port;
  gated_open(&server);
  for (unsigned i = 0; i < FLOOD; i++) {
    sockets[i] = socket_open(&port);
    send_and_read(&server, sockets[i]);
  }
  while (enetjs_gate_next(server.host) >= 0) {
    CHECK_EQ_INT(enetjs_gate_answer(server.host, enetjs_gate_next(server.host), asked % 2), 0);
    asked++;
  }
  CHECK_EQ_INT(asked, WAITING_LIMIT);
  consumer_poll(&server);
  /* Those who were dropped unasked are asked about when they try again. */
  send_and_read(&server, sockets[FLOOD - 1]);
  CHECK(enetjs_gate_next(server.host) == question_of(port));
  for (unsigned i = 0; i < FLOOD; i++) enet_socket_destroy(sockets[i]);
  consumer_close(&server); /* with a question open, and its datagram */
}

TEST(opening_it_again_forgets_and_closing_it_lets_all_through) {
  struct consumer server;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  gated_open(&server);
  send_and_read(&server, s);
  answer(&server, port, 0);
  CHECK_EQ_INT(enetjs_gate_open(server.host, 1), 0);
  send_and_read(&server, s);
  CHECK(enetjs_gate_next(server.host) == question_of(port));
  CHECK_EQ_INT(enetjs_gate_open(server.host, 0), 0);
  CHECK_EQ_INT(enetjs_gate_next(server.host), ENETJS_ERR_STALE);
  CHECK_EQ_INT(enetjs_gate_answer(server.host, question_of(port), 1), ENETJS_ERR_STALE);
  send_and_read(&server, s);
  CHECK_EQ_INT(server.datagrams, 1);
  enet_socket_destroy(s);
  consumer_close(&server);
}

TEST(an_old_answer_stands_in_for_the_one_to_come) {
  struct consumer server;
  uint16_t port;
  ENetSocket s = socket_open(&port);
  gated_open(&server);
  send_and_read(&server, s);
  answer(&server, port, 1);
  enet_time_set(enet_time_get() + 59000);
  send_and_read(&server, s);
  CHECK_EQ_INT(enetjs_gate_next(server.host), ENETJS_ERR_STALE);
  enet_time_set(enet_time_get() + 1000);
  server.datagrams = 0;
  send_and_read(&server, s);
  send_and_read(&server, s);
  CHECK_EQ_INT(server.datagrams, 2);
  answer(&server, port, 0);
  CHECK_EQ_INT(enetjs_gate_next(server.host), ENETJS_ERR_STALE); /* asked once, by two datagrams */
  send_and_read(&server, s);
  CHECK_EQ_INT(server.datagrams, 2);
  enet_socket_destroy(s);
  consumer_close(&server);
}

TEST(arguments_are_checked) {
  struct consumer server;
  double host;
  gated_open(&server);
  host = server.host;
  CHECK_EQ_INT(enetjs_gate_open(host, 2), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_gate_open(host, NAN), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_gate_answer(host, 0, 2), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_gate_answer(host, NAN, 1), ENETJS_ERR_STALE);
  consumer_close(&server);
  CHECK_EQ_INT(enetjs_gate_open(host, 1), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_gate_next(host), ENETJS_ERR_CLOSED);
  CHECK_EQ_INT(enetjs_gate_answer(host, 0, 1), ENETJS_ERR_CLOSED);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(an_address_is_asked_about_once),
      TEST_CASE(what_waited_is_what_was_sent),
      TEST_CASE(connections_pass_when_they_may),
      TEST_CASE(a_flood_is_bounded),
      TEST_CASE(opening_it_again_forgets_and_closing_it_lets_all_through),
      TEST_CASE(an_old_answer_stands_in_for_the_one_to_come),
      TEST_CASE(arguments_are_checked),
  };
  return test_run(cases, TEST_COUNT(cases));
}
