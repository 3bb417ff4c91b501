/*
 * The wake-up of a consumer that cannot take over a descriptor: it listens on the loopback interface, and the
 * library connects.
 */
#include <string.h>

#include "../consumer.h"

#ifdef _WIN32
#include <ws2tcpip.h>
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

static const uint8_t secret[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void pumped_open(struct consumer *c) {
  consumer_start(c);
  c->config[ENETJS_CONFIG_ADDRESS] = LOOPBACK;
  c->config[ENETJS_CONFIG_PUMP] = 1;
  consumer_open(c);
}

/* @returns the port that it listens on */
static double listen_on(enetjs_fd *listener) {
  struct sockaddr_in address;
  socklen_t bytes = sizeof(address);
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  *listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(*listener != ENETJS_FD_NONE);
  CHECK_EQ_INT(bind(*listener, (struct sockaddr *)&address, sizeof(address)), 0);
  CHECK_EQ_INT(listen(*listener, 4), 0);
  CHECK_EQ_INT(getsockname(*listener, (struct sockaddr *)&address, &bytes), 0);
  return ntohs(address.sin_port);
}

static double start(struct consumer *c, double port) {
  return enetjs_host_start(c->host, port, secret, sizeof(secret));
}

static void wait_for(enetjs_fd fd) {
  enetjs_pollfd readable = {.fd = fd, .events = POLLIN};
  CHECK_EQ_INT(enetjs_poll(&readable, 1, PATIENCE_MS), 1);
}

TEST(the_secret_comes_first_and_then_a_byte_for_each_wake_up) {
  struct consumer server, client;
  enetjs_fd listener;
  char bytes[64];
  pumped_open(&server);
  CHECK_EQ_INT(start(&server, listen_on(&listener)), 0);
  server.wake = accept(listener, NULL, NULL);
  CHECK(server.wake != ENETJS_FD_NONE);
  wait_for(server.wake);
  CHECK_EQ_INT(recv(server.wake, bytes, sizeof(bytes), 0), sizeof(secret));
  CHECK_EQ_INT(memcmp(bytes, secret, sizeof(secret)), 0);
  client_open(&client);
  enetjs_host_connect(client.host, LOOPBACK, port_of(&server), 2, 0);
  CHECK_EQ_INT(enetjs_host_flush(client.host), 0);
  wait_for(server.wake);
  CHECK_EQ_INT(recv(server.wake, bytes, sizeof(bytes), 0), 1);
  consumer_close(&client);
  consumer_close(&server);
  enetjs_fd_close(listener);
  check_nothing_left();
}

TEST(the_end_of_the_connection_is_the_end_of_the_host) {
  struct consumer c;
  enetjs_fd listener;
  pumped_open(&c);
  CHECK_EQ_INT(start(&c, listen_on(&listener)), 0);
  enetjs_fd_close(accept(listener, NULL, NULL));
  UNTIL(enetjs_host_flush(c.host) == ENETJS_ERR_CLOSED, test_yield());
  consumer_free(&c);
  enetjs_fd_close(listener);
  UNTIL(diagnostic(ENETJS_DIAGNOSTIC_PUMPS) == 0, test_yield());
  check_nothing_left();
}

TEST(a_port_without_a_listener_and_wrong_arguments_are_refused) {
  struct consumer c;
  enetjs_fd listener;
  double port;
  pumped_open(&c);
  port = listen_on(&listener);
  CHECK_EQ_INT(start(&c, -1), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(start(&c, 0.5), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(start(&c, 65536), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_start(c.host, port, NULL, 16), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_start(c.host, port, secret, 0), ENETJS_ERR_ARGUMENT);
  CHECK_EQ_INT(enetjs_host_start(c.host, port, secret, 65), ENETJS_ERR_ARGUMENT);
  enetjs_fd_close(listener);
  CHECK_EQ_INT(start(&c, port), ENETJS_ERR_SOCKET);
  consumer_close(&c);
  check_nothing_left();
}

int main(void) {
  static const struct test_case cases[] = {
      TEST_CASE(the_secret_comes_first_and_then_a_byte_for_each_wake_up),
      TEST_CASE(the_end_of_the_connection_is_the_end_of_the_host),
      TEST_CASE(a_port_without_a_listener_and_wrong_arguments_are_refused),
  };
  return test_run(cases, TEST_COUNT(cases));
}
