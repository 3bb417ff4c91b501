/* ICMP messages about attempts to connect: the consumer is told, and nothing else changes. */
#include "../consumer.h"
#include "wire/socket.h"

#define PORT_UNREACHABLE 3
#define READ 64 /* at most, in a watch */

#if defined(__linux__)

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As the system's, but the next calls fail like those before which a report has come. */
static struct {
  unsigned failures, calls;
  int error;
} sending;

ENETJS_API int sendmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags) {
  sending.calls++;
  if (sending.failures == 0) return (int)syscall(SYS_sendmmsg, socket, messages, count, flags);
  sending.failures--;
  errno = sending.error;
  return -1;
}

#endif

/* Other systems do not report them, and without batches nobody asks for them. */
static bool reports(void) {
#if defined(__linux__)
  return enetjs_batch_arrives() > 0;
#else
  return false;
#endif
}

/* @returns a port where nothing listens */
static uint16_t closed_port(void) {
  uint16_t port;
  enet_socket_destroy(socket_open(&port));
  return port;
}

static bool socket_is_quiet(const struct consumer *c) {
  enetjs_pollfd fd = {0};
  fd.fd = host_of(c)->enet->socket;
  fd.events = POLLIN;
  return enetjs_poll(&fd, 1, 0) == 0;
}

TEST(the_consumer_is_told_once) {
  struct consumer client;
  double peer;
  if (!reports()) return;
  client_open(&client);
  peer = enetjs_host_connect(client.host, LOOPBACK, closed_port(), 1, 0);
  CHECK_EQ_INT(enetjs_peer_set(client.host, peer, ENETJS_PEER_TIMEOUT, 3, 50, 60000), 0);
  UNTIL(client.unreachable == 1, consumer_poll(&client));
  CHECK_EQ_INT(client.last_completion.data, PORT_UNREACHABLE);
  CHECK(client.last_completion.peer == peer);
  CHECK_EQ_INT(enetjs_peer_state(client.host, peer), ENET_PEER_STATE_CONNECTING);
  /* ENet sends the CONNECT again, and its time is up. */
  UNTIL(client.closed == 1, consumer_poll(&client));
  CHECK_EQ_INT(client.last_completion.extra, ENETJS_REASON_TIMEOUT);
  CHECK_EQ_INT(client.unreachable, 1);
  CHECK_EQ_INT(statistic(&client, ENETJS_HOST_STAT_SOCKET_ERRORS), 0);
  CHECK_EQ_INT(client.failures, 0);
  /* Nothing is watched any more. */
  CHECK_EQ_INT(host_of(&client)->unreachable.left, 0);
  CHECK(socket_is_quiet(&client));
  consumer_close(&client);
}

TEST(an_attempt_reaches_a_server_that_starts_later) {
  struct consumer server, client;
  if (!reports()) return;
  client_open(&client);
  consumer_start(&server);
  server.config[ENETJS_CONFIG_PORT] = closed_port();
  CHECK(enetjs_host_connect(client.host, LOOPBACK, server.config[ENETJS_CONFIG_PORT], 1, 0) > 0);
  UNTIL(client.unreachable == 1, consumer_poll(&client));
  consumer_open(&server);
  UNTIL(client.connects == 1 && server.connects == 1, poll_both(&client, &server));
  CHECK_EQ_INT(host_of(&client)->unreachable.left, 0);
  consumer_close(&client);
  consumer_close(&server);
}

/* Each report fails one call on the socket, which must not be one that is about another peer. */
TEST(an_established_connection_loses_nothing) {
  struct consumer server, client;
  double peer, attempt;
  unsigned sent = 0;
  uint16_t port = closed_port();
  if (!reports()) return;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  attempt = enetjs_host_connect(client.host, LOOPBACK, port, 1, 0);
  UNTIL(client.unreachable == 1, consumer_poll(&client));
  for (unsigned i = 0; i < READ / 2; i++) {
    /* The report comes while the datagram is sent, and the next call on the socket sends the message. */
    client.block[client.words[ENETJS_WORD_SCRATCH_OFFSET]] = 'x';
    CHECK_EQ_INT(
        enetjs_host_send_datagram(client.host, LOOPBACK, port, client.words[ENETJS_WORD_SCRATCH_OFFSET], 1),
        1);
    CHECK_EQ_INT(send_text(&client, peer, 0, "unreliable", 0), 0);
    CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
    sent++;
    UNTIL(server.receives == sent, consumer_poll(&server));
  }
  CHECK_EQ_INT(statistic(&client, ENETJS_HOST_STAT_SOCKET_ERRORS), 0);
  CHECK_EQ_INT(enetjs_peer_reset(client.host, attempt), 0);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(a_peer_whose_port_closes_is_not_ended_by_a_report) {
  struct consumer server, client;
  double peer;
  if (!reports()) return;
  server_open(&server);
  client_open(&client);
  peer = connect_pair_of(&client, &server);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, closed_port(), 1, 0) > 0);
  UNTIL(client.unreachable == 1, consumer_poll(&client));
  enet_socket_destroy(host_of(&server)->enet->socket);
  host_of(&server)->enet->socket = ENET_SOCKET_NULL;
  for (unsigned i = 0; i < 8; i++) {
    CHECK_EQ_INT(send_text(&client, peer, 0, "to nobody", 0), 0);
    consumer_poll(&client);
  }
  CHECK_EQ_INT(enetjs_peer_state(client.host, peer), ENET_PEER_STATE_CONNECTED);
  CHECK_EQ_INT(client.disconnects, 0);
  CHECK_EQ_INT(client.failures, 0);
  consumer_close(&client);
  consumer_close(&server);
}

TEST(a_flood_of_reports_ends_the_watch) {
  struct consumer client;
  uint16_t port = closed_port(), other_port;
  ENetSocket other = socket_open(&other_port);
  if (!reports()) goto done;
  consumer_start(&client);
  client.config[ENETJS_CONFIG_DATAGRAMS] = 1;
  consumer_open(&client);
  CHECK(enetjs_host_connect(client.host, LOOPBACK, port, 1, 0) > 0);
  CHECK_EQ_INT(host_of(&client)->unreachable.left, READ);
  for (unsigned i = 0; i < 4 * READ; i++)
    CHECK_EQ_INT(
        enetjs_host_send_datagram(client.host, LOOPBACK, port, client.words[ENETJS_WORD_SCRATCH_OFFSET], 1),
        1);
  consumer_poll(&client);
  CHECK_EQ_INT(host_of(&client)->unreachable.left, 0);
  CHECK(socket_is_quiet(&client));
  CHECK_EQ_INT(client.unreachable, 1);
  CHECK_EQ_INT(socket_send(other, port_of(&client), "ping!", 5), 5);
  UNTIL(client.datagrams == 1, consumer_poll(&client));
  CHECK_EQ_INT(client.failures, 0);
  /* Another attempt is told again. */
  CHECK(enetjs_host_connect(client.host, LOOPBACK, port, 1, 0) > 0);
  UNTIL(client.unreachable == 2, consumer_poll(&client));
  consumer_close(&client);
done:
  enet_socket_destroy(other);
}

#if defined(__linux__)

/* A client sends to two servers in one call of the system, which fails so often. */
static void check_sending(int error, unsigned failures, unsigned calls, unsigned lost) {
  struct consumer servers[2], client;
  double peers[2];
  if (!reports()) return;
  client_open(&client);
  for (unsigned i = 0; i < 2; i++) {
    server_open(&servers[i]);
    peers[i] = connect_pair_of(&client, &servers[i]);
  }
  for (unsigned i = 0; i < 10; i++) {
    for (unsigned s = 0; s < 2; s++) poll_both(&client, &servers[s]);
  }
  for (unsigned i = 0; i < 2; i++) CHECK_EQ_INT(send_text(&client, peers[i], 0, "unreliable", 0), 0);
  sending.error = error;
  sending.failures = failures;
  sending.calls = 0;
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  CHECK_EQ_INT(sending.calls, calls);
  CHECK_EQ_INT(sending.failures, 0);
  CHECK_EQ_INT(statistic(&client, ENETJS_HOST_STAT_SOCKET_ERRORS), lost);
  UNTIL(servers[0].receives + servers[1].receives == 2 - lost,
        (consumer_poll(&servers[0]), consumer_poll(&servers[1])));
  consumer_close(&client);
  for (unsigned i = 0; i < 2; i++) consumer_close(&servers[i]);
}

TEST(a_call_that_a_report_fails_is_made_again) { check_sending(ECONNREFUSED, 1, 2, 0); }

/* Then the error is that of the first datagram, and the others are sent. */
TEST(a_call_that_fails_again_loses_one_datagram) { check_sending(EHOSTUNREACH, 2, 3, 1); }
TEST(a_call_that_fails_for_another_reason_loses_one_datagram) { check_sending(EPERM, 1, 2, 1); }

/* The system sends one datagram by sendmsg. */
ENETJS_API ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
  if (sending.failures == 0) return (ssize_t)syscall(SYS_sendmsg, socket, message, flags);
  sending.failures--;
  errno = sending.error;
  return -1;
}

/* What a program's answer to a forged address must not do is fail. */
TEST(a_datagram_that_has_no_way_is_lost) {
  static const struct {
    int error;
    double result;
  } cases[] = {
      {ENETUNREACH, 0}, {EHOSTUNREACH, 0},  {ENODEV, 0}, {EPERM, 0},
      {EACCES, 0},      {EADDRNOTAVAIL, 0}, {EINVAL, 0}, {EIO, ENETJS_ERR_SOCKET},
  };
  struct consumer client;
  uint16_t port;
  ENetSocket other = socket_open(&port);
  client_open(&client);
  for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
    double scratch = client.words[ENETJS_WORD_SCRATCH_OFFSET];
    sending.error = cases[i].error;
    sending.failures = 1;
    CHECK_EQ_INT(enetjs_host_send_datagram(client.host, LOOPBACK, port, scratch, 1), cases[i].result);
    CHECK_EQ_INT(sending.failures, 0);
    CHECK_EQ_INT(enetjs_host_send_datagram(client.host, LOOPBACK, port, scratch, 1), 1);
  }
  consumer_close(&client);
  enet_socket_destroy(other);
}

#endif

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(the_consumer_is_told_once),
      TEST_CASE(an_attempt_reaches_a_server_that_starts_later),
      TEST_CASE(an_established_connection_loses_nothing),
      TEST_CASE(a_peer_whose_port_closes_is_not_ended_by_a_report),
      TEST_CASE(a_flood_of_reports_ends_the_watch),
#if defined(__linux__)
      TEST_CASE(a_call_that_a_report_fails_is_made_again),
      TEST_CASE(a_call_that_fails_again_loses_one_datagram),
      TEST_CASE(a_call_that_fails_for_another_reason_loses_one_datagram),
      TEST_CASE(a_datagram_that_has_no_way_is_lost),
#endif
  };
  return test_run(cases, TEST_COUNT(cases));
}
